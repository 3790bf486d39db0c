//! The errors of failed exchanges.

use http::Uri;

use crate::{
    client_auth::SentSecrets,
    error::{BoxError, Error, Problem},
    transport,
};

/// The error of a transport. An [`Error`] of this crate is returned as it is.
pub(super) fn transport_error(error: BoxError, uri: &Uri, secrets: &SentSecrets) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(error) if !secrets.are_repeated_by(&*error) => return *error,
        Ok(error) => return with_cause(Error::of(error.problem()), error, secrets),
        Err(error) => error,
    };
    // Without path and query, since some servers require keys in them.
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let failed = Error::of(Problem::Transport);
    if secrets.are_repeated_by(&*error) {
        return failed.with_detail(format!(
            "no answer from {host}: the transport failed; the cause is left out because it repeats \
             part of a secret; check the transport"
        ));
    }
    let text = transport::describe(&format!("no answer from {host}"), &error);
    failed.with_detail(text).with_source(error)
}

/// Adds the error of a transport as the cause, unless its text repeats a secret. Such an error can
/// contain text of the peer, or the request.
pub(super) fn with_cause(error: Error, cause: BoxError, secrets: &SentSecrets) -> Error {
    if secrets.are_repeated_by(&*cause) {
        return error.and_detail("the cause is left out because it repeats part of a secret");
    }
    error.with_source(cause)
}
