//! The exit codes.

use std::process::ExitCode;

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Works = 0,
    NoToken = 1,
    Usage = 2,
    Unreachable = 3,
    Discovery = 4,
    ApiRefuses = 5,
    Stopped = 6,
    NotWritten = 7,
}

/// The table for `--help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  the server issued a token, and the API accepted it if --api was given
  1  the server refused the client, or its answer cannot be used
  2  the command line or a file is wrong, or the run was declined; no token request was sent
  3  the server could not be reached: name, connection, TLS, proxy or timeout
  4  the metadata could not be read, or is of another issuer
  5  the server issued a token, but the API could not be reached or refused the token
  6  the server or API throttles (429, Retry-After), or the token endpoint answers 403
  7  the report could not be written; token requests may have been sent

Without --thorough one token request is sent, or two with --dpop if the server wants a nonce.
Secrets and tokens are never printed.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
