//! What a copying body and its replay announce of a size that is known by its bounds only.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::layer::replay::tee::{Slot, Tee};

/// Has at least one byte less than is left, and at most ten more, or no bound.
struct Vague {
    left: VecDeque<&'static [u8]>,
    bounded: bool,
}

impl Vague {
    fn hint(&self) -> (u64, Option<u64>) {
        let left = self.left.iter().map(|data| data.len() as u64).sum::<u64>();
        (left.saturating_sub(1), self.bounded.then_some(left + 10))
    }
}

impl Body for Vague {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.pop_front().map(|data| Ok(Frame::data(Bytes::from_static(data)))))
    }

    fn size_hint(&self) -> SizeHint {
        let (lower, upper) = self.hint();
        let mut hint = SizeHint::new();
        hint.set_lower(lower);
        upper.into_iter().for_each(|upper| hint.set_upper(upper));
        hint
    }
}

fn hint(body: &impl Body) -> (u64, Option<u64>) {
    let hint = body.size_hint();
    (hint.lower(), hint.upper())
}

fn read_frame(body: &mut Tee<Vague>) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap().len(),
        _ => panic!("there is a frame"),
    }
}

#[test]
fn bounds_are_those_of_the_rest_and_what_is_read_is_added_for_the_replay() {
    for bounded in [true, false] {
        let upper = |upper: u64| bounded.then_some(upper);
        let slot = Slot::default();
        let body = Vague { left: [b"one" as &[u8], b"three", b"seventh"].into(), bounded };
        let mut first = Tee::recording(body, 100, &slot);
        assert_eq!(hint(&first), (14, upper(25)));
        assert_eq!((read_frame(&mut first), read_frame(&mut first)), (3, 5));
        assert_eq!(hint(&first), (6, upper(17)));
        drop(first);
        let mut again = Tee::replaying(slot.lock().unwrap().take().unwrap());
        assert_eq!(hint(&again), (14, upper(25)));
        assert!(!again.is_end_stream());
        // Small frames were copied together.
        assert_eq!(read_frame(&mut again), 8);
        assert_eq!(hint(&again), (6, upper(17)));
        assert_eq!(read_frame(&mut again), 7);
        assert_eq!(hint(&again), (0, upper(10)));
    }
}

#[test]
fn bounds_at_the_end_of_the_numbers_do_not_overflow() {
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(u64::MAX)
        }
    }

    let slot = Slot::default();
    let mut first = Tee::recording(Endless, 100, &slot);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(&mut first).poll_frame(&mut cx).is_ready());
    drop(first);
    let again = Tee::replaying(slot.lock().unwrap().take().unwrap());
    assert_eq!(hint(&again), (u64::MAX, None));
}
