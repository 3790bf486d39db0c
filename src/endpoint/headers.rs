//! Header fields of requests to the authorization server.

use http::{HeaderMap, HeaderValue, header};

/// Header fields of token requests and of requests for metadata.
///
/// A compressed response could be a decompression bomb and saves little. Without `Accept-Encoding`
/// a server may choose any coding (RFC 9110 §12.5.3), so the field says `identity`.
pub(super) fn common_headers() -> HeaderMap {
    const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    headers
}
