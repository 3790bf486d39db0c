//! The settings of a layer, and the decisions that follow from them alone.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request, StatusCode, header};

use super::{
    authorize::ExistingAuthorization,
    challenge::{RejectionPolicy, Verdict, classify},
    origins::{Origins, destination},
    throttle::Throttle,
};
use crate::{
    error::{BoxError, Error, Problem},
    event::{Event, NotReplayedReason, Observer, WithheldReason},
    token::Token,
};

/// The settings of a layer. Its services share them.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) origins: Origins,
    pub(crate) withheld: WithoutToken,
    pub(crate) existing_authorization: ExistingAuthorization,
    pub(crate) classifier: ResponseClassifier,
    /// The field that carries the token. `None` stands for `Authorization`, which is cheaper to
    /// insert as a constant.
    pub(crate) header_name: Option<HeaderName>,
    pub(crate) throttle: Arc<Throttle>,
}

/// What to do with a request that must not carry the token, such as a request to another origin.
/// [`Origins`](crate::Origins) lists all of them.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{
///     OAuthClientCredentialsLayer, Origins, TokenCache, layer::WithoutToken,
/// };
///
/// # fn example(tokens: TokenCache) {
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any())
///     .withheld(WithoutToken::Refuse);
/// # drop(layer);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutToken {
    /// Send it without a token. The default: redirects and mixed clients keep working.
    #[default]
    Pass,
    /// Refuse it with an error.
    Refuse,
}

/// Sends a request without a token, for example a health check. Put it into the request's
/// extensions.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::layer::SkipToken;
///
/// let request = http::Request::get("https://api.example.com/health").extension(SkipToken).body(());
/// # drop(request);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SkipToken;

/// How a request is sent, decided before a token is looked up.
pub(crate) enum Route {
    /// With a token.
    Authorize,
    /// Without a token, because the caller asks for that ([`SkipToken`]).
    Skip,
    /// It must not carry a token. [`WithoutToken`] says whether it is sent.
    Withhold(WithheldReason),
}

impl Settings {
    pub(crate) fn new(origins: Origins) -> Self {
        Self {
            origins,
            withheld: WithoutToken::default(),
            existing_authorization: ExistingAuthorization::default(),
            classifier: ResponseClassifier::default(),
            header_name: None,
            throttle: Arc::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn route<B>(&self, request: &Request<B>) -> Route {
        if let Err(reason) = self.origins.check(request) {
            return Route::Withhold(reason);
        }
        if request.extensions().get::<SkipToken>().is_some() {
            return Route::Skip;
        }
        Route::Authorize
    }

    /// Whether the request has an existing authorization field that stays. Such a request needs no
    /// token.
    pub(crate) fn keeps_existing_authorization<B>(&self, request: &Request<B>) -> bool {
        self.existing_authorization != ExistingAuthorization::Replace
            && request.headers().contains_key(self.header_name())
    }

    /// Reports a request that must not carry the token. A request that would carry none anyway is
    /// reported only if it is refused.
    pub(crate) fn report_withheld<B>(
        &self,
        request: &Request<B>,
        reason: WithheldReason,
        refused: bool,
        observer: &Observer,
    ) {
        let expects_token = request.extensions().get::<SkipToken>().is_none()
            && !self.keeps_existing_authorization(request);
        if !(refused || expects_token) || !observer.sees_debug() {
            return;
        }
        let origin = destination(request, reason);
        if self.throttle.admits((reason, &origin)) {
            observer.emit(&Event::TokenWithheld { reason, origin, refused });
        }
    }

    /// Reports a request that was not sent again.
    #[cold]
    pub(crate) fn report_not_replayed(&self, reason: NotReplayedReason, observer: &Observer) {
        if observer.sees_debug() && self.throttle.admits(reason) {
            observer.emit(&Event::NotReplayed { reason });
        }
    }

    /// The field that carries the token.
    pub(crate) fn header_name(&self) -> &HeaderName {
        self.header_name.as_ref().unwrap_or(&header::AUTHORIZATION)
    }
}

/// The error of a request that was not sent.
pub(crate) fn refusal(why: &'static str) -> BoxError {
    Error::of(Problem::Refused).with_detail(why).into()
}

/// Decides what a response says about the token.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseClassifier {
    pub(crate) rejections: RejectionPolicy,
    /// The token is for a proxy: 407 and `Proxy-Authenticate` count.
    pub(crate) is_proxy: bool,
}

impl ResponseClassifier {
    #[inline]
    pub(crate) fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        token: &Token,
    ) -> Verdict {
        let field =
            if self.is_proxy { header::PROXY_AUTHENTICATE } else { header::WWW_AUTHENTICATE };
        let scheme = token.token_type().scheme();
        classify(status, headers, &field, scheme, &self.rejections)
    }
}
