//! The trait of all authentication methods.

use std::{fmt, future::Future, pin::Pin};

use super::{assertion::AssertionSettings, draft::Draft};
use crate::error::Error;

pub(crate) type Authenticating<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// A way to authenticate the client. Its `Debug` shows no secret.
pub(crate) trait ClientAuth: fmt::Debug + Send + Sync {
    /// Completes one attempt's request.
    ///
    /// # Errors
    ///
    /// Kind `Credentials` when the secret, key or assertion cannot be read.
    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a>;

    /// Its name in `token_endpoint_auth_methods_supported` (RFC 8414 §2), to compare with what the
    /// server lists. `None`: it has no registered name.
    fn method(&self) -> Option<&'static str> {
        None
    }

    /// The JWS algorithm of its assertions, to compare with
    /// `token_endpoint_auth_signing_alg_values_supported`.
    fn signing_algorithm(&self) -> Option<&'static str> {
        None
    }

    /// Whether it is the TLS connection that authenticates the client, so that the endpoint meant
    /// for such connections is used (RFC 8705 §5).
    fn uses_mtls(&self) -> bool {
        false
    }

    /// Takes the settings of assertions, if it makes any. Called once, before any use.
    fn configure(&mut self, _settings: &AssertionSettings) {}

    /// Whether it needs the discovered issuer.
    fn wants_issuer(&self) -> bool {
        false
    }

    /// A mistake in its settings, for `build` to report.
    fn mistake(&self) -> Option<&'static str> {
        None
    }

    /// Whether the request says nothing of a client, so that the grant alone must do.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// Whether what it makes holds the time, so that a wrong clock can be why it is refused.
    fn has_times(&self) -> bool {
        false
    }
}
