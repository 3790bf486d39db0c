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

    /// Its name in `token_endpoint_auth_methods_supported` (RFC 8414 §2), to compare with the
    /// server's list. `None` if it has no registered name.
    fn method(&self) -> Option<&'static str> {
        None
    }

    /// The JWS algorithm of its assertions, to compare with
    /// `token_endpoint_auth_signing_alg_values_supported`.
    fn signing_algorithm(&self) -> Option<&'static str> {
        None
    }

    /// Whether the TLS connection authenticates the client. Then the endpoint for such connections is
    /// used (RFC 8705 §5).
    fn uses_mtls(&self) -> bool {
        false
    }

    /// Sets the settings of assertions. Called once, before any use.
    fn configure(&mut self, _settings: &AssertionSettings) {}

    /// Whether it needs the discovered issuer.
    fn wants_issuer(&self) -> bool {
        false
    }

    /// An error in its settings, for `build` to report.
    fn mistake(&self) -> Option<&'static str> {
        None
    }

    /// Whether the request does not identify a client, so that the grant must.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// Why the client id and the method do not determine the client, if they do not. Names the setting.
    ///
    /// Secrets and keys of one client id are those of one client, which has two while one of them is
    /// replaced.
    fn unknown_client(&self) -> Option<&'static str> {
        None
    }

    /// Whether the request contains the time. Then a wrong clock can be the reason of a refusal.
    fn has_times(&self) -> bool {
        false
    }
}
