//! The handle of the mock authorization server.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    client::{RegisteredClient, Verifier},
    grant::Grant,
    state::State,
};
use crate::{
    sync::{Mutex, MutexGuard, lock},
    testing::{
        dpop::DpopVerifier,
        mock_response::MockResponse,
        mock_server::{MockServer, Paths, Securing},
        recorded::RecordedRequest,
    },
};

/// A mock authorization server with a token endpoint for the client-credentials grant
/// (RFC 6749 §4.4). Cheap to clone; all clones, services and listeners share one state.
///
/// The response to a request at the token endpoint is the first of these: the next response of the
/// [script](Self::script), the [outage's](Self::always), the [hook's](Self::on_request), a token if the
/// request is valid.
///
/// # Examples
///
/// On a socket, for a client under test:
///
/// ```
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
/// let server = idp.listen().await?;
/// println!("ask for tokens at {}", server.token_url());
/// assert_eq!(idp.token_requests(), 0);
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct AuthorizationServer {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: Config,
    /// Never held over an await or while a hook runs.
    state: Mutex<State>,
}

/// The settings, which do not change after the server is built.
pub(super) struct Config {
    pub(super) path: String,
    pub(super) issuer_path: String,
    pub(super) clients: Vec<RegisteredClient>,
    pub(super) raw_basic: bool,
    pub(super) verify_assertion: Option<Verifier>,
    /// Grant types in addition to `client_credentials`.
    pub(super) extension_grants: Vec<(String, Verifier)>,
    pub(super) dpop: Option<DpopVerifier>,
    pub(super) single_token: bool,
    pub(super) same_token: bool,
    pub(super) send_lifetime: bool,
    pub(super) send_scope: bool,
    pub(super) granted_scope: Option<String>,
}

impl AuthorizationServer {
    pub(super) fn with(config: Config, lifetime: Duration, delay: Duration) -> Self {
        Self { shared: Arc::new(Shared { config, state: Mutex::new(State::new(lifetime, delay)) }) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }

    /// The token endpoint's address for the in-memory service: `https://idp.test/token`, or with
    /// the [path](super::AuthorizationServerBuilder::path) that was set. For a socket see
    /// [`MockServer::token_url`].
    pub fn token_url(&self) -> String {
        format!("https://idp.test{}", self.shared.config.path)
    }

    /// Listens on a free port of 127.0.0.1. May be called more than once.
    ///
    /// # Errors
    ///
    /// An I/O error if no port can be bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its I/O driver enabled.
    pub async fn listen(&self) -> io::Result<MockServer> {
        MockServer::start(self.clone(), self.paths(), Securing::Plain).await
    }

    pub(in crate::testing) fn paths(&self) -> Paths {
        let Config { path, issuer_path, .. } = &self.shared.config;
        Paths { token: path.clone(), issuer: issuer_path.clone() }
    }

    /// Requests to the token endpoint so far, good or bad, answered or not.
    pub fn token_requests(&self) -> u64 {
        self.state().token_requests
    }

    /// Token requests that are being answered now.
    pub fn in_flight(&self) -> u64 {
        self.state().in_flight
    }

    /// The maximum number of token requests that were being answered at the same time.
    pub fn max_in_flight(&self) -> u64 {
        self.state().max_in_flight
    }

    /// Tokens issued so far. A token that is issued again because of
    /// [`same_token`](super::AuthorizationServerBuilder::same_token) counts once.
    pub fn tokens_issued(&self) -> u64 {
        self.state().tokens.issued()
    }

    /// The last 1,000 token requests, oldest first, with the credentials they carried.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().log.to_vec()
    }

    /// How long new tokens live.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// How long each response takes, from the next request on.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Adds to the script: the next requests get these responses, one each, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = MockResponse>) {
        // Collected first: the iterator is the caller's code and may use this server.
        let answers: Vec<_> = answers.into_iter().collect();
        self.state().script.extend(answers);
    }

    /// An outage: once the script is used up every request gets this response, until
    /// [`recover`](Self::recover).
    pub fn always(&self, answer: MockResponse) {
        self.state().outage = Some(answer);
    }

    /// Ends an outage, and clears the script.
    pub fn recover(&self) {
        let mut state = self.state();
        state.outage = None;
        state.script.clear();
    }

    /// Decides each response that the script and an outage do not decide. [`MockResponse::Issue`] is the
    /// normal response. It replaces an earlier hook, and may use this server.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockResponse};
    ///
    /// let idp = AuthorizationServer::new();
    /// idp.on_request(|request| match request.form_value("scope") {
    ///     Some("esp") => MockResponse::Issue,
    ///     _ => MockResponse::OAuthError { status: 400, code: "invalid_scope" },
    /// });
    /// ```
    pub fn on_request(
        &self,
        hook: impl Fn(&RecordedRequest) -> MockResponse + Send + Sync + 'static,
    ) {
        self.state().hook = Some(Arc::new(hook));
    }

    /// A new live token, as if a client had asked for it; no request is counted.
    pub fn issue(&self) -> String {
        let mut state = self.state();
        let token = state.tokens.generate();
        let (grant, lifetime) = (Grant { client: String::new(), scope: None }, state.lifetime);
        state.tokens.activate(token.clone(), &grant, lifetime);
        token
    }

    /// Revokes all tokens.
    pub fn revoke_all(&self) {
        self.state().tokens.revoke_all();
    }

    /// Revokes one token.
    pub fn revoke(&self, token: &str) {
        self.state().tokens.revoke(token);
    }

    /// Whether a token of this server is not expired (on tokio's clock, since it was issued) and not
    /// revoked.
    pub fn is_active(&self, token: &str) -> bool {
        self.state().tokens.is_active(token)
    }

    /// Whether a token is bound to a certificate (RFC 8705 §3): it is, if there was one on the
    /// connection of its token request.
    pub fn is_bound(&self, token: &str) -> bool {
        self.state().tokens.certificate(token).is_some()
    }

    /// Whether a token is active and presented with the certificate or key that it is bound to.
    pub(in crate::testing) fn is_confirmed(
        &self,
        token: &str,
        certificate: Option<&Bytes>,
        key: Option<&str>,
    ) -> bool {
        let state = self.state();
        let bound_to = state.tokens.certificate(token);
        state.tokens.is_active(token)
            && (bound_to.is_none() || bound_to == certificate)
            && state.tokens.key(token) == key
    }

    /// Whether a token is bound to a key (RFC 9449 §6).
    pub(in crate::testing) fn is_bound_to_key(&self, token: &str) -> bool {
        self.state().tokens.key(token).is_some()
    }
}

/// Shows no secret and no token.
impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("AuthorizationServer")
            .field("path", &self.shared.config.path)
            .field("token_requests", &state.token_requests)
            .field("in_flight", &state.in_flight)
            .field("lifetime", &state.lifetime)
            .field("delay", &state.delay)
            .finish_non_exhaustive()
    }
}
