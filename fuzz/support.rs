//! Shared by the fuzz targets: an HTTP response from arbitrary bytes, and a clock that advances by
//! itself.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;

/// The first two bytes are the status. Lines `name: value` up to an empty line are header fields,
/// and the rest is the body. Invalid fields are skipped, because a real client would have refused
/// them.
pub fn response(data: &[u8]) -> Option<Response<Full<Bytes>>> {
    let (status, rest) = data.split_at_checked(2)?;
    let status = 200 + u16::from_be_bytes([status[0], status[1]]) % 400;
    let mut response = Response::builder().status(status).body(Full::default()).ok()?;
    let mut rest = rest;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
        {
            response.headers_mut().append(name, value);
        }
    }
    *response.body_mut() = Full::new(Bytes::copy_from_slice(rest));
    Some(response)
}

/// Runs a future in virtual time, so that no backoff takes real time.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(future)
}
