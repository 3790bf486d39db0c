//! A body that copies the frames that are read from it.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::sync::{Arc, Mutex, Weak, lock};

/// Frames below this size are copied together: a stream of tiny frames would otherwise cost a
/// multiple of its bytes, and a slice of one byte may hold on to a large buffer.
const SMALL_FRAME_BYTES: usize = 4096;

/// The body that [`BufferBodies`](super::BufferBodies) sends.
///
/// The first `Tee` reads the caller's body and copies its frames. When it is read to its end, or
/// dropped, it puts the copy and the rest of the body into a slot. The second `Tee` sends the copy
/// and then the rest, and copies nothing. If the first one is still alive when the replay begins,
/// the slot is empty and there is no replay.
pub struct Tee<B> {
    /// The frames that the first `Tee` copied. They are sent before `rest`.
    replayed: CopiedFrames,
    /// Boxed, so that it can move into another `Tee` after it has been polled.
    rest: Option<Pin<Box<B>>>,
    recording: Option<Recording<B>>,
}

struct Recording<B> {
    copied: CopiedFrames,
    /// How many more bytes may be copied.
    remaining: usize,
    /// `Weak`: empty once the request can no longer be sent again.
    slot: Weak<Mutex<Option<RecordedBody<B>>>>,
}

/// Where the first [`Tee`] puts the body for the second. The lock is held only to move it.
pub(super) type Slot<B> = Arc<Mutex<Option<RecordedBody<B>>>>;

/// A whole body: the frames that were read, and the rest.
pub(super) struct RecordedBody<B> {
    copied: CopiedFrames,
    rest: Option<Pin<Box<B>>>,
}

#[derive(Default)]
struct CopiedFrames {
    data: VecDeque<Chunk>,
    data_bytes: u64,
    trailers: Option<HeaderMap>,
}

enum Chunk {
    Small(BytesMut),
    Shared(Bytes),
}

impl<B> Tee<B> {
    pub(super) fn recording(body: B, limit: usize, slot: &Slot<B>) -> Self {
        let slot = Arc::downgrade(slot);
        Self {
            replayed: CopiedFrames::default(),
            rest: Some(Box::pin(body)),
            recording: Some(Recording { copied: CopiedFrames::default(), remaining: limit, slot }),
        }
    }

    pub(super) fn replaying(record: RecordedBody<B>) -> Self {
        Self { replayed: record.copied, rest: record.rest, recording: None }
    }

    fn record(&mut self, frame: &Frame<Bytes>) {
        let Some(recording) = &mut self.recording else { return };
        if recording.slot.strong_count() == 0 || recording.push(frame).is_none() {
            self.recording = None;
        }
    }

    /// Puts the copy and the rest into the slot, if a replay may come.
    fn store_record(&mut self) {
        let Some(Recording { copied, slot, .. }) = self.recording.take() else { return };
        if let Some(slot) = slot.upgrade() {
            let record = RecordedBody { copied, rest: self.rest.take() };
            *lock(&slot) = Some(record);
        }
    }
}

impl<B> Recording<B> {
    /// Copies a frame. Returns `None` if the body cannot be replayed.
    fn push(&mut self, frame: &Frame<Bytes>) -> Option<()> {
        if self.copied.trailers.is_some() {
            // A frame after trailers is invalid, and cannot be recorded.
            return None;
        }
        if let Some(data) = frame.data_ref() {
            self.remaining = self.remaining.checked_sub(data.len())?;
            self.copied.push(data);
        } else if let Some(trailers) = frame.trailers_ref() {
            let size = trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            self.remaining = self.remaining.checked_sub(size)?;
            self.copied.trailers = Some(trailers.clone());
        } else {
            // `http-body` may add further kinds of frames.
            return None;
        }
        Some(())
    }
}

impl CopiedFrames {
    fn push(&mut self, data: &Bytes) {
        self.data_bytes += data.len() as u64;
        match self.data.back_mut() {
            _ if data.is_empty() => {}
            _ if data.len() >= SMALL_FRAME_BYTES => {
                self.data.push_back(Chunk::Shared(data.clone()));
            }
            Some(Chunk::Small(last)) => last.extend_from_slice(data),
            _ => self.data.push_back(Chunk::Small(BytesMut::from(&data[..]))),
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let data = match self.data.pop_front()? {
            Chunk::Small(data) => data.freeze(),
            Chunk::Shared(data) => data,
        };
        self.data_bytes -= data.len() as u64;
        Some(data)
    }
}

impl<B: Body> Body for Tee<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if let Some(data) = this.replayed.pop() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = this.replayed.trailers.take() {
            // Nothing comes after trailers.
            this.rest = None;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        match ready!(rest.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                this.record(&frame);
                // A reader that calls `is_end_stream` does not poll for the end.
                if this.rest.as_ref().is_some_and(|rest| rest.is_end_stream()) {
                    this.store_record();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.recording = None;
                this.rest = None;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.rest = None;
                this.store_record();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.replayed.data.is_empty()
            && self.replayed.trailers.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) =
            rest.upper().and_then(|upper| upper.checked_add(self.replayed.data_bytes))
        {
            hint.set_upper(upper);
        }
        hint.set_lower(rest.lower().saturating_add(self.replayed.data_bytes));
        hint
    }
}

impl<B> Drop for Tee<B> {
    fn drop(&mut self) {
        self.store_record();
    }
}

impl<B> fmt::Debug for Tee<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tee").field("recording", &self.recording.is_some()).finish_non_exhaustive()
    }
}
