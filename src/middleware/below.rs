//! What is below the middleware, as a tower service.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http::{Extensions, HeaderValue};
use reqwest::{Body, Request, Response, Url};
use reqwest_middleware::{Error, Next, Result};
use tower_service::Service;

use crate::{error::sanitise, event::Event, service::OAuthClientCredentials};

/// The middlewares below and the client. Always ready.
pub(super) struct Below<'a, P> {
    next: Next<'a>,
    of: Arc<Of<'a, P>>,
}

/// What belongs to the request, however often it is sent.
struct Of<'a, P> {
    /// As the caller wrote it: `http::Uri` drops the fragment.
    url: Url,
    /// The caller's own field in place of the token's.
    own: Option<HeaderValue>,
    /// The middleware's.
    service: &'a OAuthClientCredentials<(), P>,
    /// Not there while a sending has them.
    extensions: Mutex<Option<&'a mut Extensions>>,
}

impl<'a, P> Below<'a, P> {
    pub(super) fn new(
        next: Next<'a>,
        request: &Request,
        extensions: &'a mut Extensions,
        service: &'a OAuthClientCredentials<(), P>,
    ) -> Self {
        let own = request.headers().get(service.settings().header_name()).cloned();
        let extensions = Mutex::new(Some(extensions));
        Self { next, of: Arc::new(Of { url: request.url().clone(), own, service, extensions }) }
    }
}

impl<P> Clone for Below<'_, P> {
    fn clone(&self) -> Self {
        Self { next: self.next.clone(), of: Arc::clone(&self.of) }
    }
}

impl<'a, P> Of<'a, P> {
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

    /// The token that a sending carries, in its field. The caller's own is not ours to judge.
    fn token_of(&self, request: &http::Request<Body>) -> Option<HeaderValue> {
        let name = self.service.settings().header_name();
        request.headers().get(name).filter(|&value| self.own.as_ref() != Some(value)).cloned()
    }

    /// An answer as the layer sees it. Its head is moved out and not copied.
    fn wrap(&self, mut response: Response, token: Option<HeaderValue>) -> http::Response<Response> {
        if self.is_elsewhere(response.url()) {
            self.went_elsewhere(response.url(), token);
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
    /// the token may be in other hands. It stays in use until there is another one: a download from
    /// a presigned URL redirects too, and must not stop all other requests.
    #[cold]
    fn went_elsewhere(&self, to: &Url, token: Option<HeaderValue>) {
        let Some(token) = token else { return };
        let (cache, settings) = (self.service.cache(), self.service.settings());
        if to.as_str().parse().is_ok_and(|uri| settings.origins.names(&uri)) {
            return;
        }
        let [from, to] = [&self.url, to].map(|url| sanitise(&url.origin().ascii_serialization()));
        if settings.throttle.admits(("redirected", &to)) {
            cache.observer().emit(&Event::RedirectedElsewhere { from, to });
        }
        if let Some(current) = cache.peek().filter(|it| it.header_value() == token) {
            cache.invalidate(&current);
        }
    }
}

impl<'a, P> Service<http::Request<Body>> for Below<'a, P>
where
    P: Send + Sync,
{
    type Response = http::Response<Response>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { next, of } = self.clone();
        Box::pin(async move {
            let token = of.token_of(&request);
            let request = of.to_request(request)?;
            let extensions = of.extensions().take().expect("one sending ends before the next");
            let answer = next.run(request, extensions).await;
            *of.extensions() = Some(extensions);
            match answer {
                Ok(response) => Ok(of.wrap(response, token)),
                Err(error) => {
                    // Too many redirects, for one, are an error at the last hop.
                    if let Error::Reqwest(error) = &error
                        && let Some(url) = error.url().filter(|url| of.is_elsewhere(url))
                    {
                        of.went_elsewhere(url, token);
                    }
                    Err(error)
                }
            }
        })
    }
}

/// The host that reqwest gives an answer which was made of one of `http`'s without a URL, by a
/// middleware below.
const NO_URL: &str = "no.url.provided.local";

pub(super) fn unwrap(wrapped: http::Response<Response>) -> Response {
    let (head, mut response) = wrapped.into_parts();
    if !head.headers.is_empty() {
        *response.headers_mut() = head.headers;
    }
    response
}
