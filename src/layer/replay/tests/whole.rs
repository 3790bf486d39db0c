//! The policies that decide about a body as a whole.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use super::{Scripted, data, read};
use crate::layer::replay::{CloneBodies, EmptyBodies, NoReplay, ReplayPolicy};

fn full(text: &'static str) -> Full<Bytes> {
    Full::new(Bytes::from_static(text.as_bytes()))
}

/// The trait as the layer uses it: with `B` known and the policy not.
fn kept<B, P: ReplayPolicy<B>>(policy: &P, body: B) -> (B, Option<B>) {
    let (body, kept) = policy.keep(body);
    (body, kept.and_then(|kept| policy.restore(kept)))
}

#[tokio::test]
async fn empty_bodies_are_replayed_and_others_are_not() {
    let (first, second) = kept(&EmptyBodies, full(""));
    assert_eq!(read(first).await.unwrap().0, "");
    assert_eq!(read(second.unwrap()).await.unwrap().0, "");
    assert!(kept(&EmptyBodies, Empty::<Bytes>::new()).1.is_some());
    assert!(kept(&EmptyBodies, UnsyncBoxBody::<Bytes, Infallible>::default()).1.is_some());
    assert!(kept(&EmptyBodies, String::new()).1.is_some());

    let (first, second) = kept(&EmptyBodies, full("hello"));
    assert_eq!(read(first).await.unwrap().0, "hello");
    assert!(second.is_none());
    let streaming = Scripted::streaming([data("x")]).boxed_unsync();
    assert!(kept(&EmptyBodies, streaming).1.is_none());
}

#[test]
fn a_default_that_is_not_empty_is_not_sent() {
    struct Hello(Full<Bytes>);
    impl Default for Hello {
        fn default() -> Self {
            Self(full("hello"))
        }
    }
    impl http_body::Body for Hello {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(cx)
        }
        fn is_end_stream(&self) -> bool {
            self.0.is_end_stream()
        }
    }
    assert!(kept(&EmptyBodies, Hello(full(""))).1.is_none());
}

#[tokio::test]
async fn never_takes_any_type_and_replays_none() {
    struct NoBodyAtAll;
    assert!(kept(&NoReplay, NoBodyAtAll).1.is_none());
    const { assert!(!<NoReplay as ReplayPolicy<NoBodyAtAll>>::REPLAYS) };
    const { assert!(<EmptyBodies as ReplayPolicy<String>>::REPLAYS) };
    assert_eq!(read(kept(&NoReplay, full("hello")).0).await.unwrap().0, "hello");
}

#[tokio::test]
async fn clone_bodies_replays_a_clone() {
    let (first, second) = kept(&CloneBodies, full("hello"));
    assert_eq!(read(first).await.unwrap().0, "hello");
    assert_eq!(read(second.unwrap()).await.unwrap().0, "hello");
}

#[tokio::test]
async fn a_closure_decides_for_each_body() {
    let short = |body: &String| (body.len() < 4).then(|| format!("{body} again"));
    let (first, second) = kept(&short, "abc".to_owned());
    assert_eq!((&*first, second.as_deref()), ("abc", Some("abc again")));
    assert_eq!(kept(&short, "abcd".to_owned()), ("abcd".to_owned(), None));
}
