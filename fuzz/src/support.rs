//! Shared by the targets: one runtime, HTTP responses from arbitrary bytes, and the search for secrets.

use std::{cell::RefCell, convert::Infallible};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower_oauth2_client_credentials::{
    Error, Token, TokenSource, event::AcquisitionReason, source::AcquireContext,
};

/// The secret of each client.
pub const SECRET: &str = "c4n4ry-s3cret";

thread_local! {
    // Paused, so that no backoff takes real time.
    // Never dropped: its tasks would use thread-locals that are gone.
    static RUNTIME: &'static Runtime = Box::leak(Box::new(
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime needs no resources"),
    ));
    static ANSWER: RefCell<Response<Full<Bytes>>> = RefCell::default();
}

/// Runs a future in virtual time.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Sets the response of [`answer`].
pub fn set_answer(response: Response<Full<Bytes>>) {
    ANSWER.set(response);
}

/// A server that gives the same response to each request.
pub async fn answer<R>(_: R) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(ANSWER.with_borrow(Clone::clone))
}

/// One acquisition with one attempt, outside of any cache.
pub fn acquire(source: &impl TokenSource) -> Result<Token, Error> {
    let mut context = AcquireContext::new(AcquisitionReason::Missing);
    context.single_attempt = true;
    run(source.acquire(context))
}

/// The first two bytes are the status. Lines `name: value` up to an empty line are header fields,
/// and the rest is the body. Invalid fields are skipped, because a real client would have refused
/// them.
pub fn response(data: &[u8]) -> Option<Response<Full<Bytes>>> {
    let (status, mut rest) = data.split_first_chunk()?;
    let mut response = Response::new(Full::default());
    *response.status_mut() =
        http::StatusCode::from_u16(200 + u16::from_be_bytes(*status) % 400).ok()?;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Some(value)) = (name, field_value(&line[colon + 1..])) {
            response.headers_mut().append(name, value);
        }
    }
    *response.body_mut() = Full::new(Bytes::copy_from_slice(rest));
    Some(response)
}

/// The same, with the secret in place of each NUL after the status.
pub fn response_with_secret(data: &[u8]) -> Option<Response<Full<Bytes>>> {
    let (status, rest) = data.split_first_chunk::<2>()?;
    let parts: Vec<_> = rest.split(|byte| *byte == 0).collect();
    response(&[&status[..], &parts.join(SECRET.as_bytes())].concat())
}

/// A field value as a client of HTTP delivers it, without white space around it.
pub fn field_value(bytes: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(bytes.trim_ascii()).ok()
}

/// P8, P12: an error shows no part of the secret, is short, and is one line.
pub fn check_error(error: &Error) {
    let shown = format!("{error} {error:?}");
    assert!(!leaks(&shown), "{shown}");
    assert!(!shown.contains(['\r', '\n', '\0', '\u{1b}']), "{shown:?}");
    assert!(shown.len() < 4096, "{} bytes", shown.len());
}

/// Whether a text has eight characters of the secret in a row.
pub fn leaks(text: &str) -> bool {
    SECRET.as_bytes().windows(8).any(|part| text.contains(str::from_utf8(part).expect("ASCII")))
}

/// The text, if it is UTF-8, with the secret in place of each `SECRET`.
pub fn with_secret(data: &[u8]) -> Option<String> {
    Some(str::from_utf8(data).ok()?.replace("SECRET", SECRET))
}
