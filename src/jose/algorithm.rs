//! The signature algorithms of private keys (RFC 7518 §3.1, RFC 8037 §3.1).

use std::{fmt, str::FromStr};

use super::error::config_error;
use crate::error::{Error, sanitise};

/// A signature algorithm for a private key (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
///
/// # Examples
///
/// From a configuration file:
///
/// ```
/// use tower_oauth2_client_credentials::jose::SigningAlgorithm;
///
/// assert_eq!("ES256".parse::<SigningAlgorithm>()?, SigningAlgorithm::Es256);
/// assert!("none".parse::<SigningAlgorithm>().is_err());
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl KeyKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The algorithm, if such a key fits only one.
    pub(super) fn only_algorithm(self) -> Option<SigningAlgorithm> {
        match self {
            Self::Rsa => None,
            Self::P256 => Some(SigningAlgorithm::Es256),
            Self::P384 => Some(SigningAlgorithm::Es384),
            Self::Ed25519 => Some(SigningAlgorithm::EdDsa),
        }
    }

    /// The algorithms that fit such a key.
    pub(super) fn algorithms(self) -> &'static str {
        match self {
            Self::Rsa => "RS256, RS384, RS512, PS256, PS384 or PS512",
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::Ed25519 => "EdDSA",
        }
    }
}

impl SigningAlgorithm {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name in a JWT's header: `RS256` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 => KeyKind::Rsa,
            Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
            Self::EdDsa => KeyKind::Ed25519,
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = Error;

    /// # Errors
    ///
    /// Kind `Config` for a name that is not one of these, such as `none` or an `HS…` algorithm.
    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        found.ok_or_else(|| {
            let why = match name {
                "none" => "it is not a signature",
                "HS256" | "HS384" | "HS512" => {
                    "it signs with the client secret; that is client_secret_jwt"
                }
                _ => "it is not known",
            };
            let name = sanitise(name);
            config_error(format!(
                "signing algorithm \"{name}\": {why}; use RS256, RS384, RS512, PS256, PS384, \
                 PS512, ES256, ES384 or EdDSA"
            ))
        })
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_no_others() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse::<SigningAlgorithm>().unwrap(), algorithm);
        }
        for (name, why) in [
            ("none", "not a signature"),
            ("HS256", "client_secret_jwt"),
            ("rs256", "not known"),
            ("ES512", "not known"),
            ("RS256\n", "RS256"),
            ("", "not known"),
        ] {
            let error = name.parse::<SigningAlgorithm>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("PS512"), "{name}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
