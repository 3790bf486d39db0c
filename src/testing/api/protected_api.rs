//! The handle of the mock API.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, Response};

use crate::{
    sync::{Mutex, MutexGuard, lock},
    testing::{
        dpop::DpopVerifier,
        mock_server::{MockServer, Paths, Securing},
        recorded::{Log, RecordedRequest},
        server::AuthorizationServer,
    },
};

/// A mock API that requires an active access token of an [`AuthorizationServer`] (RFC 6750). Cheap to
/// clone; all clones, services and listeners share one state.
///
/// - a live token: 200 and a small JSON document
/// - a dead or unknown token, or one that is bound to a certificate and comes without it
///   (RFC 8705 §3): 401, `WWW-Authenticate: Bearer error="invalid_token"`
/// - no token: 401, `WWW-Authenticate: Bearer realm="api"`
/// - a token that is bound to a key and comes without a good proof of it (RFC 9449 §7): 401,
///   `WWW-Authenticate: DPoP` with the error
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, StatusCode};
/// use http_body_util::Empty;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
/// use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::new();
/// let api = ProtectedApi::new(&idp);
/// let request = Request::get(api.url()).body(Empty::<Bytes>::new()).unwrap();
/// let response = api.service().call(request).await?;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!((api.requests(), api.unauthenticated()), (1, 1));
/// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ProtectedApi {
    pub(super) shared: Arc<Shared>,
}

pub(super) type Resource = Box<dyn Fn(&RecordedRequest) -> Response<Bytes> + Send + Sync>;
pub(super) type Override = Arc<dyn Fn(&RecordedRequest) -> Option<Response<Bytes>> + Send + Sync>;

pub(super) struct Shared {
    pub(super) idp: AuthorizationServer,
    pub(super) resource: Resource,
    pub(super) header: HeaderName,
    pub(super) dpop: Option<DpopVerifier>,
    /// Never held over an await, while a closure runs, or while the authorization server is called.
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) unauthenticated: u64,
    pub(super) log: Log,
    pub(super) delay: Duration,
    pub(super) always_reject: bool,
    pub(super) reject_share: Option<(f64, fastrand::Rng)>,
    pub(super) respond_with: Option<Override>,
}

impl ProtectedApi {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }

    /// An address for the in-memory service: `https://api.test`. The service itself ignores the host.
    /// For a socket see [`MockServer::url`].
    pub fn url(&self) -> String {
        "https://api.test".into()
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
        MockServer::start(self.clone(), Paths::default(), Securing::Plain).await
    }

    /// Requests so far, answered or not.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// Requests with a live token that was accepted.
    pub fn accepted(&self) -> u64 {
        self.state().accepted
    }

    /// Requests whose token was rejected, because it was dead or by
    /// [`always_reject`](Self::always_reject) or [`reject_share`](Self::reject_share), or because
    /// there was more than one (400, `invalid_request`), or its proof was not good. A request that
    /// lacks a nonce counts as none of the three; see
    /// [`DpopVerifier::challenges`](crate::testing::DpopVerifier::challenges).
    pub fn rejected(&self) -> u64 {
        self.state().rejected
    }

    /// Requests without a readable token.
    pub fn unauthenticated(&self) -> u64 {
        self.state().unauthenticated
    }

    /// The last 1,000 requests, oldest first, with the tokens they carried.
    pub fn recorded(&self) -> Vec<RecordedRequest> {
        self.state().log.to_vec()
    }

    /// How long each response takes, from the next request on. The token is checked before the
    /// delay.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Rejects every token, live ones too.
    pub fn always_reject(&self, reject: bool) {
        self.state().always_reject = reject;
    }

    /// Rejects a share of the requests with a live token, chosen by a seeded generator.
    /// `share` is from 0 to 1. Values outside count as the nearer end.
    pub fn reject_share(&self, share: f64, seed: u64) {
        self.state().reject_share = Some((share, fastrand::Rng::with_seed(seed)));
    }

    /// Overrides responses. A response of the closure is sent for any token, and is not counted as
    /// accepted, rejected or unauthenticated. It replaces an earlier closure, and may use this API.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
    ///
    /// let api = ProtectedApi::new(&AuthorizationServer::new());
    /// api.respond_with(|request| {
    ///     let teapot = http::Response::builder().status(418).body(Bytes::new()).unwrap();
    ///     (request.uri.path() == "/coffee").then_some(teapot)
    /// });
    /// ```
    pub fn respond_with(
        &self,
        respond: impl Fn(&RecordedRequest) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) {
        self.state().respond_with = Some(Arc::new(respond));
    }
}

/// Shows no token.
impl fmt::Debug for ProtectedApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ProtectedApi")
            .field("requests", &state.requests)
            .field("accepted", &state.accepted)
            .field("rejected", &state.rejected)
            .field("unauthenticated", &state.unauthenticated)
            .finish_non_exhaustive()
    }
}
