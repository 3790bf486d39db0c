//! A sending that may be followed by another: with another token after a rejection, or with a proof
//! that has the nonce which was missing (RFC 9449 §7 to §9).
//!
//! It is behind a box, so that a call that is made once stays small and its way short.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Answer, Aside, Next, ResponseFuture,
    boxed::Boxed,
    connection::Failure,
    detour::{Detour, Held},
};
use crate::{
    authorize::put_proof,
    challenge::Verdict,
    error::BoxError,
    event::NotReplayedReason,
    lease::{Badge, Shared},
    replay::ReplayPolicy,
    sync::Arc,
};

/// What a request may still be sent again for.
#[derive(Clone, Copy)]
pub(crate) struct Chances {
    /// Another token.
    pub(super) token: bool,
    /// A nonce.
    pub(super) nonce: bool,
    /// A lost connection, if it was sent again: the caller did not ask for that, and the answer to
    /// the first sending is gone. The first sending's errors are the caller's to handle.
    connection: bool,
    /// Whether it was sent before.
    replayed: bool,
}

impl Chances {
    pub(crate) const ALL: Self =
        Self { token: true, nonce: true, connection: true, replayed: false };

    fn after_rejection(self) -> Self {
        Self { token: false, replayed: true, ..self }
    }

    fn after_nonce(self) -> Self {
        Self { nonce: false, replayed: true, ..self }
    }

    fn after_lost_connection(self) -> Self {
        Self { connection: false, ..self }
    }

    /// Whether any is left for a request with this kind of token.
    fn any_left(self, bound: bool) -> bool {
        self.token || bound && self.nonce || self.replayed && self.connection
    }
}

/// What is kept of a request that was sent, to send it again.
pub(crate) struct Again<S, K> {
    service: S,
    head: Head,
    kept: K,
}

/// A request's head. The fields are in a list and not a map, which is two allocations: it is put
/// together again only for a request that is sent again.
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    fields: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
}

impl Head {
    /// `token`: the field that is put in anew for each sending.
    fn of<B>(request: &Request<B>, token: &HeaderName) -> Self {
        let headers = request.headers();
        let mut fields = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            if name != token {
                fields.push((name.clone(), value.clone()));
            }
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            fields,
            extensions: request.extensions().clone(),
        }
    }

    fn restore<B>(self, body: B) -> Request<B> {
        // They are values, and a map's limit is on names: more values than that is no error.
        let mut headers = HeaderMap::try_with_capacity(self.fields.len() + 1).unwrap_or_default();
        for (name, value) in self.fields {
            headers.append(name, value);
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        *request.headers_mut() = headers;
        *request.extensions_mut() = self.extensions;
        request
    }
}

impl<S, K> Again<S, K> {
    pub(super) fn restore<B, P>(self, shared: Arc<Shared<P>>) -> Option<Held<S, B, P>>
    where
        P: ReplayPolicy<B, Kept = K>,
    {
        let Self { service, head, kept } = self;
        let body = shared.settings.policy.restore(kept)?;
        Some(Held { shared, service, request: head.restore(body) })
    }
}

pin_project! {
    pub(crate) struct Attempt<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        #[pin]
        future: S::Future,
        badge: Option<Arc<Badge<P>>>,
        again: Option<Again<S, P::Kept>>,
        // Where the request went, if it had a proof: the answer may bring the next nonce.
        proven: Option<Uri>,
        chances: Chances,
    }
}

/// Sends a request with a token, through a service that is ready. `chances`: what it may be sent
/// again for.
pub(crate) fn send<S, B, P>(
    badge: Arc<Badge<P>>,
    service: &mut S,
    mut request: Request<B>,
    chances: Chances,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
{
    match badge.authorize(&mut request) {
        Ok(true) => {}
        Ok(false) => return ResponseFuture::calling(service.call(request), None),
        Err(why) => return ResponseFuture::refused(why),
    }
    let bound = badge.is_bound();
    let mut again = None;
    if P::REPLAYS && chances.any_left(bound) {
        (request, again) = keep(&badge, service, request);
    }
    let mut proven = None;
    if bound {
        // Whatever proof the request came with was not of this token's key.
        if let Err(error) = put_proof(&mut request, badge.token()) {
            return ResponseFuture::failed(error);
        }
        proven = Some(request.uri().clone());
    }
    let future = service.call(request);
    if again.is_none() && proven.is_none() && !chances.replayed {
        return ResponseFuture::calling(future, Some(badge));
    }
    let attempt = Attempt { future, badge: Some(badge), again, proven, chances };
    ResponseFuture::aside(Aside::Attempt { attempt })
}

/// Keeps what is needed to send the request again, if it can be.
// Else each request is copied once more on its way in and out.
#[inline(always)]
fn keep<S, B, P>(
    badge: &Badge<P>,
    service: &S,
    request: Request<B>,
) -> (Request<B>, Option<Again<S, P::Kept>>)
where
    S: Clone,
    P: ReplayPolicy<B>,
{
    let settings = badge.settings();
    let (parts, body) = request.into_parts();
    let (body, kept) = settings.policy.keep(body);
    let request = Request::from_parts(parts, body);
    let again = kept.map(|kept| {
        let head = Head::of(&request, settings.header_name());
        Again { service: service.clone(), head, kept }
    });
    (request, again)
}

impl<S, B, P> Attempt<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    /// `Err`: what to do about an answer that is no success.
    #[inline]
    pub(super) fn poll<R>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<Answer<R>>, Next<S, B, P>>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
    {
        let this = self.project();
        let answer = this.future.poll(cx);
        let Poll::Ready(result) = &answer else { return Ok(Poll::Pending) };
        // What was kept for sending again is let go before anyone reads on.
        let again = this.again.take();
        let badge = this.badge.take().expect("polled after it was done");
        let has_nonce = match (result, this.proven) {
            (Ok(response), Some(uri)) => badge.token().observe_response(uri, response.headers()),
            _ => false,
        };
        match answer {
            Poll::Ready(Ok(response)) if !response.status().is_success() => {
                Err(judge(response, badge, again, *this.chances, has_nonce))
            }
            Poll::Ready(Err(error)) if this.chances.replayed => {
                Err(after_error(error.into(), badge, again, *this.chances))
            }
            answer => Ok(answer.map_err(Into::into)),
        }
    }
}

/// `has_nonce`: the answer brought one.
#[cold]
fn judge<S, B, P, R>(
    response: Response<R>,
    badge: Arc<Badge<P>>,
    again: Option<Again<S, P::Kept>>,
    chances: Chances,
    has_nonce: bool,
) -> Next<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    P: ReplayPolicy<B>,
{
    let detour = match (badge.verdict(&response), again) {
        (Verdict::Rejected, Some(again)) if chances.token => {
            Detour::replacing(&badge, response, again, chances.after_rejection())
        }
        (Verdict::UseNonce, Some(again)) if has_nonce && chances.nonce => {
            Detour::resending(&badge, Ok(response), again, chances.after_nonce())
        }
        (verdict, _) => {
            let may_replay = match verdict {
                Verdict::Rejected => {
                    badge.cache().invalidate(badge.token());
                    chances.token
                }
                Verdict::UseNonce if has_nonce => chances.nonce,
                Verdict::UseNonce | Verdict::HandBack => return Next::Done(Ok(response)),
            };
            let reason = if may_replay {
                NotReplayedReason::Policy
            } else {
                NotReplayedReason::AlreadyReplayed
            };
            report(&badge, reason);
            return Next::Done(Ok(response));
        }
    };
    Next::Aside(Boxed::new(Aside::Detour { detour }))
}

/// A request that was sent again failed. It is sent again if only its connection was lost, and
/// the API can't have acted on it twice.
#[cold]
fn after_error<S, B, P>(
    error: BoxError,
    badge: Arc<Badge<P>>,
    again: Option<Again<S, P::Kept>>,
    chances: Chances,
) -> Next<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    let failure = Failure::of(&*error);
    if failure == Failure::Other {
        return Next::Done(Err(error));
    }
    if let Some(again) = again
        && chances.connection
        && (failure == Failure::NotSent || again.head.method.is_idempotent())
    {
        let chances = chances.after_lost_connection();
        let detour = Detour::resending(&badge, Err(error), again, chances);
        return Next::Aside(Boxed::new(Aside::Detour { detour }));
    }
    report(&badge, NotReplayedReason::ConnectionLost);
    Next::Done(Err(error))
}

fn report<P>(badge: &Badge<P>, reason: NotReplayedReason) {
    badge.settings().report_not_replayed(reason, badge.cache().observer());
}
