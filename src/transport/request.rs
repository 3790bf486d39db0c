//! Token requests and their responses.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use super::body::TokenRequestBody;
use crate::error::BoxError;

/// A token request: a form POST whose body is in memory.
///
/// `Debug` shows no credentials: the body hides its form, and header values with credentials are
/// marked sensitive.
pub type TokenRequest = http::Request<TokenRequestBody>;

/// A request extension: send the request on a new connection, if the transport can do that.
#[derive(Clone)]
pub(crate) struct FreshConnection;

pub(crate) type TokenResponse = http::Response<UnsyncBoxBody<Bytes, BoxError>>;
