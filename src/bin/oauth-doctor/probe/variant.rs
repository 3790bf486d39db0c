//! The settings of one attempt, and those that got a token.

use tower_oauth2_client_credentials::Token;

use crate::method::Method;

/// The settings that differ between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) method: Method,
    pub(super) dpop: bool,
    /// Basic with a secret that is encoded though that is not needed.
    pub(super) is_secret_encoded: bool,
}

/// The settings that got a token.
pub(super) struct Success {
    pub(super) variant: Variant,
    /// `None`: the type of the token is unknown, so the crate refuses it without a setting.
    pub(super) token: Option<Token>,
}
