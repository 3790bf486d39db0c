//! The builder of [`ClientCredentials`]. `build` reports invalid settings.

mod assertions;
mod bounds;
mod certificates;
mod client_auth;
mod discovery;
#[cfg(feature = "dpop")]
mod dpop;
mod parameters;

use std::{fmt, sync::Arc, time::Duration};

use http_body::Body;
use tower_service::Service;

#[cfg(feature = "hyper-transport")]
use super::certificate_binding::CertificateBinding;
#[cfg(feature = "dpop")]
use super::dpop::DpopConfig;
use super::{
    attempt::EndpointClient,
    client_credentials::ClientCredentials,
    discovery::{DiscoverySettings, MetadataCache},
    parameters::{CLIENT_CREDENTIALS, Parameters},
    response::ReadPolicy,
    retry::RetryPolicy,
    token_endpoint::Endpoint,
    url,
};
use crate::{
    client_auth::{AssertionSettings, ClientAuth},
    clock::{SystemClock, WallClock},
    error::{BoxError, Error, Problem},
    limits::MAX_SETTING,
    token::TokenType,
    transport::{self, TokenRequest, Transport},
};

/// Maximum size of a body in bytes: a token of 64 KiB, and other members.
const BODY_CAP: usize = 1024 * 1024;

/// Minimum base of the backoff, since retries without a backoff would be a loop.
const MIN_RETRY_BASE: Duration = Duration::from_millis(10);

/// Builds a [`ClientCredentials`]. A later call of a setting replaces the earlier one, unless the
/// setting is repeatable.
///
/// Only the client authentication is required. [`build`](Self::build) fails unless one of these was
/// called: `client_secret_basic`, `client_secret_basic_raw`, `client_secret_post`, `private_key_jwt`,
/// `client_secret_jwt`, `client_assertion_file`, `client_assertion_fn`, `tls_client_auth`,
/// `self_signed_tls_client_auth`, `public_client` or `no_client_authentication`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper-transport")] {
/// use tower_oauth2_client_credentials::ClientCredentials;
///
/// let source = ClientCredentials::builder("https://idp.example.com/token")
///     .client_secret_basic("my-service", "s3cret")
///     .scope("invoices:read")
///     .build()?;
/// # drop(source);
/// # }
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[must_use = "nothing is built before `build`"]
pub struct ClientCredentialsBuilder {
    /// The token URL or the issuer.
    url: String,
    /// Whether `url` is the issuer.
    discover: bool,
    discovery: DiscoverySettings,
    #[cfg(feature = "hyper-transport")]
    binding: Option<CertificateBinding>,
    #[cfg(feature = "dpop")]
    dpop: DpopConfig,
    auth: Option<Box<dyn ClientAuth>>,
    client_id: Option<String>,
    /// An error in the client authentication, stored until `build`.
    auth_mistake: Option<&'static str>,
    assertions: AssertionSettings,
    pub(super) parameters: Parameters,
    transport: Option<Arc<dyn Transport>>,
    /// Whether that transport is known to have a client certificate.
    transport_has_certificate: bool,
    /// The settings of the default transport.
    #[cfg(feature = "hyper-transport")]
    default_transport: Option<transport::HyperTransportBuilder>,
    retry: RetryPolicy,
    read_policy: ReadPolicy,
    body_cap: usize,
    clock: Arc<dyn WallClock>,
}

impl ClientCredentials {
    /// Starts with the token URL: `https`, or `http` with a loopback address, without fragment and
    /// credentials. [`build`](ClientCredentialsBuilder::build) reports an invalid URL.
    pub fn builder(token_url: impl Into<String>) -> ClientCredentialsBuilder {
        ClientCredentialsBuilder::new(token_url.into(), false)
    }

    /// Starts with the issuer of the authorization server, exactly as the server writes it.
    ///
    /// The first acquisition reads the token endpoint from the server's metadata, through the same
    /// transport as token requests: RFC 8414 §3.1 (`/.well-known/oauth-authorization-server` between
    /// host and path), then OpenID Connect Discovery §4 (`/.well-known/openid-configuration` at the
    /// end).
    ///
    /// - The issuer must be `https`, or `http` to a loopback address. The metadata of an `https`
    ///   issuer must name `https` endpoints; see
    ///   [`allow_plain_http`](ClientCredentialsBuilder::allow_plain_http). Redirects are not
    ///   followed.
    /// - A client with a certificate uses the token endpoint in `mtls_endpoint_aliases`, if the
    ///   metadata has it (RFC 8705 §5).
    /// - A document with another issuer is not used, even if only one code point differs.
    /// - The document is cached for [a day](ClientCredentialsBuilder::metadata_max_age). If it cannot
    ///   be read again after that, it stays in use.
    /// - The server's lists are hints. If this client's authentication method is not listed, there is
    ///   an [`EventKind::MetadataMismatch`](crate::event::EventKind), and the message of a refusal says so.
    ///   [`strict_metadata`](ClientCredentialsBuilder::strict_metadata) makes it an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
    ///
    /// let source = ClientCredentials::discover("https://idp.example.com/realms/prod")
    ///     .client_secret_basic("my-service", Secret::from_file("/run/secrets/idp"))
    ///     .build()?;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn discover(issuer: impl Into<String>) -> ClientCredentialsBuilder {
        ClientCredentialsBuilder::new(issuer.into(), true)
    }
}

impl ClientCredentialsBuilder {
    fn new(url: String, discover: bool) -> Self {
        Self {
            url,
            discover,
            discovery: DiscoverySettings::default(),
            #[cfg(feature = "hyper-transport")]
            binding: None,
            #[cfg(feature = "dpop")]
            dpop: DpopConfig::default(),
            auth: None,
            client_id: None,
            auth_mistake: None,
            assertions: AssertionSettings::default(),
            parameters: Parameters::default(),
            transport: None,
            transport_has_certificate: false,
            #[cfg(feature = "hyper-transport")]
            default_transport: None,
            retry: RetryPolicy::default(),
            read_policy: ReadPolicy::default(),
            body_cap: BODY_CAP,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the tower service that sends token requests. It must not follow redirects. Default:
    /// `HyperTransport` with the feature `hyper-transport`, and required without it.
    pub fn transport<S, B>(mut self, service: S) -> Self
    where
        S: Service<TokenRequest, Response = http::Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.transport_has_certificate = false;
        #[cfg(feature = "hyper-transport")]
        {
            self.transport_has_certificate = transport::has_client_identity(&service);
        }
        self.transport = Some(transport::from_service(service));
        self
    }

    /// Sets how long one attempt may take, to the end of the response. At most a year. Zero is an error
    /// of [`build`](Self::build). Default: 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.retry.attempt_timeout = timeout.min(MAX_SETTING);
        self
    }

    /// Sets the maximum number of attempts of an acquisition. Zero is an error of
    /// [`build`](Self::build). Default: 3.
    ///
    /// In a cache they share its
    /// [`acquisition_timeout`](crate::cache::TokenCacheBuilder::acquisition_timeout). Without a cache
    /// they take at most `attempts` times [`attempt_timeout`](Self::attempt_timeout).
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry.attempts = attempts;
        self
    }

    /// Sets the base of the backoff between the attempts of an acquisition. The backoff before an
    /// attempt is drawn at random between zero and a limit ("full jitter"). The limit is the base
    /// before the second attempt, and doubles with each further attempt, up to 10 s. Less than 10
    /// ms counts as 10 ms. Default: 100 ms.
    pub fn retry_base(mut self, base: Duration) -> Self {
        self.retry.base = base.max(MIN_RETRY_BASE);
        self
    }

    /// Sets the maximum size of a response body in bytes. Zero is an error of
    /// [`build`](Self::build). Default: 1 MiB.
    pub fn body_cap(mut self, bytes: usize) -> Self {
        self.body_cap = bytes;
        self
    }

    /// Sets the maximum lifetime of a token, for servers that state it in milliseconds or whose
    /// tokens expire early. Below 1 s is an error of [`build`](Self::build). Default: 10 years, the
    /// maximum.
    pub fn lifetime_cap(mut self, cap: Duration) -> Self {
        self.read_policy.lifetime_cap = Some(cap);
        self
    }

    /// Sets the lifetime of each token in place of the server's `expires_in`, for servers whose
    /// value is wrong, such as 0 for "does not expire". If an API rejects the token earlier, it is
    /// replaced. For servers that state *no* lifetime, see
    /// [`default_lifetime`](crate::cache::TokenCacheBuilder::default_lifetime). Below 1 s is an
    /// error of [`build`](Self::build). Default: the server's `expires_in`.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.read_policy.token_lifetime = Some(lifetime);
        self
    }

    /// Sets the type of tokens whose stated type is unknown. For instance, eBay issues an
    /// `Application Access Token`, which is a Bearer token. A DPoP token is never presented as another
    /// type. Default: tokens of an unknown type are refused (RFC 6749 §7.1).
    pub fn token_type_override(mut self, token_type: TokenType) -> Self {
        self.read_policy.token_type_override = Some(token_type);
        self
    }

    /// Sets the clock for dates in `Retry-After`, client assertions and proofs. If it differs from
    /// the `Date` of the token endpoint's responses by more than 5 s, the server's time is used.
    /// Default: the system's clock.
    pub fn wall_clock(mut self, clock: impl WallClock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Allows plain `http` to hosts that are not loopback, for token requests and metadata. Anyone who
    /// reads the traffic gets the credentials. Use it only in a network that encrypts below HTTP.
    /// Default: off.
    pub fn allow_plain_http(mut self) -> Self {
        self.discovery.allow_plain_http = true;
        self
    }

    /// Checks the settings and builds the source.
    ///
    /// # Errors
    ///
    /// Kind `Config`, naming the setting and what to do, if:
    ///
    /// - the URL is not usable,
    /// - no client authentication was chosen, or it needs a certificate that is not configured,
    /// - the client id, the secret or an audience is blank,
    /// - a parameter violates its specification or is given twice,
    /// - `attempt_timeout`, `attempts` or `body_cap` is zero,
    /// - `lifetime_cap`, `token_lifetime`, or the lifetime of an assertion or a JWT is below 1 s,
    /// - `token_type_override` is DPoP,
    /// - settings contradict each other, such as the discovered issuer as audience without
    ///   discovery,
    /// - there is no transport.
    pub fn build(self) -> Result<ClientCredentials, Error> {
        let has_client_certificate = self.has_client_certificate();
        let allow_plain_http = self.discovery.allow_plain_http;
        let endpoint = if self.discover {
            MetadataCache::new(&self.url, self.discovery).map(Endpoint::Discovered)
        } else {
            url::parse("token URL", &self.url, allow_plain_http).map(Endpoint::Fixed)
        };
        let endpoint = endpoint.map_err(config_error)?;
        if let Some(mistake) = self.auth_mistake {
            return Err(config_error(mistake));
        }
        let mut auth = self.auth.ok_or_else(|| {
            config_error(
                "client authentication: none was chosen; call client_secret_basic, \
                 client_secret_post or public_client",
            )
        })?;
        if let Some(mistake) = auth.mistake() {
            return Err(config_error(mistake));
        }
        self.assertions.check().map_err(config_error)?;
        auth.configure(&self.assertions);
        if auth.is_anonymous() && self.parameters.grant_type() == CLIENT_CREDENTIALS {
            return Err(config_error(
                "no_client_authentication: client_credentials is a grant to a client; choose \
                 another grant_type, or authenticate the client",
            ));
        }
        if (auth.wants_issuer() || self.parameters.want_issuer()) && !self.discover {
            return Err(config_error(
                "assertion: its audience is the discovered issuer, but discovery is not used; pass the \
                 issuer",
            ));
        }
        self.parameters.check().map_err(config_error)?;
        let bounds = bounds::check(&self.retry, self.body_cap, &self.read_policy);
        bounds.map_err(config_error)?;
        if self.read_policy.token_type_override == Some(TokenType::Dpop) {
            return Err(config_error("token_type_override: DPoP tokens need a proof; use Bearer"));
        }
        if auth.uses_mtls() && self.transport.is_none() && !has_client_certificate {
            return Err(config_error(
                "client authentication: it needs a certificate; call client_identity, or pass a \
                 transport with a certificate",
            ));
        }
        let transport = match self.transport {
            Some(transport) => transport,
            #[cfg(feature = "hyper-transport")]
            None => {
                let binding = self.binding.as_ref();
                default_transport(endpoint.uri(), binding, self.default_transport)?
            }
            #[cfg(not(feature = "hyper-transport"))]
            None => {
                return Err(config_error(
                    "transport: none was given; call transport(…), or into_cache_with(…) of a configuration, or \
                     turn the feature `hyper-transport` on",
                ));
            }
        };
        Ok(ClientCredentials {
            client: Arc::new(EndpointClient {
                endpoint,
                #[cfg(feature = "hyper-transport")]
                binding: self.binding,
                #[cfg(feature = "dpop")]
                dpop: self.dpop,
                read_policy: self.read_policy,
                auth,
                client_id: self.client_id,
                parameters: self.parameters,
                transport,
                has_client_certificate,
                retry: self.retry,
                body_cap: self.body_cap,
                clock: self.clock,
                skew: Default::default(),
                narrowed_scope: Default::default(),
            }),
        })
    }

    fn has_client_certificate(&self) -> bool {
        #[cfg(feature = "hyper-transport")]
        if self.binding.is_some() {
            return true;
        }
        self.transport_has_certificate
    }
}

fn config_error(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::of(Problem::Config).with_detail(detail)
}

#[cfg(feature = "hyper-transport")]
fn default_transport(
    url: &http::Uri,
    binding: Option<&CertificateBinding>,
    settings: Option<transport::HyperTransportBuilder>,
) -> Result<Arc<dyn Transport>, Error> {
    let mut builder = settings.unwrap_or_else(transport::HyperTransport::builder);
    if let Some(binding) = binding {
        builder = builder.client_identity(binding.identity().clone());
    }
    let transport = builder.build()?;
    if url.scheme() == Some(&http::uri::Scheme::HTTPS) {
        transport.check_roots()?;
    }
    Ok(transport::from_service(transport))
}

impl fmt::Debug for ClientCredentialsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentialsBuilder")
            .field("auth", &self.auth)
            .field("scope", &self.parameters.scope())
            .finish_non_exhaustive()
    }
}
