//! The protocol above HTTP, which decides how a response reports a rejected token.

use std::task::Poll;

use http::{Request, Response, StatusCode};

use super::authorized::AuthorizedToken;
use crate::{error::BoxError, sync::Arc};

/// The protocol of a layer: [`Http`], or [`Grpc`](crate::grpc::Grpc). Other types cannot
/// implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a protocol of the layer",
    label = "not `Http` or `Grpc`",
    note = "`Http` is the default; the layer's `grpc()` chooses `Grpc`"
)]
pub trait Protocol: sealed::ProtocolHooks {}

impl<M: sealed::ProtocolHooks> Protocol for M {}

/// Plain HTTP, where a rejected token is a 401. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http;

pub(crate) mod sealed {
    use super::{Arc, AuthorizedToken, BoxError, Poll, Request, Response, StatusCode};

    // The compiler names this trait when the public one is missing.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not a protocol of the layer",
        label = "not `Http` or `Grpc`",
        note = "`Http` is the default; the layer's `grpc()` chooses `Grpc`"
    )]
    pub trait ProtocolHooks {
        /// The body of the response that the caller gets.
        type Body<R>;

        /// A hook for each request that carries a token, before it is sent.
        #[inline(always)]
        fn on_authorized<B>(_: &mut Request<B>, _: &Arc<AuthorizedToken>) {}

        /// The status to classify the response by. A response that reports a rejected token in another
        /// way counts as a 401.
        fn status<R>(response: &Response<R>) -> StatusCode;

        /// The result that the caller gets. `token` is the one that the request was sent with.
        // Takes the whole result, so that plain HTTP need not move the response.
        fn finish<R, E: Into<BoxError>>(
            result: Poll<Result<Response<R>, E>>,
            token: &mut Option<Arc<AuthorizedToken>>,
        ) -> Poll<Result<Response<Self::Body<R>>, BoxError>>;
    }
}

impl sealed::ProtocolHooks for Http {
    type Body<R> = R;

    #[inline(always)]
    fn status<R>(response: &Response<R>) -> StatusCode {
        response.status()
    }

    #[inline(always)]
    fn finish<R, E: Into<BoxError>>(
        result: Poll<Result<Response<R>, E>>,
        _: &mut Option<Arc<AuthorizedToken>>,
    ) -> Poll<Result<Response<R>, BoxError>> {
        result.map_err(Into::into)
    }
}
