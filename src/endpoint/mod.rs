//! The token endpoint: [`ClientCredentials`] asks it for a token (RFC 6749 §4.4).

mod body;
mod builder;
mod fields;
mod lifetime;
mod refusal;
mod request;
mod response;
mod retry;
mod retry_after;
mod url;

use std::{fmt, sync::Arc};

use http::Uri;
use tokio::time::Instant;

pub use builder::ClientCredentialsBuilder;

use crate::{
    client_auth::ClientAuth,
    clock::WallClock,
    error::{BoxError, Error, ErrorKind, sanitise},
    event::Event,
    source::{Acquire, TokenSource},
    token::Token,
    transport::Transport,
};
use request::Parameters;
use response::{Answer, ReadPolicy};
use retry::RetryPolicy;

/// A [`TokenSource`] that asks a token endpoint, by the client-credentials grant (RFC 6749 §4.4).
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
    url: Uri,
    auth: Box<dyn ClientAuth>,
    parameters: Parameters,
    transport: Arc<dyn Transport>,
    retry: RetryPolicy,
    reading: ReadPolicy,
    body_cap: usize,
    clock: Box<dyn WallClock>,
}

impl ClientCredentials {
    /// Starts with the token URL: `https`, or `http` to a loopback address, without fragment and
    /// credentials. Mistakes are reported by [`build`](ClientCredentialsBuilder::build).
    pub fn builder(token_url: impl Into<String>) -> ClientCredentialsBuilder {
        ClientCredentialsBuilder::new(token_url.into())
    }
}

impl TokenSource for ClientCredentials {
    async fn acquire(&self, acquire: Acquire) -> Result<Token, Error> {
        let token = retry::run(&self.inner.retry, &acquire, || self.inner.attempt()).await?;
        if let Some(event) = self.inner.scope_narrowed(&token) {
            acquire.observer.emit(&event);
        }
        Ok(token)
    }
}

impl Inner {
    async fn attempt(&self) -> Result<Token, Error> {
        let (request, secrets) =
            request::assemble(&self.url, &self.parameters, &*self.auth).await?;
        let issued_at = Instant::now();
        let response = self.transport.send(request).await.map_err(transport_error)?;
        let (parts, body) = response.into_parts();
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
            now: self.clock.now(),
            secrets: &secrets,
            policy: &self.reading,
        })?;
        Ok(token.with_issued_at(issued_at))
    }

    /// The granted scope counts as smaller when the server names one and a requested scope is
    /// not in it. Some servers separate by commas.
    fn scope_narrowed(&self, token: &Token) -> Option<Event> {
        let (requested, granted) = (self.parameters.scope.as_deref()?, token.scope()?);
        let parts = |scope| str::split(scope, [' ', ',']).filter(|part| !part.is_empty());
        let missing = |part| !parts(granted).any(|granted| granted == part);
        parts(requested).any(missing).then(|| Event::ScopeNarrowed {
            requested: requested.to_owned(),
            granted: sanitise(granted),
        })
    }
}

/// A transport may return an error of ours, which says more than that it failed.
fn transport_error(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::new(ErrorKind::Transport).with_source(error),
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.debug_struct("ClientCredentials")
            // Without the query: some servers have keys put there.
            .field("token_host", &inner.url.authority().map(|authority| authority.as_str()))
            .field("token_path", &inner.url.path())
            .field("auth", &inner.auth)
            .field("scope", &inner.parameters.scope)
            .finish_non_exhaustive()
    }
}
