//! The decision about each request: which token it is sent with, or why with none.

use http::Request;
use tokio::time::Instant;

use super::{
    authorize::ExistingAuthorization,
    authorized::AuthorizedToken,
    settings::{HAS_OWN, Route, Settings, WithoutToken},
    shared::LayerShared,
};
use crate::{
    cache::TokenCache,
    event::{Observer, WithheldReason},
    sync::Arc,
};

/// Selects the cache whose token a request is sent with.
///
/// [`TokenCache`] selects itself. [`ByKey`](crate::layer::ByKey) selects one of many by a key of the
/// request (feature `keyed`). Other types cannot implement it.
pub trait SelectCache: sealed::Decide {}

impl<T: sealed::Decide> SelectCache for T {}

/// What a service does with a request.
#[derive(Debug)]
pub enum Decision {
    /// Send it with this token.
    Send(Arc<AuthorizedToken>),
    /// Wait for a token of this cache.
    Wait(Arc<LayerShared<TokenCache>>),
    /// Send it without a token.
    Pass,
    /// Fail, with this reason.
    Refuse(&'static str),
}

/// The token that a service used last. A service keeps its own copy from its second call on, because
/// most clones are called once.
#[derive(Debug, Default)]
pub struct LastToken {
    token: Option<Arc<AuthorizedToken>>,
    was_called: bool,
}

pub(crate) mod sealed {
    use super::{Arc, Decision, LastToken, LayerShared, Observer, Request};

    pub trait Decide: Sized {
        /// Decides about a request that is to carry a token.
        fn decide<B>(
            shared: &Arc<LayerShared<Self>>,
            last: &mut LastToken,
            request: &Request<B>,
        ) -> Decision;

        /// Where events about requests without a token go.
        fn observer(&self) -> Observer;

        /// The name of the client.
        fn client(&self) -> &Arc<str>;
    }
}

impl<T: SelectCache> LayerShared<T> {
    /// Decides about a request.
    #[inline(always)]
    pub(crate) fn decide<B>(
        self: &Arc<Self>,
        last: &mut LastToken,
        request: &Request<B>,
    ) -> Decision {
        match self.settings.route(request) {
            Route::Authorize => T::decide(self, last, request),
            Route::Skip => self.withhold(request, WithheldReason::Skipped, WithoutToken::Pass),
            Route::Withhold(reason) => self.withhold(request, reason, self.settings.other_origin),
        }
    }

    /// For a request that must not carry a token.
    #[cold]
    pub(crate) fn withhold<B>(
        &self,
        request: &Request<B>,
        reason: WithheldReason,
        action: WithoutToken,
    ) -> Decision {
        let refused = action == WithoutToken::Refuse;
        self.settings.report_withheld(request, reason, refused, &self.tokens.observer());
        if refused { Decision::Refuse(reason.explanation()) } else { Decision::Pass }
    }
}

/// The decision about a request that keeps its own authorization field.
#[cold]
pub(crate) fn own_authorization<B>(
    settings: &Settings,
    request: &Request<B>,
    observer: &Observer,
) -> Decision {
    let refused = settings.existing_authorization == ExistingAuthorization::Refuse;
    settings.report_withheld(request, WithheldReason::OwnAuthorization, refused, observer);
    if refused { Decision::Refuse(HAS_OWN) } else { Decision::Pass }
}

impl sealed::Decide for TokenCache {
    #[inline(always)]
    fn decide<B>(
        shared: &Arc<LayerShared<Self>>,
        last: &mut LastToken,
        request: &Request<B>,
    ) -> Decision {
        let now = Instant::now();
        if let Some(token) = last.fresh(now) {
            return Decision::Send(token);
        }
        if let Some(token) = shared.fresh(now) {
            return Decision::Send(last.keep(token));
        }
        decide_by_cache(shared, request)
    }

    fn observer(&self) -> Observer {
        Self::observer(self).clone()
    }

    fn client(&self) -> &Arc<str> {
        Self::client(self)
    }
}

/// Asks the cache, under its lock. The request's own authorization is considered first, because
/// such a request does not wait for a token.
#[cold]
pub(crate) fn decide_by_cache<B>(
    shared: &Arc<LayerShared<TokenCache>>,
    request: &Request<B>,
) -> Decision {
    if shared.settings.keeps_own_authorization(request) {
        return own_authorization(&shared.settings, request, shared.cache().observer());
    }
    match shared.cache().current_without_wait() {
        Some(snapshot) => Decision::Send(shared.authorized(&snapshot)),
        None => Decision::Wait(Arc::clone(shared)),
    }
}

impl LastToken {
    #[inline(always)]
    fn fresh(&self, now: Instant) -> Option<Arc<AuthorizedToken>> {
        let token = self.token.as_ref()?;
        token.is_fresh(now).then(|| Arc::clone(token))
    }

    #[cfg(all(test, not(oauth_loom)))]
    pub(super) fn token(&self) -> Option<&Arc<AuthorizedToken>> {
        self.token.as_ref()
    }

    fn keep(&mut self, token: Arc<AuthorizedToken>) -> Arc<AuthorizedToken> {
        self.token = self.was_called.then(|| Arc::new(token.for_service()));
        self.was_called = true;
        self.token.clone().unwrap_or(token)
    }
}
