//! The middlewares below this one and the client, as a Tower service.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Extensions, StatusCode};
use reqwest::{Body, Request, Response, Url};
use reqwest_middleware::{Error, Next, Result};
use tower_service::Service;

use crate::{
    error::{BoxError, sanitise},
    event::EventKind,
    layer::{authorized::AuthorizedToken, protocol::sealed::ProtocolHooks},
    sync::{Arc, Mutex, lock},
};

/// The protocol of the middleware: HTTP. Each request shows its token to the [`Client`], which sees
/// redirects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reqwest;

/// The token that a request is sent with, in its extensions.
#[derive(Clone)]
struct SentToken(Arc<AuthorizedToken>);

impl ProtocolHooks for Reqwest {
    type Body<R> = R;

    fn on_authorized<B>(request: &mut http::Request<B>, token: &Arc<AuthorizedToken>) {
        request.extensions_mut().insert(SentToken(Arc::clone(token)));
    }

    fn status<R>(response: &http::Response<R>) -> StatusCode {
        response.status()
    }

    fn finish<R, E: Into<BoxError>>(
        result: Poll<std::result::Result<http::Response<R>, E>>,
        _: &mut Option<Arc<AuthorizedToken>>,
    ) -> Poll<std::result::Result<http::Response<R>, BoxError>> {
        result.map_err(Into::into)
    }
}

/// The middlewares below this one and the client. It is always ready.
#[derive(Clone)]
pub(super) struct Client<'a> {
    next: Next<'a>,
    call: Arc<Call<'a>>,
}

/// The state of one request of the caller, over all its attempts.
struct Call<'a> {
    /// The URL as the caller wrote it, since `http::Uri` drops the fragment.
    url: Url,
    /// `None` during an attempt.
    extensions: Mutex<Option<&'a mut Extensions>>,
}

impl<'a> Client<'a> {
    pub(super) fn new(next: Next<'a>, request: &Request, extensions: &'a mut Extensions) -> Self {
        let extensions = Mutex::new(Some(extensions));
        Self { next, call: Arc::new(Call { url: request.url().clone(), extensions }) }
    }
}

impl Call<'_> {
    fn to_request(&self, request: http::Request<Body>) -> Result<Request> {
        let mut request: Request = request.try_into()?;
        request.url_mut().clone_from(&self.url);
        // A request without a body was given an empty one for the layer.
        request.body_mut().take_if(|body| body.as_bytes() == Some(&[]));
        Ok(request)
    }

    /// The response as the layer sees it. Its head is moved and not copied.
    fn wrap(&self, mut response: Response, token: Option<&SentToken>) -> http::Response<Response> {
        if self.is_elsewhere(response.url()) {
            self.report_elsewhere(response.url(), token);
            // The status says nothing about our token.
            return http::Response::new(response);
        }
        let status = response.status();
        let headers = mem::take(response.headers_mut());
        let mut wrapped = http::Response::new(response);
        *wrapped.status_mut() = status;
        *wrapped.headers_mut() = headers;
        wrapped
    }

    fn is_elsewhere(&self, url: &Url) -> bool {
        url.origin() != self.url.origin() && url.host_str() != Some(NO_URL)
    }

    /// The client followed a redirect to another origin. The hops in between are not visible, so
    /// the token may have been sent to any of them. It stays in use until another one is available:
    /// a download from a presigned URL redirects too, and must not stop all other requests.
    #[cold]
    fn report_elsewhere(&self, to: &Url, token: Option<&SentToken>) {
        let Some(SentToken(token)) = token else { return };
        let settings = token.settings();
        if to.as_str().parse().is_ok_and(|uri| settings.origins.names(&uri)) {
            return;
        }
        let [from, to] = [&self.url, to].map(|url| sanitise(&url.origin().ascii_serialization()));
        let observer = token.cache().observer();
        if observer.admits(("redirected", &to)) {
            observer.emit(EventKind::RedirectedToOtherOrigin { from: from.clone(), to });
        }
        token.cache().invalidate_at(token.token(), Some(from));
    }
}

impl<'a> Service<http::Request<Body>> for Client<'a> {
    type Response = http::Response<Response>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let Self { next, call } = self.clone();
        Box::pin(async move {
            let token = request.extensions_mut().remove::<SentToken>();
            let request = call.to_request(request)?;
            let extensions = lock(&call.extensions).take().expect("sendings do not overlap");
            let result = next.run(request, extensions).await;
            *lock(&call.extensions) = Some(extensions);
            match result {
                Ok(response) => Ok(call.wrap(response, token.as_ref())),
                Err(error) => {
                    // For example too many redirects, which is an error of the last hop.
                    if let Error::Reqwest(error) = &error
                        && let Some(url) = error.url().filter(|url| call.is_elsewhere(url))
                    {
                        call.report_elsewhere(url, token.as_ref());
                    }
                    Err(error)
                }
            }
        })
    }
}

/// The host that reqwest gives to a response without a URL, which a middleware below made from a
/// response of `http`.
const NO_URL: &str = "no.url.provided.local";

pub(super) fn unwrap(wrapped: http::Response<Response>) -> Response {
    let (head, mut response) = wrapped.into_parts();
    if !head.headers.is_empty() {
        *response.headers_mut() = head.headers;
    }
    response
}
