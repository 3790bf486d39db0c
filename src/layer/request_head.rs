//! The head of a request, for a closure that picks a key.

use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri};

/// A request without its body, from which a key is picked.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::layer::RequestHead;
///
/// /// The tenant of a request, for a keyed layer.
/// fn tenant(request: RequestHead<'_>) -> Option<String> {
///     Some(request.headers().get("x-tenant")?.to_str().ok()?.to_owned())
/// }
/// ```
// Without a type parameter, so that a closure need not name the body's type.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The URI. Its origin is one of the layer's origins.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The header fields, without the token.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Values that your code attached to the request. They are not sent.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("method", self.method).finish_non_exhaustive()
    }
}
