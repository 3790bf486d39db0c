//! Streaming bodies, copied while they are sent.

use std::fmt;

use http_body::Body;

use super::{
    policy::ReplayPolicy,
    tee::{Slot, Tee},
};
use crate::sync::lock;

/// Copies streaming bodies while they are sent, up to a limit, and sends them again from the copy.
///
/// A server may send a 401 before it has read the whole body. The replay then sends the part that
/// was read from the copy, and the rest from the body itself.
///
/// A request is not sent again if its body is above the limit, failed, or is still being sent.
/// A body that announces a size above the limit is not copied at all. A copied body costs two
/// allocations, and the bytes of its small frames twice.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
/// use tower_oauth2_client_credentials::{BoxError, replay::BufferBodies};
///
/// type ApiBody = UnsyncBoxBody<Bytes, BoxError>;
/// let policy = BufferBodies::<ApiBody>::new(64 * 1024, |tee| tee.boxed_unsync());
/// # drop(policy);
/// ```
pub struct BufferBodies<B> {
    limit: usize,
    wrap: fn(Tee<B>) -> B,
}

impl<B> BufferBodies<B> {
    /// Keeps up to `limit` bytes of a body, trailers included. `wrap` turns the wrapper
    /// that records the bytes, a [`Tee`], into the client's body type.
    pub fn new(limit: usize, wrap: fn(Tee<B>) -> B) -> Self {
        Self { limit, wrap }
    }
}

impl<B: Body> ReplayPolicy<B> for BufferBodies<B> {
    type Kept = Buffered<B>;

    fn keep(&self, body: B) -> (B, Option<Buffered<B>>) {
        if body.size_hint().lower() > self.limit as u64 {
            return (body, None);
        }
        let slot = Slot::default();
        let tee = Tee::recording(body, self.limit, &slot);
        ((self.wrap)(tee), Some(Buffered { slot }))
    }

    fn restore(&self, kept: Buffered<B>) -> Option<B> {
        let record = lock(&kept.slot).take()?;
        Some((self.wrap)(Tee::replaying(record)))
    }
}

impl<B> Clone for BufferBodies<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for BufferBodies<B> {}

impl<B> fmt::Debug for BufferBodies<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferBodies").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The state that [`BufferBodies`] keeps of a body while its request is in flight. Dropping it ends
/// the copying.
pub struct Buffered<B> {
    slot: Slot<B>,
}

impl<B> fmt::Debug for Buffered<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered").finish_non_exhaustive()
    }
}
