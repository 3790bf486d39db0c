//! The settings of [`ClientCredentials`], checked at once at the end.

use std::{fmt, sync::Arc, time::Duration};

use http_body::Body;
use tower_service::Service;

use super::{
    ClientCredentials, Inner,
    binding::Binding,
    discovery::{Discovery, DiscoverySettings},
    parameters::{CLIENT_CREDENTIALS, Parameters},
    proving::Proving,
    response::ReadPolicy,
    retry::RetryPolicy,
    target::Place,
    url,
};
use crate::{
    client_auth::{
        AssertionSettings, ClientAuth, NoClient, PublicClient, Secret, SecretBasic, SecretPost,
    },
    clock::{SystemClock, WallClock},
    error::{BoxError, Error, ErrorKind},
    skew::Skew,
    token::TokenType,
    transport::{self, TokenRequest, Transport},
};

/// What an answer may be long, in bytes: a token of 64 KiB and much beside it.
const BODY_CAP: usize = 1024 * 1024;

/// Retries without a pause would be a loop.
const SHORTEST_BASE: Duration = Duration::from_millis(10);
/// Tokens of a shorter life would be refreshed in a loop.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

/// Builds a [`ClientCredentials`]. A setting given again replaces the earlier one, except where it
/// says that it is repeatable.
#[must_use = "nothing is built before `build`"]
pub struct ClientCredentialsBuilder {
    /// The token URL, or the issuer to discover it by.
    place: String,
    discover: bool,
    pub(super) discovery: DiscoverySettings,
    pub(super) binding: Binding,
    pub(super) proving: Proving,
    auth: Option<Box<dyn ClientAuth>>,
    /// A mistake in the client authentication, kept until `build`.
    pub(super) auth_mistake: Option<&'static str>,
    pub(super) assertions: AssertionSettings,
    pub(super) parameters: Parameters,
    transport: Option<Arc<dyn Transport>>,
    /// That transport is known to have a client certificate.
    has_client_certificate: bool,
    /// Of the default transport.
    #[cfg(feature = "hyper")]
    pub(super) connections: Option<transport::HyperTransportBuilder>,
    retry: RetryPolicy,
    reading: ReadPolicy,
    body_cap: usize,
    clock: Arc<dyn WallClock>,
}

impl ClientCredentialsBuilder {
    pub(super) fn new(place: String, discover: bool) -> Self {
        Self {
            place,
            discover,
            discovery: DiscoverySettings::default(),
            binding: Binding::default(),
            proving: Proving::default(),
            auth: None,
            auth_mistake: None,
            assertions: AssertionSettings::default(),
            parameters: Parameters::default(),
            transport: None,
            has_client_certificate: false,
            #[cfg(feature = "hyper")]
            connections: None,
            retry: RetryPolicy::default(),
            reading: ReadPolicy::default(),
            body_cap: BODY_CAP,
            clock: Arc::new(SystemClock),
        }
    }

    /// `client_secret_post`: id and secret in the body (RFC 6749 §2.3.1).
    pub fn client_secret_post(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        self.auth(id, |id| SecretPost { id, secret })
    }

    /// `client_secret_basic`: id and secret in the `Authorization` field, both form-encoded first
    /// (RFC 6749 §2.3.1). A space is encoded as `%20`.
    pub fn client_secret_basic(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        self.auth(id, |id| SecretBasic { id, secret, raw: false })
    }

    /// Like [`client_secret_basic`](Self::client_secret_basic) without the form-encoding, for
    /// servers that do not decode. The id must have no `:` then.
    pub fn client_secret_basic_raw(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        let colon = id.contains(':');
        let mut this = self.auth(id, |id| SecretBasic { id, secret, raw: true });
        if colon {
            this.auth_mistake = Some(
                "client_secret_basic_raw: a ':' in the client id would end it early; use \
                 client_secret_basic or client_secret_post",
            );
        }
        this
    }

    /// A public client: the id alone, in the body (RFC 6749 §3.2.1). Few servers give a client
    /// without credentials a token.
    pub fn public_client(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| PublicClient { id })
    }

    /// No client authentication and no `client_id`, for an
    /// [extension grant](Self::grant_type) that says by itself who asks, such as the JWT of a
    /// Google service account (RFC 7523 §2.1).
    pub fn no_client_authentication(self) -> Self {
        self.auth_without_id(NoClient)
    }

    pub(super) fn auth<A: ClientAuth + 'static>(
        mut self,
        id: String,
        auth: impl FnOnce(String) -> A,
    ) -> Self {
        let empty = id.trim().is_empty();
        self = self.auth_without_id(auth(id));
        self.auth_mistake = empty.then_some(
            "client id: it is empty; pass the id that the authorization server gave this client",
        );
        self
    }

    pub(super) fn auth_without_id<A: ClientAuth + 'static>(mut self, auth: A) -> Self {
        self.auth_mistake = None;
        self.auth = Some(Box::new(auth));
        self
    }

    /// Sends token requests through any tower service, in place of the default transport. It
    /// must not follow redirects.
    pub fn transport<S, B>(mut self, service: S) -> Self
    where
        S: Service<TokenRequest, Response = http::Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.has_client_certificate = false;
        #[cfg(feature = "hyper")]
        {
            self.has_client_certificate = transport::has_client_identity(&service);
        }
        self.transport = Some(transport::from_service(service));
        self
    }

    /// How long one attempt may take, to the end of the answer. Default: 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.retry.attempt_timeout = timeout;
        self
    }

    /// How many attempts an acquisition makes at most. Default: 3. Outside of a cache, which has
    /// a bound of its own, they take `attempts` times [`attempt_timeout`](Self::attempt_timeout)
    /// at most.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry.attempts = attempts;
        self
    }

    /// The longest wait before the second attempt; it doubles with each further one, to 10 s at
    /// most. The wait is drawn from between nothing and that ("full jitter"). At least 10 ms. Default:
    /// 100 ms.
    pub fn retry_base(mut self, base: Duration) -> Self {
        self.retry.base = base.max(SHORTEST_BASE);
        self
    }

    /// The longest answer that is read, in bytes. Default: 1 MiB.
    pub fn body_cap(mut self, bytes: usize) -> Self {
        self.body_cap = bytes;
        self
    }

    /// Believes no lifetime above this, for servers that give one in milliseconds or whose tokens
    /// die early. At least 1 s. Default: none (10 years).
    pub fn lifetime_cap(mut self, cap: Duration) -> Self {
        self.reading.lifetime_cap = Some(cap);
        self
    }

    /// Takes this as the lifetime of each token, whatever the server says: for servers whose
    /// `expires_in` is wrong, such as a 0 that means "does not expire". An API that rejects the
    /// token earlier has it replaced. For servers that give *no* lifetime, see
    /// [`default_lifetime`](crate::TokenCacheBuilder::default_lifetime). At least 1 s. Default: the
    /// server's `expires_in`.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.reading.token_lifetime = Some(lifetime);
        self
    }

    /// Presents tokens of a type that is not understood as this type; eBay, for one, issues an
    /// `Application Access Token` that is a Bearer token. A DPoP token is never presented as
    /// another type. Default: such tokens are refused (RFC 6749 §7.1).
    pub fn token_type_override(mut self, token_type: TokenType) -> Self {
        self.reading.token_type_override = Some(token_type);
        self
    }

    /// The clock that dates in `Retry-After` are compared with, and that client assertions and
    /// proofs are dated by. Where it and the `Date` of the token endpoint's answers are more than 5 s apart,
    /// the server's time is used. Default: the system's.
    pub fn wall_clock(mut self, clock: impl WallClock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sends credentials (and reads metadata) over plain `http` to hosts that are not loopback. Whoever sees the
    /// traffic then has them: for a network that is encrypted below HTTP only.
    pub fn allow_plain_http(mut self) -> Self {
        self.discovery.allow_plain_http = true;
        self
    }

    /// Checks the settings and builds the source.
    ///
    /// # Errors
    ///
    /// Kind `Config`, naming the setting and what to do: when the URL is not usable, no client
    /// authentication was chosen, the client id or secret is blank, a parameter is not what its
    /// specification requires or is given twice, a bound is zero, or there is no transport.
    pub fn build(self) -> Result<ClientCredentials, Error> {
        let place = if self.discover {
            Discovery::new(&self.place, self.discovery).map(Place::Discovered)
        } else {
            url::parse("token URL", &self.place, self.discovery.allow_plain_http).map(Place::Fixed)
        };
        let place = place.map_err(config)?;
        if let Some(mistake) = self.auth_mistake {
            return Err(config(mistake));
        }
        let mut auth = self.auth.ok_or_else(|| {
            config(
                "client authentication: none was chosen; call client_secret_basic, \
                 client_secret_post or public_client",
            )
        })?;
        if let Some(mistake) = auth.mistake() {
            return Err(config(mistake));
        }
        super::assertions::check(&self.assertions).map_err(config)?;
        auth.configure(&self.assertions);
        if auth.is_anonymous() && self.parameters.grant_type() == CLIENT_CREDENTIALS {
            return Err(config(
                "no_client_authentication: client_credentials is a grant to a client; choose \
                 another grant_type, or authenticate the client",
            ));
        }
        if (auth.wants_issuer() || self.parameters.want_issuer()) && !self.discover {
            return Err(config(
                "assertion: its audience is the discovered issuer and nothing is discovered; pass \
                 the issuer",
            ));
        }
        self.parameters.check().map_err(config)?;
        if self.retry.attempts == 0 || self.retry.attempt_timeout.is_zero() || self.body_cap == 0 {
            return Err(config("attempts, attempt_timeout, body_cap: none can be zero"));
        }
        let lifetimes = [self.reading.token_lifetime, self.reading.lifetime_cap];
        if lifetimes.into_iter().flatten().any(|lifetime| lifetime < SHORTEST_LIFETIME) {
            return Err(config(
                "token_lifetime, lifetime_cap: neither can be below 1 s, as tokens would be refreshed \
                 in a loop",
            ));
        }
        if self.reading.token_type_override == Some(TokenType::Dpop) {
            return Err(config("token_type_override: DPoP tokens need a proof; use Bearer"));
        }
        if auth.uses_mtls() && self.transport.is_none() && !self.binding.is_known() {
            return Err(config(
                "client authentication: it is by a certificate and there is none; call \
                 client_identity, or give a transport that has one",
            ));
        }
        let transport = match self.transport {
            Some(transport) => transport,
            #[cfg(feature = "hyper")]
            None => default_transport(place.uri(), &self.binding, self.connections)?,
            #[cfg(not(feature = "hyper"))]
            None => return Err(no_transport()),
        };
        Ok(ClientCredentials {
            inner: Arc::new(Inner {
                place,
                binding: self.binding,
                reading: ReadPolicy { expected: self.proving.expected(), ..self.reading },
                proving: self.proving,
                auth,
                parameters: self.parameters,
                transport,
                has_client_certificate: self.has_client_certificate,
                retry: self.retry,
                body_cap: self.body_cap,
                clock: self.clock,
                skew: Skew::default(),
            }),
        })
    }
}

fn config(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config).with_detail(detail)
}

#[cfg(feature = "hyper")]
fn default_transport(
    url: &http::Uri,
    binding: &Binding,
    settings: Option<transport::HyperTransportBuilder>,
) -> Result<Arc<dyn Transport>, Error> {
    let mut builder = settings.unwrap_or_else(transport::HyperTransport::builder);
    if let Some(identity) = binding.identity() {
        builder = builder.client_identity(identity.clone());
    }
    let transport = builder.build()?;
    if url.scheme() == Some(&http::uri::Scheme::HTTPS) {
        transport.check_roots()?;
    }
    Ok(transport::from_service(transport))
}

#[cfg(not(feature = "hyper"))]
fn no_transport() -> Error {
    config("transport: none was given; call transport(…), or turn the feature `hyper` on")
}

impl fmt::Debug for ClientCredentialsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentialsBuilder")
            .field("auth", &self.auth)
            .field("scope", &self.parameters.scope())
            .finish_non_exhaustive()
    }
}
