//! The replay policy for bodies of reqwest.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::Body as _;
use reqwest::Body;

use super::policy::ReplayPolicy;

/// Sends requests again whose [`reqwest::Body`] is in memory. Streams are not sent again. The bytes
/// are shared and not copied.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{OAuthClientCredentialsLayer, Origins, TokenCache, replay::ReqwestBodies};
///
/// # fn example(tokens: TokenCache) {
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any()).replay(ReqwestBodies);
/// # drop(layer);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ReqwestBodies;

impl ReplayPolicy<Body> for ReqwestBodies {
    type Kept = Bytes;

    fn keep(&self, mut body: Body) -> (Body, Option<Bytes>) {
        match body.as_bytes() {
            None => return (body, None),
            Some([]) => return (body, Some(Bytes::new())),
            Some(_) => {}
        }
        // A body in memory is one frame that is ready at once. Polling is the only way to its `Bytes`.
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) else {
            unreachable!("the bytes were just there");
        };
        let bytes = frame.into_data().expect("a body in memory has no trailers");
        (bytes.clone().into(), Some(bytes))
    }

    fn restore(&self, kept: Bytes) -> Option<Body> {
        Some(kept.into())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[test]
    fn what_is_in_memory_is_shared() {
        let bytes = Bytes::from(vec![b'a'; 100]);
        let (body, kept) = ReqwestBodies.keep(bytes.clone().into());
        assert_eq!(body.as_bytes(), Some(&*bytes));
        assert_eq!(kept.as_ref().map(|kept| kept.as_ptr()), Some(bytes.as_ptr()));
        let again = ReqwestBodies.restore(kept.unwrap()).unwrap();
        assert_eq!(again.as_bytes().map(<[u8]>::as_ptr), Some(bytes.as_ptr()));
    }

    #[test]
    fn nothing_is_something_to_send_again_and_a_stream_is_not() {
        let (body, kept) = ReqwestBodies.keep(Body::default());
        assert_eq!((body.as_bytes(), kept), (Some(&[][..]), Some(Bytes::new())));
        let (body, kept) = ReqwestBodies.keep(Body::wrap(Full::<Bytes>::from("abc")));
        assert!(body.as_bytes().is_none() && kept.is_none());
    }
}
