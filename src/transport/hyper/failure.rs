//! What went wrong with a request of the default transport, as text that is safe to log.

use std::{error::Error as StdError, fmt};

use http::Uri;
use hyper_util::client::legacy;

use super::connect::ConnectError;
use crate::{error::BoxError, transport::explain::explain};

/// A failed exchange.
///
/// The chain of causes becomes text, and is dropped for token requests. Its links hold raw text of the
/// peer without a bound, such as HTTP/2 debug data or the names in a certificate.
pub(in crate::transport) struct Failure {
    text: String,
    is_connect: bool,
    source: Option<BoxError>,
}

impl Failure {
    pub(super) fn request(error: &legacy::Error, host: &str) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(connect) = error.downcast_ref::<ConnectError>() {
                return Self { text: connect.to_string(), is_connect: true, source: None };
            }
            cause = error.source();
        }
        let reason = explain(error.source().unwrap_or(error));
        let text = format!("no answer from {host}: {reason}");
        Self { text, is_connect: error.is_connect(), source: None }
    }

    pub(super) fn answer(error: &hyper::Error, host: &str) -> Self {
        let text = format!("the answer from {host} broke off: {}", explain(error));
        Self { text, is_connect: false, source: None }
    }

    /// Adds the cause, for a client that sends the caller's own requests.
    pub(super) fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Whether there was no connection, so that nothing was sent.
    pub(in crate::transport) fn is_connect(&self) -> bool {
        self.is_connect
    }
}

/// The host of a URI, with its port if there is one. The query is left out, since some servers
/// require keys in it.
pub(super) fn host_and_port(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?})", self.text)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
