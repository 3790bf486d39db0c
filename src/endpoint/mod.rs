//! The token endpoint: [`ClientCredentials`] asks it for a token (RFC 6749 §4.4).

mod assertions;
mod binding;
mod body;
mod builder;
mod certificates;
mod discovery;
mod fields;
mod json_text;
mod lifetime;
mod parameters;
mod proving;
mod refusal;
mod request;
mod response;
mod retry;
mod retry_after;
mod target;
mod token_type;
mod url;
mod words;

use std::{fmt, sync::Arc, time::Duration};

use http::Uri;
use tokio::time::Instant;

pub use builder::ClientCredentialsBuilder;
pub use discovery::ServerMetadata;
pub(crate) use discovery::check_issuer;
pub use parameters::ParameterValue;
#[cfg(feature = "jwt")]
pub use parameters::SignedJwt;
pub(crate) use parameters::{
    authorization_details as check_authorization_details, grant_type as check_grant_type,
    resource as check_resource,
};
pub(crate) use url::check as check_token_url;

use crate::{
    client_auth::{ClientAuth, SentSecrets},
    clock::WallClock,
    error::{BoxError, Error, ErrorKind, sanitise},
    event::{Event, Observer},
    secret_file::{READ_TIMEOUT, ReadContext},
    skew::Skew,
    source::{Acquire, TokenSource, Withdrawal},
    token::Token,
    transport::{self, Transport},
};
use binding::Binding;
use discovery::Via;
use parameters::Parameters;
use proving::{Denied, Proofs, Proving};
use response::{Answer, ReadPolicy};
use retry::RetryPolicy;
use target::{Place, Target};

/// A [`TokenSource`] that asks a token endpoint, by the client-credentials grant (RFC 6749 §4.4) or
/// an [extension grant](ClientCredentialsBuilder::grant_type) (§4.5).
///
/// Cheap to clone. One acquisition is up to three attempts of at most 10 s each; a further one is
/// made only where it may help. Redirects are never followed.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper")] {
/// use tower_oauth2_client_credentials::{ClientCredentials, Secret};
///
/// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
///     .client_secret_basic("my-service", Secret::from_file("/run/secrets/idp"))
///     .scope("invoices:read")
///     .build()?;
/// # }
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCredentials {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    binding: Binding,
    proving: Proving,
    auth: Box<dyn ClientAuth>,
    parameters: Parameters,
    transport: Arc<dyn Transport>,
    /// The transport is known to have a client certificate.
    has_client_certificate: bool,
    retry: RetryPolicy,
    reading: ReadPolicy,
    body_cap: usize,
    clock: Arc<dyn WallClock>,
    skew: Skew,
}

impl ClientCredentials {
    /// Starts with the token URL: `https`, or `http` to a loopback address, without fragment and
    /// credentials. Mistakes are reported by [`build`](ClientCredentialsBuilder::build).
    pub fn builder(token_url: impl Into<String>) -> ClientCredentialsBuilder {
        ClientCredentialsBuilder::new(token_url.into(), false)
    }

    /// Starts with the issuer of the authorization server, exactly as the server writes it. The
    /// token endpoint is read from the server's metadata at the first acquisition: RFC 8414 §3.1
    /// (`/.well-known/oauth-authorization-server` between host and path), then OpenID Connect
    /// Discovery §4 (`/.well-known/openid-configuration` at the end), through the same transport as
    /// token requests.
    ///
    /// - The issuer must be `https`, or `http` to a loopback address. The metadata of an `https`
    ///   issuer must name `https` endpoints; see
    ///   [`allow_plain_http`](ClientCredentialsBuilder::allow_plain_http). Redirects are not
    ///   followed.
    /// - A client with a certificate uses the token endpoint in `mtls_endpoint_aliases`, if the
    ///   metadata has one (RFC 8705 §5).
    /// - A document that names another issuer, by a single code point, is not used.
    /// - The document is kept for
    ///   [a day](ClientCredentialsBuilder::metadata_max_age); if there is no newer one then, it
    ///   stays in use.
    /// - What the server lists is a hint: [`Event::MetadataMismatch`](crate::Event) says so when
    ///   this client's way of authentication is not among it, and the message of a refusal does.
    ///   [`strict_metadata`](ClientCredentialsBuilder::strict_metadata) makes it binding.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper")] {
    /// use tower_oauth2_client_credentials::{ClientCredentials, Secret};
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

    /// The authorization server's metadata, read if that is due; `None` where the token URL was
    /// given. One attempt, bounded by
    /// [`attempt_timeout`](ClientCredentialsBuilder::attempt_timeout).
    ///
    /// # Errors
    ///
    /// Kind `Discovery`, `IssuerMismatch` or `AcquisitionTimeout`.
    pub async fn server_metadata(&self) -> Result<Option<ServerMetadata>, Error> {
        let inner = &*self.inner;
        let Place::Discovered(discovery) = &inner.place else { return Ok(None) };
        let observer = Observer::default();
        let via = inner.via(&observer);
        tokio::time::timeout(inner.retry.attempt_timeout, discovery.metadata(&via))
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::AcquisitionTimeout)))
            .map(Some)
    }
}

impl TokenSource for ClientCredentials {
    async fn acquire(&self, acquire: Acquire) -> Result<Token, Error> {
        let attempt = || {
            let context = self.inner.read_context(&acquire);
            async move { self.inner.attempt(&context).await }
        };
        let token = retry::run(&self.inner.retry, &acquire, attempt).await?;
        if let Some(event) = self.inner.scope_narrowed(&token) {
            acquire.observer.emit(&event);
        }
        Ok(token)
    }

    fn attach(&self, withdrawal: Withdrawal) {
        self.inner.binding.attach(withdrawal);
    }
}

impl Inner {
    fn via<'a>(&'a self, observer: &'a Observer) -> Via<'a> {
        Via {
            transport: &*self.transport,
            auth: &*self.auth,
            grant_type: self.parameters.grant_type(),
            observer,
            body_cap: self.body_cap,
            now: self.skew.correct(self.clock.now()),
            attempt_timeout: self.retry.attempt_timeout,
            has_client_certificate: self.has_client_certificate || self.binding.is_known(),
        }
    }

    /// Files may take half of an attempt that starts now. If one does not finish reading, the error
    /// then names it, and not the authorization server.
    fn read_context(&self, acquire: &Acquire) -> ReadContext {
        let left = acquire.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let attempt = self.retry.attempt_timeout.min(left.unwrap_or(Duration::MAX));
        ReadContext { timeout: READ_TIMEOUT.min(attempt / 2), observer: acquire.observer.clone() }
    }

    async fn attempt(&self, context: &ReadContext) -> Result<Token, Error> {
        self.binding.refresh(context).await?;
        let target = self.place.target(&self.via(&context.observer)).await?;
        let asked = self.ask(&target, context).await;
        asked.map_err(|error| match &target.metadata {
            Some(metadata) => {
                use ErrorKind as K;
                if let K::Transport | K::HttpStatus | K::Redirect | K::MalformedBody = error.kind()
                {
                    self.place.doubt();
                }
                discovery::explain(error, metadata, &self.via(&context.observer))
            }
            None => error,
        })
    }

    async fn ask(&self, target: &Target, context: &ReadContext) -> Result<Token, Error> {
        let proofs = self.proving.proofs(self, target).await?;
        match self.ask_once(target, &proofs, context).await {
            // Nothing failed: the server said what it wants in the proof (RFC 9449 §8). So this
            // is the same attempt, once, with all that was used up made anew.
            Err(denied) if denied.again => self.ask_once(target, &proofs, context).await,
            asked => asked,
        }
        .map_err(|denied| denied.error)
    }

    async fn ask_once(
        &self,
        target: &Target,
        proofs: &Proofs,
        context: &ReadContext,
    ) -> Result<Token, Denied> {
        let now = self.skew.correct(self.clock.now());
        let (mut request, mut secrets) =
            request::assemble(target, &self.parameters, &*self.auth, now, context).await?;
        let nonce = proofs.attach(&mut request, &mut secrets)?;
        let (issued_at, sent) = (Instant::now(), self.clock.now());
        let response = self.transport.send(request).await;
        let response = response.map_err(|error| transport_error(error, &target.url, &secrets))?;
        let (parts, body) = response.into_parts();
        let nonce = proofs.observe(&parts.headers, nonce.as_deref());
        let skewed = self.skew.observe(&parts.headers, sent, self.clock.now());
        if let Some(event) = &skewed {
            context.observer.emit(event);
        }
        let body = if response::wants_body(parts.status, &parts.headers) {
            body::read(body, self.body_cap).await
        } else {
            Ok(Default::default())
        };
        let (body, incomplete) = match body {
            Ok(body) => (body, None),
            Err(incomplete) => (Default::default(), Some(incomplete)),
        };
        let token = response::read(Answer {
            status: parts.status,
            headers: &parts.headers,
            body: incomplete.map_or(Ok(body.as_slice()), Err),
            now: self.skew.correct(self.clock.now()),
            secrets: &secrets,
            requested_scope: self.parameters.scope(),
            policy: &self.reading,
        })
        .map_err(|error| {
            // The clock may be all that was wrong, and the next attempt has the right time.
            let refused = error.status().is_some_and(|status| status.is_client_error());
            let dated = self.auth.is_dated() || self.parameters.are_dated() || proofs.are_made();
            let retryable = refused && skewed.is_some() && dated;
            let error = if retryable { error.with_retryable(true) } else { error };
            Denied::new(error, nonce)
        })?;
        Ok(proofs.bind(token).with_issued_at(issued_at))
    }

    /// The granted scope counts as smaller when the server names one and a requested scope is
    /// not in it. Some servers separate by commas.
    fn scope_narrowed(&self, token: &Token) -> Option<Event> {
        let (requested, granted) = (self.parameters.scope()?, token.scope()?);
        let parts = |scope| str::split(scope, [' ', ',']).filter(|part| !part.is_empty());
        let missing = |part| !parts(granted).any(|granted| granted == part);
        parts(requested).any(missing).then(|| Event::ScopeNarrowed {
            requested: requested.to_owned(),
            granted: sanitise(granted),
        })
    }
}

/// A transport may return an error of ours, which says more than that it failed.
fn transport_error(error: BoxError, uri: &Uri, secrets: &SentSecrets) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(error) if !secrets.are_repeated_by(&*error) => return *error,
        Ok(error) => return refusal::with_cause(Error::new(error.kind()), error, secrets),
        Err(error) => error,
    };
    // Without path and query: some servers have keys put there.
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let failed = Error::new(ErrorKind::Transport);
    if secrets.are_repeated_by(&*error) {
        return failed.with_detail(format!(
            "no answer from {host}: the transport failed; the cause is left out because it repeats \
             part of a secret; check the transport"
        ));
    }
    let text = transport::describe(&format!("no answer from {host}"), &error);
    failed.with_detail(text).with_source(error)
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.debug_struct("ClientCredentials")
            .field("discovered", &matches!(inner.place, Place::Discovered(_)))
            // Without the query: some servers have keys put there.
            .field("host", &inner.place.uri().authority().map(|authority| authority.as_str()))
            .field("path", &inner.place.uri().path())
            .field("auth", &inner.auth)
            .field("scope", &inner.parameters.scope())
            .finish_non_exhaustive()
    }
}
