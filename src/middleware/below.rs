//! What is below the middleware, as a tower service.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::Extensions;
use reqwest::{Body, Request, Response, Url};
use reqwest_middleware::{Error, Next, Result};
use tower_service::Service;

/// The middlewares below and the client. Always ready.
#[derive(Clone)]
pub(super) struct Below<'a> {
    next: Next<'a>,
    of: Arc<Of<'a>>,
}

/// What belongs to the request, however often it is sent.
struct Of<'a> {
    /// As the caller wrote it: `http::Uri` drops the fragment.
    url: Url,
    /// Not there while a sending has them.
    extensions: Mutex<Option<&'a mut Extensions>>,
}

impl<'a> Below<'a> {
    pub(super) fn new(next: Next<'a>, url: Url, extensions: &'a mut Extensions) -> Self {
        Self { next, of: Arc::new(Of { url, extensions: Mutex::new(Some(extensions)) }) }
    }
}

impl<'a> Of<'a> {
    fn extensions(&self) -> MutexGuard<'_, Option<&'a mut Extensions>> {
        self.extensions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn to_request(&self, request: http::Request<Body>) -> Result<Request> {
        let mut request: Request = request.try_into()?;
        request.url_mut().clone_from(&self.url);
        // A request without a body came here with an empty one.
        request.body_mut().take_if(|body| body.as_bytes() == Some(&[]));
        Ok(request)
    }
}

impl<'a> Service<http::Request<Body>> for Below<'a> {
    type Response = http::Response<Response>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { next, of } = self.clone();
        Box::pin(async move {
            let request = of.to_request(request)?;
            let extensions = of.extensions().take().expect("one sending ends before the next");
            let answer = next.run(request, extensions).await;
            *of.extensions() = Some(extensions);
            answer.map(|response| wrap(response, &of.url))
        })
    }
}

/// The host that reqwest gives an answer which was made of one of `http`'s without a URL, by a
/// middleware below.
const NO_URL: &str = "no.url.provided.local";

/// An answer as the layer looks at it. Its head is moved out and not copied.
fn wrap(mut response: Response, asked: &Url) -> http::Response<Response> {
    // After a redirect to another origin it says nothing about our token.
    let from = response.url();
    if from.origin() != asked.origin() && from.host_str() != Some(NO_URL) {
        return http::Response::new(response);
    }
    let status = response.status();
    let headers = mem::take(response.headers_mut());
    let mut wrapped = http::Response::new(response);
    *wrapped.status_mut() = status;
    *wrapped.headers_mut() = headers;
    wrapped
}

pub(super) fn unwrap(wrapped: http::Response<Response>) -> Response {
    let (head, mut response) = wrapped.into_parts();
    if !head.headers.is_empty() {
        *response.headers_mut() = head.headers;
    }
    response
}
