//! A request whose token is bound to a key: each sending has a proof of its own, each answer may
//! bring the nonce for the next (RFC 9449 §7 to §9).
//!
//! It is apart, and behind a box, so that a bearer token's way is as short as without it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    ResponseFuture, Sent,
    detour::{Detour, Next},
    keep,
};
use crate::{
    authorize::put_proof, cache::Presented, challenge::Verdict, error::BoxError,
    replay::ReplayPolicy, settings::Settings, sync::Arc,
};

/// What a request may still be sent again for.
#[derive(Clone, Copy)]
pub(crate) struct Chances {
    /// Another token.
    pub(super) token: bool,
    /// A nonce.
    pub(super) nonce: bool,
}

impl Chances {
    pub(crate) const ALL: Self = Self { token: true, nonce: true };
}

pin_project! {
    pub(crate) struct Proven<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        #[pin]
        future: S::Future,
        sent: Option<Sent<S, B, P>>,
        uri: Uri,
        chances: Chances,
    }
}

/// Sends a request with a token that is bound to a key, through a service that is ready.
#[cold]
#[inline(never)]
pub(crate) fn send_bound<S, B, P>(
    settings: &Arc<Settings<P>>,
    service: &mut S,
    mut request: Request<B>,
    presented: Arc<Presented>,
    chances: Chances,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
{
    let mut again = None;
    let may_replay = P::REPLAYS && (chances.token || chances.nonce);
    if may_replay && !settings.leaves_alone(&request) {
        (request, again) = keep(settings, service, request);
    }
    let sent = match Sent::with(presented, settings, &mut request, again) {
        Ok(Some(sent)) => sent,
        Ok(None) => return ResponseFuture::passing(service.call(request)),
        Err(why) => return ResponseFuture::refused(why),
    };
    // Whatever proof the request came with was not of this token's key.
    if let Err(error) = put_proof(&mut request, sent.presented.token()) {
        return ResponseFuture::detour(Detour::refused(error.into()));
    }
    let uri = request.uri().clone();
    let future = service.call(request);
    ResponseFuture::proven(Proven { future, sent: Some(sent), uri, chances })
}

impl<S, B, P> Proven<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(super) fn poll<R>(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<S, B, P>>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
    {
        let this = self.project();
        let answer = ready!(this.future.poll(cx)).map_err(Into::into);
        let mut sent = this.sent.take().expect("polled after it was done");
        let Ok(response) = &answer else { return Poll::Ready(Next::Done(answer)) };
        let token = sent.presented.token();
        let has_nonce = token.observe_response(this.uri, response.headers());
        let Chances { token: another_token, nonce: another_nonce } = *this.chances;
        Poll::Ready(match sent.judge.verdict(response, token) {
            Verdict::HandBack => Next::Done(answer),
            Verdict::Rejected => {
                sent.again = sent.again.filter(|_| another_token);
                sent.rejected(answer, Chances { token: false, nonce: another_nonce })
            }
            Verdict::UseNonce => match (answer, sent.again) {
                (Ok(response), Some(again)) if has_nonce && another_nonce => {
                    let chances = Chances { token: another_token, nonce: false };
                    Next::detour(Detour::resending(response, again, chances))
                }
                (answer, _) => Next::Done(answer),
            },
        })
    }
}
