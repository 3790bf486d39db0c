//! Answers requests by their token.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header::WWW_AUTHENTICATE};
use http_body::Body;
use tower_service::Service;

use super::protected_api::ProtectedApi;
use crate::{
    error::BoxError,
    testing::{
        ConnectionClosed, MockBody, MockResponseFuture, RecordedRequest, dpop::Unproven,
        exchange::Endpoint,
    },
};

/// A [`ProtectedApi`] as a tower service: always ready, over any request body.
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
/// let mut service = ProtectedApi::new(&idp).service();
/// let request = Request::get("https://api.test/")
///     .header("authorization", format!("Bearer {}", idp.issue()))
///     .body(Empty::<Bytes>::new())
///     .unwrap();
/// assert_eq!(service.call(request).await?.status(), StatusCode::OK);
/// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ProtectedApiService {
    api: ProtectedApi,
}

impl ProtectedApi {
    /// The API as a tower service over any body, for virtual time.
    pub fn service(&self) -> ProtectedApiService {
        ProtectedApiService { api: self.clone() }
    }
}

impl<B> Service<http::Request<B>> for ProtectedApiService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<MockBody>;
    type Error = ConnectionClosed;
    type Future = MockResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        MockResponseFuture::start(self.api.clone(), request)
    }
}

impl fmt::Debug for ProtectedApiService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProtectedApiService").field(&self.api).finish()
    }
}

impl Endpoint for ProtectedApi {
    const BODY_LIMIT: usize = 64 * 1024 * 1024;

    type Arrival = ();

    fn arrive(&self, _: &Uri) {
        self.state().requests += 1;
    }

    async fn answer(
        &self,
        request: RecordedRequest,
        (): &(),
    ) -> Result<Response<Bytes>, ConnectionClosed> {
        let request = Arc::new(request);
        let (respond_with, delay) = {
            let mut state = self.state();
            state.log.push(Arc::clone(&request));
            (state.respond_with.clone(), state.delay)
        };
        let response = respond_with
            .and_then(|respond| respond(&request))
            .unwrap_or_else(|| self.answer_request(&request));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok(response)
    }
}

impl ProtectedApi {
    fn answer_request(&self, request: &RecordedRequest) -> Response<Bytes> {
        let mut values = request.headers.get_all(&self.shared.header).iter();
        if values.next().is_some() && values.next().is_some() {
            self.state().rejected += 1;
            return refuse(StatusCode::BAD_REQUEST, "Bearer error=\"invalid_request\"");
        }
        let verifier = self.shared.dpop.as_ref();
        let Some((scheme, token)) = credentials(&request.headers, self.shared.header.as_str())
            .filter(|(scheme, _)| *scheme == Scheme::Bearer || verifier.is_some())
        else {
            self.state().unauthenticated += 1;
            return refuse(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
        };
        let proven = match (scheme, verifier) {
            (Scheme::Dpop, Some(verifier)) => verifier.check(request, Some(token)).map(Some),
            _ => Ok(None),
        };
        let mut response = match &proven {
            Ok(key) => self.answer_token(request, token, key.as_deref()),
            Err(Unproven::WantsNonce) => {
                refuse(StatusCode::UNAUTHORIZED, "DPoP error=\"use_dpop_nonce\"")
            }
            Err(Unproven::Invalid(_)) => {
                self.state().rejected += 1;
                refuse(StatusCode::UNAUTHORIZED, "DPoP error=\"invalid_dpop_proof\"")
            }
        };
        if let (Scheme::Dpop, Some(verifier)) = (scheme, verifier) {
            let wants_nonce = proven.is_err_and(|why| why.wants_nonce());
            verifier.stamp(response.headers_mut(), wants_nonce);
        }
        response
    }

    fn answer_token(
        &self,
        request: &RecordedRequest,
        token: &str,
        key: Option<&str>,
    ) -> Response<Bytes> {
        let idp = &self.shared.idp;
        let live = idp.is_confirmed(token, request.client_certificate.as_ref(), key);
        let accepted = {
            let state = &mut *self.state();
            let chosen =
                live && state.reject_share.as_mut().is_some_and(|(share, rng)| rng.f64() < *share);
            let accepted = live && !chosen && !state.always_reject;
            *(if accepted { &mut state.accepted } else { &mut state.rejected }) += 1;
            accepted
        };
        if accepted {
            (self.shared.resource)(request)
        } else if key.is_some() || idp.is_bound_to_key(token) {
            refuse(StatusCode::UNAUTHORIZED, "DPoP error=\"invalid_token\"")
        } else {
            refuse(StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\"")
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

/// The token of `Bearer …` or `DPoP …`, with the scheme in any case (RFC 9110 §11.1).
fn credentials<'a>(headers: &'a HeaderMap, name: &str) -> Option<(Scheme, &'a str)> {
    let (scheme, token) = headers.get(name)?.to_str().ok()?.split_once(' ')?;
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        _ if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return None,
    };
    let token = token.trim();
    (!token.is_empty()).then_some((scheme, token))
}

fn refuse(status: StatusCode, challenge: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
