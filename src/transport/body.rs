//! The body of a token request.

use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use zeroize::Zeroizing;

/// The form of a token request, in memory.
///
/// The form holds the client's credentials, so `Debug` shows none of it, and the bytes are wiped
/// when the last clone is dropped. It is one frame, of known length.
///
/// # Examples
///
/// A transport that sends the form by other means than the types of the `http` crate:
///
/// ```
/// use tower_oauth2_client_credentials::transport::TokenRequest;
///
/// fn form(request: TokenRequest) -> bytes::Bytes {
///     request.into_body().into_bytes()
/// }
/// ```
#[derive(Clone, Default)]
pub struct TokenRequestBody(Bytes);

impl TokenRequestBody {
    pub(crate) fn from_form(form: Zeroizing<Vec<u8>>) -> Self {
        Self(Bytes::from_owner(form))
    }

    /// The form, `application/x-www-form-urlencoded`, without a copy. `Debug` of the result shows
    /// the credentials.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// For tests of a transport. These bytes are wiped only if their owner does it.
impl From<Bytes> for TokenRequestBody {
    fn from(form: Bytes) -> Self {
        Self(form)
    }
}

impl Body for TokenRequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let form = mem::take(&mut self.0);
        Poll::Ready((!form.is_empty()).then(|| Ok(Frame::data(form))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// Not even the length: it would tell the length of a secret.
impl fmt::Debug for TokenRequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequestBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn the_form_is_one_frame_of_known_length() {
        let mut body = TokenRequestBody::from_form(Zeroizing::new(b"a=b".to_vec()));
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (false, Some(3)));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "a=b");
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (true, Some(0)));
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn an_empty_body_has_no_frame() {
        assert!(TokenRequestBody::default().is_end_stream());
    }
}
