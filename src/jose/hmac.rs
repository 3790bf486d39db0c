//! The signature algorithms of client secrets (RFC 7518 §3.2).

use std::{fmt, str::FromStr};

use super::error::config_error;
use crate::error::{Error, sanitise};

/// A signature algorithm for a client secret (RFC 7518 §3.2).
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::jose::HmacAlgorithm;
///
/// assert_eq!("HS256".parse::<HmacAlgorithm>()?, HmacAlgorithm::Hs256);
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256. The secret should have 32 bytes or more.
    Hs256,
    /// HMAC with SHA-384. The secret should have 48 bytes or more.
    Hs384,
    /// HMAC with SHA-512. The secret should have 64 bytes or more.
    Hs512,
}

impl HmacAlgorithm {
    /// The name in a JWT's header: `HS256` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Length of the hash in bytes, which is the minimum length of the secret (RFC 7518 §3.2).
    pub(crate) fn hash_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}

impl FromStr for HmacAlgorithm {
    type Err = Error;

    /// # Errors
    ///
    /// Kind `Config` for a name that is not one of these.
    fn from_str(name: &str) -> Result<Self, Error> {
        let all = [Self::Hs256, Self::Hs384, Self::Hs512];
        all.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or_else(|| {
            let name = sanitise(name);
            config_error(format!("HMAC algorithm \"{name}\": use HS256, HS384 or HS512"))
        })
    }
}

impl fmt::Display for HmacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_algorithms_are_refused() {
        assert_eq!("HS384".parse::<HmacAlgorithm>().unwrap(), HmacAlgorithm::Hs384);
        assert!("RS256".parse::<HmacAlgorithm>().is_err());
        assert!("none".parse::<HmacAlgorithm>().is_err());
    }
}
