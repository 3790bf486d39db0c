//! Reads a response's body, up to a cap.

use std::error::Error as StdError;

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError};
use zeroize::Zeroizing;

use crate::error::BoxError;

/// The body is not complete.
#[derive(Debug)]
pub(super) enum BodyError {
    TooLarge,
    Broken(BoxError),
}

/// Collects a body into one buffer, which is wiped because it contains the token. An announced length
/// above the cap is an error at once. A smaller one reserves no memory.
pub(super) async fn read<B>(mut body: B, cap: usize) -> Result<Zeroizing<Vec<u8>>, BodyError>
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
{
    if body.size_hint().lower() > cap as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        // Trailers are ignored.
        let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
        if data.len() > cap - bytes.len() {
            return Err(BodyError::TooLarge);
        }
        append(&mut bytes, &data, cap);
    }
    Ok(bytes)
}

/// `extend_from_slice` that wipes the old buffer when a larger one takes its place.
fn append(bytes: &mut Zeroizing<Vec<u8>>, data: &[u8], cap: usize) {
    let needed = bytes.len() + data.len();
    if needed > bytes.capacity() {
        let room = (2 * needed).clamp(4096.min(cap), cap);
        let mut larger = Zeroizing::new(Vec::with_capacity(room));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(data);
}

/// A transport may have a smaller cap.
fn incomplete(error: BoxError) -> BodyError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&*error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return BodyError::TooLarge;
        }
        cause = error.source();
    }
    BodyError::Broken(error)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use http_body::Frame;
    use http_body_util::{Full, Limited};

    use super::*;

    fn full(len: usize) -> impl Body<Data = Bytes, Error = BoxError> + Unpin {
        Full::new(Bytes::from(vec![b'a'; len])).map_err(BoxError::from)
    }

    /// A body of unknown length.
    fn pieces(count: usize) -> impl Body<Data = Bytes, Error = BoxError> + Unpin {
        struct Pieces(usize);
        impl Body for Pieces {
            type Data = Bytes;
            type Error = BoxError;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
                let left = self.0.checked_sub(1);
                Poll::Ready(left.map(|left| {
                    self.0 = left;
                    Ok(Frame::data(Bytes::from_static(b"abc")))
                }))
            }
        }
        Pieces(count)
    }

    #[tokio::test]
    async fn the_cap_is_exact() {
        assert_eq!(read(full(100), 100).await.unwrap().len(), 100);
        assert!(matches!(read(full(101), 100).await, Err(BodyError::TooLarge)));
        assert_eq!(read(pieces(33), 99).await.unwrap().len(), 99);
        assert!(matches!(read(pieces(34), 99).await, Err(BodyError::TooLarge)));
        assert!(matches!(read(pieces(usize::MAX), 9999).await, Err(BodyError::TooLarge)));
    }

    #[tokio::test]
    async fn small_pieces_come_together_and_the_buffer_stays_below_the_cap() {
        let bytes = read(pieces(3000), 9000).await.unwrap();
        assert_eq!(bytes.as_slice(), "abc".repeat(3000).as_bytes());
        assert!(bytes.capacity() <= 9000);
    }

    #[tokio::test]
    async fn a_transports_own_cap_is_the_same_error() {
        let limited = Limited::new(pieces(100), 10);
        assert!(matches!(read(limited, 1000).await, Err(BodyError::TooLarge)));
    }
}
