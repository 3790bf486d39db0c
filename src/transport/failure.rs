//! Errors of transports.

use super::explain::explain;
use crate::error::BoxError;

/// The text for an error of a transport. It is safe to log: one line, bounded, and without control
/// characters.
///
/// `problem` is the beginning, for errors that do not name the problem: "no answer", for instance.
pub(crate) fn describe(problem: &str, error: &BoxError) -> String {
    #[cfg(feature = "hyper-transport")]
    if let Some(failure) = error.downcast_ref::<super::hyper::Failure>() {
        return failure.to_string();
    }
    format!("{problem}: {}", explain(&**error))
}

/// Whether an exchange failed before there was a connection, as far as the transport reports it.
pub(crate) fn never_connected(error: &BoxError) -> bool {
    #[cfg(feature = "hyper-transport")]
    if let Some(failure) = error.downcast_ref::<super::hyper::Failure>() {
        return failure.is_connect();
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<::reqwest::Error>() {
        return error.is_connect();
    }
    let _ = error;
    false
}

/// Whether an idempotent request may succeed if it is sent again on another connection.
pub(crate) fn may_send_again(error: &BoxError) -> bool {
    #[cfg(feature = "reqwest")]
    if error.downcast_ref::<::reqwest::Error>().is_some_and(::reqwest::Error::is_timeout) {
        return false;
    }
    !never_connected(error)
}
