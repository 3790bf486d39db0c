//! Which bodies can be sent again after a token was rejected. A policy is a type parameter of
//! the layer, so that what is not wanted costs nothing.

mod buffer;
#[cfg(feature = "reqwest")]
mod reqwest;
mod tee;
#[cfg(test)]
mod tests;

use std::convert::Infallible;

use http_body::Body;

pub use buffer::{BufferBodies, Buffered};
#[cfg(feature = "reqwest")]
pub use reqwest::ReqwestBodies;
pub use tee::Tee;

/// Which bodies can be sent again, and how.
///
/// [`EmptyBodies`] is the default; [`Never`], [`CloneBodies`], [`BufferBodies`] and any closure
/// `Fn(&B) -> Option<B>` are policies too. A request whose body can't be sent again gets the
/// API's answer back as it was, and an [`Event::NotReplayed`](crate::Event::NotReplayed) says why.
/// The token is replaced for the requests that follow.
///
/// # Examples
///
/// ```
/// use http_body_util::Full;
/// use tower_oauth2_client_credentials::ReplayPolicy;
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
pub trait ReplayPolicy<B>: Clone {
    /// What is kept of a body while its request is under way.
    type Kept;

    /// Whether any body is ever sent again. Where it is `false` nothing else here is called.
    const REPLAYS: bool = true;

    /// Takes the body that is about to be sent. Returns the one to send instead, and what is
    /// kept to send it again; nothing, if it can't be.
    fn keep(&self, body: B) -> (B, Option<Self::Kept>);

    /// The body to send again. Called when another token, or a nonce, is at hand, after the first request's
    /// future was dropped. `None` if the body could not be kept after all: the API's answer is
    /// handed back then.
    fn restore(&self, kept: Self::Kept) -> Option<B>;
}

/// Requests with an empty body are sent again; the default. It costs two calls on the body and
/// covers what most often meets a revoked token: reads, and long polls.
///
/// `B::default()` has to be an empty body, as it is for the body types of http-body-util, axum
/// and reqwest; if it is not, the request isn't sent again.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyBodies;

/// No request is sent again, for any body type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

/// Every request is sent again with a clone of its body, made before it was sent: for bodies
/// that are cheap to clone, such as `Full<Bytes>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneBodies;

fn is_empty(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

impl<B: Body + Default> ReplayPolicy<B> for EmptyBodies {
    type Kept = ();

    #[inline]
    fn keep(&self, body: B) -> (B, Option<()>) {
        // Not by its size: trailers may follow no data.
        let kept = body.is_end_stream().then_some(());
        (body, kept)
    }

    fn restore(&self, (): ()) -> Option<B> {
        Some(B::default()).filter(is_empty)
    }
}

impl<B> ReplayPolicy<B> for Never {
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

/// What the closure returns is kept, and sent if need be.
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
