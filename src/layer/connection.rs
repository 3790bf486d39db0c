//! What an error of the inner service says about the connection that a request was sent on.

use std::{error::Error, io};

/// What an error says about a request. Later variants are more specific, and win over earlier ones in
/// a chain of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// Something other than a lost connection, such as a timeout.
    Other,
    /// The connection was lost. The server may have acted on the request.
    Lost,
    /// The server did not get the request.
    NotSent,
}

impl Failure {
    /// Reads an error and its sources. Errors of clients that this crate is not built with count
    /// as [`Other`](Self::Other), apart from the I/O errors in them.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut strongest = Self::Other;
        let mut next = Some(error);
        while let Some(error) = next {
            strongest = strongest.max(Self::of_one(error));
            next = error.source();
        }
        strongest
    }

    fn of_one(error: &(dyn Error + 'static)) -> Self {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Self::of_io(error);
        }
        #[cfg(feature = "hyper-transport")]
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return if error.is_connect() { Self::NotSent } else { Self::Other };
        }
        #[cfg(any(feature = "hyper-transport", feature = "testing"))]
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return match error {
                error if error.is_canceled() => Self::NotSent,
                error if error.is_timeout() || error.is_user() || error.is_parse() => Self::Other,
                _ => Self::Lost,
            };
        }
        #[cfg(feature = "reqwest-middleware")]
        if let Some(reqwest_middleware::Error::Reqwest(error)) = error.downcast_ref() {
            // Its `source` skips the `reqwest::Error` in it, so that one is read here.
            return Self::of_one(error);
        }
        #[cfg(feature = "reqwest")]
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            return match error {
                error if error.is_connect() => Self::NotSent,
                error if error.is_request() && !error.is_timeout() => Self::Lost,
                _ => Self::Other,
            };
        }
        Self::Other
    }

    fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::ConnectionRefused => Self::NotSent,
            K::ConnectionReset
            | K::ConnectionAborted
            | K::BrokenPipe
            | K::NotConnected
            | K::UnexpectedEof => Self::Lost,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BoxError;

    #[derive(Debug)]
    struct Wrapped(BoxError);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    /// The error of hyper for a request with this body, answered with these bytes.
    #[cfg(feature = "hyper-transport")]
    async fn hyper_error<B>(body: B, answer: &'static [u8]) -> hyper::Error
    where
        B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (client, mut server) = tokio::io::duplex(1024);
        let io = hyper_util::rt::TokioIo::new(client);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        tokio::spawn(async move {
            // Bytes before the request are another error.
            server.read_u8().await.unwrap();
            server.write_all(answer).await.unwrap();
            while server.read_u8().await.is_ok() {}
        });
        // A GET of unknown length would be sent without its body.
        sender.send_request(http::Request::post("/").body(body).unwrap()).await.unwrap_err()
    }

    #[cfg(feature = "hyper-transport")]
    #[tokio::test]
    async fn a_malformed_answer_and_a_failed_body_are_not_lost_connections() {
        let empty = http_body_util::Empty::<bytes::Bytes>::new();
        let malformed = hyper_error(empty, b"this is not HTTP\r\n\r\n").await;
        assert!(malformed.is_parse());
        assert_eq!(Failure::of(&malformed), Failure::Other);
        let frames = futures_of([Err::<http_body::Frame<bytes::Bytes>, _>("no more data")]);
        let failed = hyper_error(http_body_util::StreamBody::new(frames), b"").await;
        assert!(failed.is_user());
        assert_eq!(Failure::of(&failed), Failure::Other);
    }

    #[cfg(feature = "hyper-transport")]
    use tokio_stream::iter as futures_of;

    #[test]
    fn io_errors_are_found_behind_others() {
        for (kind, expected) in [
            (io::ErrorKind::ConnectionReset, Failure::Lost),
            (io::ErrorKind::BrokenPipe, Failure::Lost),
            (io::ErrorKind::UnexpectedEof, Failure::Lost),
            (io::ErrorKind::ConnectionRefused, Failure::NotSent),
            (io::ErrorKind::TimedOut, Failure::Other),
            (io::ErrorKind::InvalidData, Failure::Other),
        ] {
            let error = Wrapped(Wrapped(io::Error::from(kind).into()).into());
            assert_eq!(Failure::of(&error), expected, "{kind}");
        }
        assert_eq!(Failure::of(&Wrapped("connection reset".into())), Failure::Other);
    }
}
