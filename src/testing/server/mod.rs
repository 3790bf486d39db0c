//! The mock authorization server.

mod builder;
mod client;
mod grant;
mod metadata;
mod respond;
mod service;
mod state;
mod tokens;

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use self::{
    client::{Client, Verifier},
    state::State,
};
use super::{
    Answer, DpopVerifier, Listening, RecordedRequest,
    listening::{Paths, Securing},
};

pub use builder::AuthorizationServerBuilder;
pub use metadata::WellKnown;
pub use service::AuthorizationServerService;

/// A mock authorization server with a token endpoint for the client-credentials grant
/// (RFC 6749 §4.4). Cheap to clone; all clones, services and listeners share one state.
///
/// Each request to the token endpoint gets the next answer of the [script](Self::script), else
/// the [outage's](Self::always), else the [hook's](Self::on_request), else a token if it is a good
/// request.
///
/// # Examples
///
/// On a socket, for a client under test:
///
/// ```
/// use tower_oauth2_client_credentials::testing::AuthorizationServer;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
/// let server = idp.listen().await?;
/// println!("ask for tokens at {}", server.token_url());
/// assert_eq!(idp.token_requests(), 0);
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct AuthorizationServer {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    /// Never held over an await, nor while a hook runs.
    state: Mutex<State>,
}

/// What does not change once the server is built.
struct Config {
    path: String,
    issuer_path: String,
    clients: Vec<Client>,
    raw_basic: bool,
    verify_assertion: Option<Verifier>,
    /// Grant types beside `client_credentials`.
    extension_grants: Vec<(String, Verifier)>,
    dpop: Option<DpopVerifier>,
    single_token: bool,
    same_token: bool,
    tell_lifetime: bool,
    tell_scope: bool,
    granted_scope: Option<String>,
}

impl AuthorizationServer {
    /// A server with the defaults: any client is accepted, tokens live for 3,600 s.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets a server up.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }

    fn with(config: Config, lifetime: Duration, delay: Duration) -> Self {
        Self { shared: Arc::new(Shared { config, state: Mutex::new(State::new(lifetime, delay)) }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token endpoint's address for the in-memory service: `https://idp.test/token`, or with
    /// the [path](AuthorizationServerBuilder::path) that was set. For a socket see
    /// [`Listening::token_url`].
    pub fn token_url(&self) -> String {
        format!("https://idp.test{}", self.shared.config.path)
    }

    /// The server as a tower service over any body, for virtual time.
    pub fn service(&self) -> AuthorizationServerService {
        AuthorizationServerService::new(self.clone())
    }

    /// Listens on a free port of 127.0.0.1. May be called more than once.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its I/O driver enabled.
    pub async fn listen(&self) -> io::Result<Listening> {
        Listening::start(self.clone(), self.paths(), Securing::Plain).await
    }

    pub(super) fn paths(&self) -> Paths {
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

    /// The most token requests that were being answered at one time.
    pub fn max_in_flight(&self) -> u64 {
        self.state().max_in_flight
    }

    /// Tokens made active so far; one handed out again by
    /// [`same_token`](AuthorizationServerBuilder::same_token) counts once.
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

    /// How long each answer takes, from the next request on.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Adds to the script: the next requests get these answers, one each, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        // Collected first: the iterator is the caller's code and may use this server.
        let answers: Vec<_> = answers.into_iter().collect();
        self.state().script.extend(answers);
    }

    /// An outage: once the script is used up every request gets this answer, until
    /// [`recover`](Self::recover).
    pub fn always(&self, answer: Answer) {
        self.state().outage = Some(answer);
    }

    /// Ends an outage, and drops what is left of the script.
    pub fn recover(&self) {
        let mut state = self.state();
        state.outage = None;
        state.script.clear();
    }

    /// Decides each answer that neither the script nor an outage does;
    /// [`Answer::Issue`] is the normal one. It replaces an earlier hook, and may use this server.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::testing::{Answer, AuthorizationServer};
    ///
    /// let idp = AuthorizationServer::new();
    /// idp.on_request(|request| match request.form_value("scope") {
    ///     Some("esp") => Answer::Issue,
    ///     _ => Answer::OAuthError { status: 400, code: "invalid_scope" },
    /// });
    /// ```
    pub fn on_request(&self, hook: impl Fn(&RecordedRequest) -> Answer + Send + Sync + 'static) {
        self.state().hook = Some(Arc::new(hook));
    }

    /// A new live token, as if a client had asked for it; no request is counted.
    pub fn issue(&self) -> String {
        let mut state = self.state();
        let token = state.tokens.invent();
        let (grant, lifetime) =
            (grant::Grant { client: String::new(), scope: None }, state.lifetime);
        state.tokens.activate(token.clone(), &grant, lifetime);
        token
    }

    /// Revokes every token that is out.
    pub fn revoke_all(&self) {
        self.state().tokens.revoke_all();
    }

    /// Revokes one token.
    pub fn revoke(&self, token: &str) {
        self.state().tokens.revoke(token);
    }

    /// Whether a token of this server is neither expired (on tokio's clock, from when it was
    /// issued) nor revoked.
    pub fn is_active(&self, token: &str) -> bool {
        self.state().tokens.is_active(token)
    }

    /// Whether a token is bound to a certificate (RFC 8705 §3): it is, if there was one on the
    /// connection of its token request.
    pub fn is_bound(&self, token: &str) -> bool {
        self.state().tokens.certificate(token).is_some()
    }

    /// Whether a token is active and comes with what it is bound to: a certificate, or a key.
    pub(super) fn is_confirmed(
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
    pub(super) fn is_bound_to_key(&self, token: &str) -> bool {
        self.state().tokens.key(token).is_some()
    }
}

impl Default for AuthorizationServer {
    fn default() -> Self {
        Self::new()
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
