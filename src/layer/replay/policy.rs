//! The trait of replay policies, and the policies without settings.

use std::convert::Infallible;

use http_body::Body;

/// Selects the bodies that can be sent again, and keeps them.
///
/// [`EmptyBodies`] is the default. [`NoReplay`], [`CloneBodies`], [`BufferBodies`](super::BufferBodies)
/// and any closure `Fn(&B) -> Option<B>` are policies too. If a body cannot be sent again, the
/// caller gets the API's response unchanged, and an
/// [`EventKind::NotReplayed`](crate::event::EventKind::NotReplayed) says why. The token is still replaced for later
/// requests.
///
/// # Examples
///
/// ```
/// use http_body_util::Full;
/// use tower_oauth2_client_credentials::replay::ReplayPolicy;
///
/// // Bodies up to 1 MiB; larger ones are not worth a second copy on the wire.
/// let small = |body: &Full<&'static [u8]>| {
///     let size = http_body::Body::size_hint(body).exact()?;
///     (size <= 1024 * 1024).then(|| body.clone())
/// };
/// let (first, kept) = small.keep(Full::new(&b"hello"[..]));
/// let second = small.restore(kept.unwrap());
/// # drop((first, second));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot replay bodies of type `{B}`",
    label = "not a replay policy for `{B}`",
    note = "`EmptyBodies`, the default, needs `{B}: Body + Default`, and `CloneBodies` needs `{B}: Clone`",
    note = "for other bodies choose a policy of the layer: `.replay(NoReplay)`, `.replay(BufferBodies::new(…))`, or a closure `Fn(&{B}) -> Option<{B}>`"
)]
pub trait ReplayPolicy<B>: Clone {
    /// The state that is kept of a body while its request is in flight.
    type Kept;

    /// Whether any body is ever sent again. If it is `false` no method is called.
    const REPLAYS: bool = true;

    /// Takes the body that is about to be sent. Returns the body to send instead, and the state to
    /// send it again. The state is `None` if the body cannot be sent again.
    fn keep(&self, body: B) -> (B, Option<Self::Kept>);

    /// Returns the body to send again. It is called when another token, or a nonce, is available,
    /// after the future of the first attempt was dropped. If it returns `None`, the body cannot be
    /// restored, and the caller gets the API's response.
    fn restore(&self, kept: Self::Kept) -> Option<B>;
}

/// After a rejection, sends a request with an empty body again. The default.
///
/// A body is empty if its [`Body::is_end_stream`] is `true` before the request is sent. A size of
/// zero is not enough, because trailers may follow. Most requests that meet a revoked token have
/// an empty body: reads and long polls.
///
/// `B::default()` has to be an empty body, as it is for the body types of http-body-util, axum
/// and reqwest. If it is not empty the request is not sent again.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{OAuthClientCredentialsLayer, Origins, TokenCache, replay::EmptyBodies};
///
/// # fn example(tokens: TokenCache) {
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any()).replay(EmptyBodies);
/// # drop(layer);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyBodies;

/// Never sends a request again, for any body type.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{OAuthClientCredentialsLayer, Origins, TokenCache, replay::NoReplay};
///
/// # fn example(tokens: TokenCache) {
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any()).replay(NoReplay);
/// # drop(layer);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplay;

/// After a rejection, sends any request again, with a clone of its body from before the first attempt.
/// Use it for bodies that are cheap to clone, such as `Full<Bytes>`.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{OAuthClientCredentialsLayer, Origins, TokenCache, replay::CloneBodies};
///
/// # fn example(tokens: TokenCache) {
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any()).replay(CloneBodies);
/// # drop(layer);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneBodies;

fn is_empty(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

impl<B: Body + Default> ReplayPolicy<B> for EmptyBodies {
    type Kept = ();

    #[inline]
    fn keep(&self, body: B) -> (B, Option<()>) {
        // A size of zero is not enough: trailers may follow a body without data.
        let kept = body.is_end_stream().then_some(());
        (body, kept)
    }

    fn restore(&self, (): ()) -> Option<B> {
        Some(B::default()).filter(is_empty)
    }
}

impl<B> ReplayPolicy<B> for NoReplay {
    type Kept = Infallible;

    const REPLAYS: bool = false;

    #[inline]
    fn keep(&self, body: B) -> (B, Option<Infallible>) {
        (body, None)
    }

    fn restore(&self, kept: Infallible) -> Option<B> {
        match kept {}
    }
}

impl<B: Clone> ReplayPolicy<B> for CloneBodies {
    type Kept = B;

    #[inline]
    fn keep(&self, body: B) -> (B, Option<B>) {
        let kept = body.clone();
        (body, Some(kept))
    }

    fn restore(&self, kept: B) -> Option<B> {
        Some(kept)
    }
}

/// The closure returns the body for the replay.
impl<B, F> ReplayPolicy<B> for F
where
    F: Fn(&B) -> Option<B> + Clone,
{
    type Kept = B;

    #[inline]
    fn keep(&self, body: B) -> (B, Option<B>) {
        let kept = self(&body);
        (body, kept)
    }

    fn restore(&self, kept: B) -> Option<B> {
        Some(kept)
    }
}
