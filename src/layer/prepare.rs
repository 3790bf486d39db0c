//! Prepares a request that is sent with a token.

use http::{Request, Uri};

use super::{
    authorize::add_proof, authorized::AuthorizedToken, protocol::Protocol, replay::ReplayPolicy,
    replay_request::ReplayRequest, settings::refusal,
};
use crate::{
    error::{BoxError, Error},
    sync::Arc,
};

/// The retries that a request may still make: one for each reason.
#[derive(Clone, Copy)]
pub(super) struct RetriesLeft {
    /// One with another token, after the first was rejected.
    pub(super) token: bool,
    /// One with the nonce that the API asked for (DPoP, RFC 9449 §9).
    pub(super) nonce: bool,
    /// One after the connection was lost in a replay. The caller did not ask for the replay, and its
    /// first response was dropped. An error of the first attempt is returned to the caller.
    pub(super) connection: bool,
    /// Whether the request was sent before.
    pub(super) is_replay: bool,
}

impl RetriesLeft {
    pub(super) const FULL: Self =
        Self { token: true, nonce: true, connection: true, is_replay: false };

    pub(super) fn after_rejection(self) -> Self {
        Self { token: false, is_replay: true, ..self }
    }

    pub(super) fn after_nonce(self) -> Self {
        Self { nonce: false, is_replay: true, ..self }
    }

    pub(super) fn after_lost_connection(self) -> Self {
        Self { connection: false, ..self }
    }

    /// Whether a retry is left. `is_bound` says that the token is bound to a key, so a nonce may be
    /// asked for.
    fn is_left(self, is_bound: bool) -> bool {
        self.token || is_bound && self.nonce || self.is_replay && self.connection
    }
}

/// A request that is ready to be sent.
pub(super) struct Prepared<S, B, P, K> {
    pub(super) request: Request<B>,
    /// Whether the request carries the token. Otherwise it keeps its existing authorization field.
    pub(super) is_authorized: bool,
    pub(super) replay: Option<Box<ReplayRequest<S, P, K>>>,
    /// The URI of the request, if it carries a proof, since its response may bring the next nonce. Also
    /// if a rejection could not name the API otherwise.
    pub(super) uri: Option<Uri>,
}

/// Adds the token, and a proof if the token needs one. Keeps what a replay needs.
///
/// # Errors
///
/// An error if the request must not be sent.
// Inlined, because each call that takes or returns a request copies it.
#[inline(always)]
pub(super) fn prepare<S, B, P, M>(
    token: &Arc<AuthorizedToken>,
    policy: &P,
    service: &S,
    mut request: Request<B>,
    retries: RetriesLeft,
) -> Result<Prepared<S, B, P, P::Kept>, BoxError>
where
    S: Clone,
    P: ReplayPolicy<B>,
    M: Protocol,
{
    let is_authorized =
        token.authorize(&mut request).map_err(|why| refusal(why, token.cache().client()))?;
    let mut replay = None;
    if !is_authorized {
        return Ok(Prepared { request, is_authorized, replay, uri: None });
    }
    if P::REPLAYS && retries.is_left(token.is_bound()) {
        let (parts, body) = request.into_parts();
        let (body, kept) = policy.keep(body);
        request = Request::from_parts(parts, body);
        replay = kept.map(|kept| {
            let token_header = token.settings().header_name();
            ReplayRequest::new(service.clone(), policy.clone(), &request, token_header, kept)
        });
    }
    let mut uri = None;
    if token.needs_preparation() {
        uri = prove(token, &mut request, replay.is_some())?;
    }
    M::on_authorized(&mut request, token);
    Ok(Prepared { request, is_authorized, replay, uri })
}

/// Adds a proof if the token needs one. Returns the URI if it has to be kept.
#[cold]
fn prove<B>(
    token: &AuthorizedToken,
    request: &mut Request<B>,
    is_kept: bool,
) -> Result<Option<Uri>, Error> {
    if token.is_bound() {
        let named = |error: Error| error.with_client(token.cache().client());
        add_proof(request, token.token()).map_err(named)?;
    } else if is_kept || !token.keeps_uri() {
        // The replay has the URI, or no rejection is expected.
        return Ok(None);
    }
    Ok(Some(request.uri().clone()))
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;

    /// A request that is not sent again needs no copy.
    #[test]
    fn a_retry_is_left_until_each_kind_was_used() {
        let full = RetriesLeft::FULL;
        assert!(full.is_left(false) && full.is_left(true));
        let rejected = full.after_rejection();
        assert!(rejected.is_left(false), "the connection may be lost in the replay");
        let lost = rejected.after_lost_connection();
        assert!(!lost.is_left(false) && lost.is_left(true), "a bound token may need a nonce");
        assert!(!lost.after_nonce().is_left(true));
        // The first attempt is not a replay, so its lost connection is the caller's to handle.
        assert!(!RetriesLeft { token: false, ..full }.is_left(false));
    }
}
