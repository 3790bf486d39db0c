//! Selects the action for each request: which token it is sent with, or why with none.

use http::Request;
use tokio::time::Instant;

use super::{
    authorize::{ExistingAuthorization, HAS_EXISTING},
    authorized::AuthorizedToken,
    settings::{Settings, WithoutToken},
    shared::{LayerShared, RequestTokens},
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not select a token cache",
    label = "not a `TokenCache` or `ByKey`",
    note = "use `OAuthClientCredentialsLayer::new` with a `TokenCache`, or `keyed` with a key `Clone + Eq + Hash + Send + Sync` and a closure `Fn(&RequestHead<'_>) -> Option<K>`"
)]
pub trait SelectCache: sealed::SelectAction {}

impl<T: sealed::SelectAction> SelectCache for T {}

/// What a service does with a request.
#[derive(Debug)]
pub enum Action {
    /// Send it with this token.
    Send(Arc<AuthorizedToken>),
    /// Wait for a token of this cache.
    Wait(RequestTokens),
    /// Send it without a token.
    Pass,
    /// Fail, with this reason.
    Refuse(&'static str),
}

/// The token that a service used last. A service keeps a copy only from its second call on, because
/// most clones are called once.
#[derive(Debug, Default)]
pub struct LastToken {
    token: Option<Arc<AuthorizedToken>>,
    was_called: bool,
}

pub(crate) mod sealed {
    use super::{Action, Arc, LastToken, LayerShared, Observer, Request};

    // The compiler names this trait when the public one is missing.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` does not select a token cache",
        label = "not a `TokenCache` or `ByKey`",
        note = "use `OAuthClientCredentialsLayer::new` with a `TokenCache`, or `keyed` with a key `Clone + Eq + Hash + Send + Sync` and a closure `Fn(&RequestHead<'_>) -> Option<K>`"
    )]
    pub trait SelectAction: Sized {
        /// Selects the action for a request that may carry a token.
        fn select<B>(
            shared: &Arc<LayerShared<Self>>,
            last: &mut LastToken,
            request: &Request<B>,
        ) -> Action;

        /// The receiver of events about requests that must not carry a token.
        fn observer(&self) -> &Observer;

        /// The name of the client.
        fn client(&self) -> &Arc<str>;
    }
}

impl<T: SelectCache> LayerShared<T> {
    #[inline(always)]
    pub(crate) fn select_action<B>(
        self: &Arc<Self>,
        last: &mut LastToken,
        request: &Request<B>,
    ) -> Action {
        match self.settings.check(request) {
            Ok(()) => T::select(self, last, request),
            Err(reason) => self.withhold(request, reason, self.settings.without_token(reason)),
        }
    }

    /// Reports a request that must not carry a token, and decides whether it is sent.
    #[cold]
    pub(crate) fn withhold<B>(
        &self,
        request: &Request<B>,
        reason: WithheldReason,
        action: WithoutToken,
    ) -> Action {
        let refused = action == WithoutToken::Refuse;
        self.settings.report_withheld(request, reason, refused, self.tokens.observer());
        if refused { Action::Refuse(reason.explanation()) } else { Action::Pass }
    }
}

/// Decides whether a request that keeps its existing authorization field is sent, and reports it.
#[cold]
pub(crate) fn existing_authorization<B>(
    settings: &Settings,
    request: &Request<B>,
    observer: &Observer,
) -> Action {
    let refused = settings.existing_authorization == ExistingAuthorization::Refuse;
    settings.report_withheld(request, WithheldReason::ExistingAuthorization, refused, observer);
    if refused { Action::Refuse(HAS_EXISTING) } else { Action::Pass }
}

impl sealed::SelectAction for TokenCache {
    #[inline(always)]
    fn select<B>(
        shared: &Arc<LayerShared<Self>>,
        last: &mut LastToken,
        request: &Request<B>,
    ) -> Action {
        let now = Instant::now();
        if let Some(token) = last.fresh(now) {
            return Action::Send(token);
        }
        if let Some(token) = shared.fresh(now) {
            return Action::Send(last.keep(token));
        }
        select_by_cache(RequestTokens::Shared(Arc::clone(shared)), request)
    }

    fn observer(&self) -> &Observer {
        Self::observer(self)
    }

    fn client(&self) -> &Arc<str> {
        Self::client(self)
    }
}

/// Asks the cache, under its lock. An existing authorization field is considered first, because
/// such a request does not wait for a token.
#[cold]
pub(crate) fn select_by_cache<B>(tokens: RequestTokens, request: &Request<B>) -> Action {
    if tokens.settings().keeps_existing_authorization(request) {
        return existing_authorization(tokens.settings(), request, tokens.cache().observer());
    }
    match tokens.cache().current_without_wait() {
        Some(snapshot) => Action::Send(tokens.authorized(&snapshot)),
        None => Action::Wait(tokens),
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
        self.token = self.was_called.then(|| token.for_service());
        self.was_called = true;
        self.token.clone().unwrap_or(token)
    }
}
