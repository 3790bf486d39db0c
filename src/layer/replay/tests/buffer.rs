//! The policy that copies a body while it is sent.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{
    BodyExt,
    combinators::{BoxBody, UnsyncBoxBody},
};

use super::{Scripted, Step, data, read, trailers};
use crate::{
    error::BoxError,
    layer::replay::{BufferBodies, Buffered, ReplayPolicy, Tee},
};

type TestBody = UnsyncBoxBody<Bytes, BoxError>;

fn policy(limit: usize) -> BufferBodies<TestBody> {
    BufferBodies::new(limit, |tee| tee.boxed_unsync())
}

fn keep(limit: usize, body: Scripted) -> (TestBody, Option<Buffered<TestBody>>) {
    policy(limit).keep(body.boxed_unsync())
}

fn restore(kept: Option<Buffered<TestBody>>) -> Option<TestBody> {
    policy(0).restore(kept.expect("was kept"))
}

async fn next(body: &mut TestBody) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

#[tokio::test]
async fn a_body_read_to_its_end_is_sent_again_with_its_trailers() {
    for sized in [true, false] {
        let steps = [data("one "), Step::Pending, data(""), data("two"), trailers("sum", "7")];
        let body = if sized { Scripted::sized(steps) } else { Scripted::streaming(steps) };
        let (first, kept) = keep(100, body);
        assert_eq!(first.size_hint().exact(), sized.then_some(7));
        let first = read(first).await.unwrap();
        let again = restore(kept).unwrap();
        assert_eq!(again.size_hint().exact(), Some(7), "known by now");
        assert!(!again.is_end_stream());
        assert_eq!(read(again).await.unwrap(), first);
        assert_eq!(first.0, "one two");
        assert_eq!(first.1.unwrap()["sum"], "7");
    }
}

#[tokio::test]
async fn an_empty_body_stays_at_its_end() {
    let (first, kept) = keep(0, Scripted::sized([]));
    assert!(first.is_end_stream());
    drop(first);
    let again = restore(kept).unwrap();
    assert!(again.is_end_stream());
    assert_eq!(again.size_hint().exact(), Some(0));
    assert_eq!(read(again).await.unwrap(), (String::new(), None));
}

#[tokio::test]
async fn the_limit_is_exact_and_counts_trailers() {
    for (limit, replayed) in [(7, true), (6, false)] {
        let (first, kept) = keep(limit, Scripted::streaming([data("1234"), data("567")]));
        assert_eq!(read(first).await.unwrap().0, "1234567", "sent whole in any case");
        assert_eq!(restore(kept).is_some(), replayed, "limit {limit}");
    }
    for (limit, replayed) in [(8, true), (7, false)] {
        let (first, kept) = keep(limit, Scripted::streaming([data("1234"), trailers("sum", "7")]));
        assert!(read(first).await.unwrap().1.is_some());
        assert_eq!(restore(kept).is_some(), replayed, "limit {limit}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_wrapped() {
    let (first, kept) = keep(6, Scripted::sized([data("1234567")]));
    assert!(kept.is_none());
    assert_eq!(read(first).await.unwrap().0, "1234567");
    assert!(keep(7, Scripted::sized([data("1234567")])).1.is_some());
}

#[tokio::test]
async fn a_body_that_failed_is_not_sent_again() {
    let (first, kept) = keep(100, Scripted::streaming([data("1"), Step::Error, data("2")]));
    assert_eq!(read(first).await.unwrap_err().to_string(), "the disk is gone");
    assert!(restore(kept).is_none());
}

#[tokio::test]
async fn an_error_in_the_rest_reaches_the_second_reader() {
    let (mut first, kept) = keep(100, Scripted::streaming([data("1"), Step::Error]));
    assert_eq!(next(&mut first).await, "1");
    drop(first);
    let mut again = restore(kept).unwrap();
    assert_eq!(next(&mut again).await, "1");
    assert_eq!(read(again).await.unwrap_err().to_string(), "the disk is gone");
}

/// The server answered before it had read the body.
#[tokio::test]
async fn what_was_not_read_follows_what_was() {
    for read_before in 0..=3 {
        for sized in [true, false] {
            let steps = [data("one "), data("two "), data("three"), trailers("sum", "7")];
            let body = if sized { Scripted::sized(steps) } else { Scripted::streaming(steps) };
            let (mut first, kept) = keep(100, body);
            for _ in 0..read_before {
                next(&mut first).await;
            }
            drop(first);
            let again = restore(kept).unwrap();
            assert_eq!(again.size_hint().exact(), sized.then_some(13));
            let (text, trailers) = read(again).await.unwrap();
            assert_eq!(text, "one two three");
            assert_eq!(trailers.unwrap()["sum"], "7");
        }
    }
}

#[tokio::test]
async fn the_limit_is_for_what_was_read_not_for_the_rest() {
    let long = "x".repeat(1000);
    let (mut first, kept) = keep(4, Scripted::streaming([data("1234"), data(&long)]));
    assert_eq!(next(&mut first).await, "1234");
    drop(first);
    assert_eq!(read(restore(kept).unwrap()).await.unwrap().0, format!("1234{long}"));
}

#[tokio::test]
async fn a_body_that_is_still_being_sent_is_not_sent_twice() {
    let (mut first, kept) = keep(100, Scripted::streaming([data("one "), data("two")]));
    assert_eq!(next(&mut first).await, "one ");
    assert!(restore(kept).is_none());
    assert_eq!(read(first).await.unwrap().0, "two", "and the first reader goes on");
}

/// A connection may hold on to a body that it has finished with.
#[tokio::test]
async fn a_finished_body_need_not_be_dropped() {
    let (mut first, kept) = keep(100, Scripted::sized([data("one")]));
    assert_eq!(next(&mut first).await, "one");
    assert!(first.is_end_stream());
    assert_eq!(read(restore(kept).unwrap()).await.unwrap().0, "one");

    let (mut first, kept) = keep(100, Scripted::streaming([data("one")]));
    assert_eq!(next(&mut first).await, "one");
    assert!(first.frame().await.is_none());
    assert_eq!(read(restore(kept).unwrap()).await.unwrap().0, "one");
    assert!(first.is_end_stream() && first.frame().await.is_none());
}

#[tokio::test]
async fn copying_ends_when_nobody_waits_for_the_copy() {
    let large = Bytes::from(vec![b'x'; 10_000]);
    let steps = [Step::Data(large.clone()), data("y"), data("z")];
    let (mut first, kept) = keep(100_000, Scripted::streaming(steps));
    drop(next(&mut first).await);
    assert!(!large.is_unique(), "the copy shares the frame");
    drop(kept);
    assert_eq!(next(&mut first).await, "y");
    assert!(large.is_unique(), "the copy is gone while the body goes on");
    assert_eq!(next(&mut first).await, "z");
}

#[tokio::test]
async fn a_flood_of_tiny_frames_is_copied_into_few() {
    let (pinned, tiny) = (Bytes::from(vec![b'x'; 1 << 20]), 3000);
    let steps = (0..tiny).flat_map(|_| [Step::Data(pinned.slice(..1)), data("")]);
    let (first, kept) = keep(tiny, Scripted::streaming(steps));
    assert_eq!(read(first).await.unwrap().0.len(), tiny);
    assert!(pinned.is_unique(), "a byte of it must not keep a megabyte");
    let mut again = restore(kept).unwrap();
    assert_eq!(next(&mut again).await.len(), tiny, "one frame");
    assert!(again.frame().await.is_none());
}

#[tokio::test]
async fn frames_keep_their_order_whatever_their_sizes() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut text = String::new();
        let steps: Vec<Step> = (0..rng.usize(..12))
            .map(|index| {
                let size = [0, 1, 100, 4095, 4096, 9000][rng.usize(..6)];
                let part = char::from(b'a' + index as u8).to_string().repeat(size);
                text.push_str(&part);
                data(&part)
            })
            .collect();
        let reads = rng.usize(..=steps.len());
        let body = if rng.bool() { Scripted::sized(steps) } else { Scripted::streaming(steps) };
        let (mut first, kept) = keep(1 << 20, body);
        for _ in 0..reads {
            next(&mut first).await;
        }
        drop(first);
        let again = restore(kept).unwrap();
        assert!(read(again).await.unwrap().0 == text, "seed {seed}");
    }
}

#[tokio::test]
async fn a_frame_after_trailers_is_passed_on_but_not_replayed() {
    let steps = [trailers("a", "1"), trailers("b", "2")];
    let (first, kept) = keep(100, Scripted::streaming(steps));
    assert_eq!(read(first).await.unwrap().1.unwrap()["b"], "2");
    assert!(restore(kept).is_none());
}

/// Data other than `Bytes`, and a client whose bodies must be `Sync`.
#[tokio::test]
async fn other_buffers_and_other_boxes() {
    type SyncBody = BoxBody<Bytes, BoxError>;
    fn assert_auto_traits<T: Send + Sync>(_: &T) {}

    let policy = BufferBodies::<SyncBody>::new(10, |tee: Tee<SyncBody>| {
        assert_auto_traits(&tee);
        tee.boxed()
    });
    let (first, kept) = policy.keep(Scripted::streaming([data("one")]).boxed());
    assert_auto_traits(&kept);
    assert_eq!(read(first).await.unwrap().0, "one");
    assert_eq!(read(policy.restore(kept.unwrap()).unwrap()).await.unwrap().0, "one");

    enum Chained {
        Plain(http_body_util::Full<bytes::buf::Chain<&'static [u8], &'static [u8]>>),
        Copying(Box<Tee<Chained>>),
    }
    impl Body for Chained {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            match &mut *self {
                Self::Copying(tee) => std::pin::Pin::new(tee).poll_frame(cx),
                Self::Plain(full) => std::pin::Pin::new(full).poll_frame(cx).map_ok(|frame| {
                    frame.map_data(|mut data| bytes::Buf::copy_to_bytes(&mut data, 6))
                }),
            }
        }
    }
    let policy = BufferBodies::new(10, |tee| Chained::Copying(Box::new(tee)));
    let chain = bytes::Buf::chain(&b"one"[..], &b"two"[..]);
    let (first, kept) = policy.keep(Chained::Plain(http_body_util::Full::new(chain)));
    assert_eq!(read(first).await.unwrap().0, "onetwo");
    assert_eq!(read(policy.restore(kept.unwrap()).unwrap()).await.unwrap().0, "onetwo");
}

/// The first reader is dropped by the connection's thread while the replay asks: it is replayed
/// or not, but no byte is lost or doubled.
#[tokio::test]
async fn hand_over_and_restore_may_race() {
    for _ in 0..200 {
        let (mut first, kept) = keep(100, Scripted::streaming([data("one "), data("two")]));
        next(&mut first).await;
        let connection = std::thread::spawn(move || drop(first));
        if let Some(again) = restore(kept) {
            assert_eq!(read(again).await.unwrap().0, "one two");
        }
        connection.join().unwrap();
    }
}
