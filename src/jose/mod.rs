//! Signed JWTs (RFC 7515) and their keys, for client assertions and proofs of possession.
//!
//! The cryptography is AWS-LC's, which the default transport's TLS uses too. A JWS in compact form is
//! three base64url parts. It is written here, so that buffers are wiped and keys may be in formats that
//! general JWT crates do not support (SEC 1, private JWKs).

mod algorithm;
mod compact;
mod error;
#[cfg(feature = "jwt")]
mod hmac;
mod jwk;
mod key;
mod key_pair;
mod pem;
mod public_jwk;
#[cfg(feature = "jwt")]
mod source;

pub use algorithm::SigningAlgorithm;
pub(crate) use compact::Signer;
#[cfg(feature = "dpop")]
pub(crate) use compact::{append, proof_id};
#[cfg(feature = "jwt")]
pub(crate) use compact::{compact, random_id};
#[cfg(feature = "jwt")]
pub use hmac::HmacAlgorithm;
pub use key::SigningKey;
#[cfg(feature = "dpop")]
pub(crate) use public_jwk::sha256;
#[cfg(feature = "jwt")]
pub use source::SigningKeySource;
