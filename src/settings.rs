//! What a layer is set to, as its services and their futures see it.

use std::fmt;

use http::{HeaderName, Request, Response, header};

use crate::{
    authorize::OwnAuthorization,
    challenge::{Rejections, Verdict, classify},
    error::{BoxError, Error, ErrorKind},
    event::{Event, NotReplayedReason, Observer, WithheldReason},
    origins::{Origins, destination},
    replay::EmptyBodies,
    sync::Arc,
    throttle::Throttle,
    token::Token,
};

/// What a layer is set to; its services share it.
#[derive(Clone)]
pub(crate) struct Settings<P> {
    pub(crate) origins: Origins,
    pub(crate) elsewhere: Elsewhere,
    pub(crate) own: OwnAuthorization,
    pub(crate) judge: Judge,
    /// Another field than `Authorization`.
    pub(crate) header_name: Option<HeaderName>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) policy: P,
}

/// What to do with a request that must not carry the token: to another origin, or
/// [one of these](crate::Origins).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Elsewhere {
    /// It goes on without our token. The default: redirects and mixed clients keep working.
    #[default]
    Pass,
    /// It is refused with an error.
    Refuse,
}

/// Put into a request's extensions, sends it without our token: for health checks and the like.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::SkipToken;
///
/// let request = http::Request::get("https://api.example.com/health").extension(SkipToken).body(());
/// # drop(request);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SkipToken;

/// What becomes of a request, before a token is looked for.
pub(crate) enum Admission {
    Authorize,
    /// The caller wants no token on it.
    Skip,
    /// It must not carry the token.
    Withhold(WithheldReason),
}

impl Settings<EmptyBodies> {
    pub(crate) fn new(origins: Origins) -> Self {
        Self {
            origins,
            elsewhere: Elsewhere::default(),
            own: OwnAuthorization::default(),
            judge: Judge::default(),
            header_name: None,
            throttle: Arc::default(),
            policy: EmptyBodies,
        }
    }
}

impl<P> Settings<P> {
    pub(crate) fn with_policy<Q>(self, policy: Q) -> Settings<Q> {
        let Self { origins, elsewhere, own, judge, header_name, throttle, policy: _ } = self;
        Settings { origins, elsewhere, own, judge, header_name, throttle, policy }
    }

    #[inline(always)]
    pub(crate) fn admit<B>(&self, request: &Request<B>) -> Admission {
        if let Err(reason) = self.origins.check(request) {
            return Admission::Withhold(reason);
        }
        if request.extensions().get::<SkipToken>().is_some() {
            return Admission::Skip;
        }
        Admission::Authorize
    }

    /// Says that a request must not carry the token, unless nobody expects it to carry one.
    pub(crate) fn report_withheld<B>(
        &self,
        request: &Request<B>,
        reason: WithheldReason,
        refused: bool,
        observer: &Observer,
    ) {
        let expected = request.extensions().get::<SkipToken>().is_none();
        if !(refused || expected && !self.leaves_alone(request)) || !observer.sees_debug() {
            return;
        }
        let origin = destination(request, reason);
        if self.throttle.admits((reason, &origin)) {
            observer.emit(&Event::TokenWithheld { reason, origin, refused });
        }
    }

    /// Says that a request was not sent again.
    #[cold]
    pub(crate) fn report_not_replayed(&self, reason: NotReplayedReason, observer: &Observer) {
        if observer.sees_debug() && self.throttle.admits(reason) {
            observer.emit(&Event::NotReplayed { reason });
        }
    }

    /// Whether a request goes out, or is refused, as it came: it need not wait for a token.
    pub(crate) fn leaves_alone<B>(&self, request: &Request<B>) -> bool {
        self.own != OwnAuthorization::Replace && request.headers().contains_key(self.header_name())
    }

    /// The field that carries the token.
    pub(crate) fn header_name(&self) -> &HeaderName {
        self.header_name.as_ref().unwrap_or(&header::AUTHORIZATION)
    }
}

/// Why a request is refused that another field of its own authorizes.
pub(crate) const HAS_OWN: &str = "it carries an authorization field of its own";

/// The error of a request that was not sent.
pub(crate) fn refusal(why: &'static str) -> BoxError {
    Error::new(ErrorKind::Refused).with_detail(why).into()
}

/// How an API's answers are judged. Cloning it writes to no shared cache line, unless the user
/// judges by a closure of theirs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    pub(crate) rejections: Rejections,
    pub(crate) proxy: bool,
}

impl Judge {
    #[inline]
    pub(crate) fn verdict<R>(&self, response: &Response<R>, token: &Token) -> Verdict {
        let field = if self.proxy { header::PROXY_AUTHENTICATE } else { header::WWW_AUTHENTICATE };
        let scheme = token.token_type().scheme();
        classify(response.status(), response.headers(), &field, scheme, &self.rejections)
    }
}

impl<P> fmt::Debug for Settings<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("origins", &self.origins)
            .field("elsewhere", &self.elsewhere)
            .field("own", &self.own)
            .field("judge", &self.judge)
            .field("header_name", &self.header_name)
            .finish_non_exhaustive()
    }
}
