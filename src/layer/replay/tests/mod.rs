mod buffer;
mod hints;
mod whole;

use std::{
    collections::VecDeque,
    marker::PhantomPinned,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::error::BoxError;

pin_project_lite::pin_project! {
    /// A body that follows a script, and notices when it is moved after it was polled.
    pub(super) struct Scripted {
        steps: VecDeque<Step>,
        sized: bool,
        polled_at: Option<usize>,
        #[pin]
        pinned: PhantomPinned,
    }
}

pub(super) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    Pending,
}

pub(super) fn data(text: &str) -> Step {
    Step::Data(Bytes::copy_from_slice(text.as_bytes()))
}

pub(super) fn trailers(name: &'static str, value: &'static str) -> Step {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static(value));
    Step::Trailers(trailers)
}

impl Scripted {
    /// Announces its size, and that it has ended.
    pub(super) fn sized(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, sized: true, polled_at: None, pinned: PhantomPinned }
    }

    /// Announces nothing: only `None` says that it has ended.
    pub(super) fn streaming(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, sized: false, polled_at: None, pinned: PhantomPinned }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let address = std::ptr::from_ref(&*self).addr();
        let this = self.project();
        assert_eq!(*this.polled_at.get_or_insert(address), address, "moved after it was pinned");
        Poll::Ready(match this.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Error) => Some(Err("the disk is gone".into())),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.sized {
            return SizeHint::new();
        }
        let sizes = self.steps.iter().map(|step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        });
        SizeHint::with_exact(sizes.sum())
    }
}

/// Reads a body to its end; its text, and its trailers. Checks at each frame that the announced
/// sizes and ends come true.
pub(super) async fn read<B>(mut body: B) -> Result<(String, Option<HeaderMap>), B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = body.size_hint();
    let (mut text, mut trailers) = (String::new(), None);
    loop {
        let (ended, exact) = (body.is_end_stream(), body.size_hint().exact());
        let Some(frame) = body.frame().await.transpose()? else { break };
        assert!(!ended, "a frame after the announced end");
        match frame.into_data() {
            Ok(data) => {
                text.push_str(str::from_utf8(&data).unwrap());
                let left = body.size_hint().exact();
                assert_eq!(left, exact.map(|exact| exact - data.len() as u64));
            }
            Err(frame) => trailers = Some(frame.into_trailers().unwrap()),
        }
    }
    assert!(body.frame().await.transpose()?.is_none(), "fused");
    assert!(announced.lower() <= text.len() as u64);
    assert!(announced.upper().is_none_or(|upper| upper >= text.len() as u64));
    Ok((text, trailers))
}
