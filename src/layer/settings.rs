//! The settings of a layer, and the decisions that follow from them alone.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request, StatusCode, Uri, header};

use super::{
    authorize::ExistingAuthorization,
    challenge::{RejectionPolicy, Verdict, classify},
    origins::{Origins, destination, origin_of},
};
use crate::{
    error::{BoxError, Error, Problem},
    event::{EventKind, NotReplayedReason, Observer, WithheldReason},
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

impl Settings {
    pub(crate) fn new(origins: Origins) -> Self {
        Self {
            origins,
            withheld: WithoutToken::default(),
            existing_authorization: ExistingAuthorization::default(),
            classifier: ResponseClassifier::default(),
            header_name: None,
        }
    }

    /// Checks whether a request may carry the token, before a token is looked up.
    ///
    /// # Errors
    ///
    /// The reason why it carries none.
    #[inline(always)]
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), WithheldReason> {
        self.origins.check(request)?;
        if request.extensions().get::<SkipToken>().is_some() {
            return Err(WithheldReason::Skipped);
        }
        Ok(())
    }

    /// What to do with a request that carries no token for this reason.
    #[cold]
    pub(crate) fn without_token(&self, reason: WithheldReason) -> WithoutToken {
        match reason {
            WithheldReason::Skipped => WithoutToken::Pass,
            _ => self.withheld,
        }
    }

    /// Whether the request has an existing authorization field that stays. Such a request needs no
    /// token.
    pub(crate) fn keeps_existing_authorization<B>(&self, request: &Request<B>) -> bool {
        self.existing_authorization != ExistingAuthorization::Replace
            && request.headers().contains_key(self.header_name())
    }

    /// Reports a request without the token. An existing `Authorization` field or [`SkipToken`] is
    /// reported instead of the given reason.
    #[cold]
    pub(crate) fn report_withheld<B>(
        &self,
        request: &Request<B>,
        reason: WithheldReason,
        refused: bool,
        observer: &Observer,
    ) {
        if !observer.has_debug_receiver() {
            return;
        }
        let reason = match reason {
            reason if refused => reason,
            _ if self.keeps_existing_authorization(request) => {
                WithheldReason::ExistingAuthorization
            }
            _ if request.extensions().get::<SkipToken>().is_some() => WithheldReason::Skipped,
            reason => reason,
        };
        let origin = Some(destination(request, reason)).filter(|origin| !origin.is_empty());
        if observer.admits(("withheld", reason, &origin, refused)) {
            observer.emit(EventKind::TokenWithheld { reason, origin, refused });
        }
    }

    /// Reports a request that was not sent again.
    #[cold]
    pub(crate) fn report_not_replayed(&self, reason: NotReplayedReason, observer: &Observer) {
        if observer.has_debug_receiver() && observer.admits(("not replayed", reason)) {
            observer.emit(EventKind::NotReplayed { reason });
        }
    }

    /// The origin of the API that answered, for an event. `uri`: where the request went, if that is
    /// still known.
    #[cold]
    pub(crate) fn api(&self, uri: Option<&Uri>) -> Option<String> {
        let origin = uri.map(origin_of).filter(|origin| !origin.is_empty());
        origin.or_else(|| self.origins.only())
    }

    /// The field that carries the token.
    pub(crate) fn header_name(&self) -> &HeaderName {
        self.header_name.as_ref().unwrap_or(&header::AUTHORIZATION)
    }
}

/// The error of a request that was not sent.
pub(crate) fn refusal(why: &'static str, client: &Arc<str>) -> BoxError {
    Error::of(Problem::Refused).with_detail(why).with_client(client).into()
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
