//! Token requests and their responses.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use super::body::TokenRequestBody;
use crate::error::BoxError;

/// A token request: a form POST whose body is in memory.
///
/// `Debug` shows neither the form nor header values with credentials, which are marked sensitive. It
/// shows the URI with its query, because it is the `Debug` of [`http::Request`]. If your token URL has
/// a key in its query, log parts of the request instead.
///
/// # Examples
///
/// A transport that logs where requests are sent:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use tower_oauth2_client_credentials::{BoxError, ClientCredentials, transport::TokenRequest};
///
/// let transport = tower::service_fn(|request: TokenRequest| async move {
///     println!("{} {}", request.method(), request.uri().path());
///     Ok::<_, BoxError>(http::Response::new(Full::<Bytes>::from(r#"{"access_token":"abc"}"#)))
/// });
/// let source = ClientCredentials::builder("https://idp.example.com/token?key=s3cret")
///     .client_secret_basic("my-service", "s3cret")
///     .transport(transport)
///     .build()?;
/// # let _ = source;
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
pub type TokenRequest = http::Request<TokenRequestBody>;

/// A request extension: send the request on a new connection, if the transport can do that.
#[derive(Clone)]
pub(crate) struct FreshConnection;

pub(crate) type TokenResponse = http::Response<UnsyncBoxBody<Bytes, BoxError>>;
