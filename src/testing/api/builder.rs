//! How a mock API is set up.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::protected_api::{ProtectedApi, Resource, Shared, State};
use crate::{
    sync::Mutex,
    testing::{AuthorizationServer, DpopVerifier, RecordedRequest},
};

/// Sets up a [`ProtectedApi`].
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
///
/// let idp = AuthorizationServer::new();
/// let api = ProtectedApi::builder(&idp)
///     .resource(|request| http::Response::new(Bytes::from(request.uri.path().to_owned())))
///     .build();
/// ```
#[must_use = "call build()"]
pub struct ProtectedApiBuilder {
    idp: AuthorizationServer,
    resource: Resource,
    header: HeaderName,
    dpop: Option<DpopVerifier>,
    delay: Duration,
}

impl ProtectedApi {
    /// An API that accepts the tokens of an authorization server.
    pub fn new(idp: &AuthorizationServer) -> Self {
        Self::builder(idp).build()
    }

    /// Starts with the defaults, to change some of them.
    pub fn builder(idp: &AuthorizationServer) -> ProtectedApiBuilder {
        ProtectedApiBuilder::new(idp.clone())
    }
}

impl ProtectedApiBuilder {
    fn new(idp: AuthorizationServer) -> Self {
        let resource = Box::new(|_: &RecordedRequest| {
            let mut response = Response::new(Bytes::from_static(b"{\"status\":\"ok\"}"));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        });
        Self { idp, resource, header: AUTHORIZATION, dpop: None, delay: Duration::ZERO }
    }

    /// Sets the response to a request with an accepted token. Default: `{"status":"ok"}`.
    pub fn resource(
        mut self,
        resource: impl Fn(&RecordedRequest) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.resource = Box::new(resource);
        self
    }

    /// Sets the header field with the token. Default: `Authorization`. Some gateways use
    /// `Proxy-Authorization` or `X-Serverless-Authorization`.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Accepts tokens that are bound to a key, with a proof of it (RFC 9449 §7). Default: off, so
    /// such tokens are rejected.
    pub fn dpop(mut self, verifier: DpopVerifier) -> Self {
        self.dpop = Some(verifier);
        self
    }

    /// Sets how long each response takes. Default: zero.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Builds the API.
    #[must_use = "the API answers through its service or its socket"]
    pub fn build(self) -> ProtectedApi {
        let state = State { delay: self.delay, ..State::default() };
        let Self { idp, resource, header, dpop, .. } = self;
        let state = Mutex::new(state);
        ProtectedApi { shared: Arc::new(Shared { idp, resource, header, dpop, state }) }
    }
}

impl fmt::Debug for ProtectedApiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedApiBuilder")
            .field("idp", &self.idp)
            .field("header", &self.header)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}
