//! Signed JWTs (RFC 7515) and the keys that sign them, for whatever is proved with a key: client
//! assertions, and proofs of possession.
//!
//! The cryptography is AWS-LC, which the default transport's TLS brings along. A JWS in compact
//! form is three base64url parts, so that much is written here, over buffers that are wiped; it
//! keeps the key formats that general JWT crates leave out (SEC 1, private JWKs).

// Without client assertions some of it has no user.
#[cfg_attr(not(feature = "jwt"), allow(dead_code, unreachable_pub))]
mod algorithm;
#[cfg_attr(not(feature = "jwt"), allow(dead_code))]
mod compact;
mod error;
mod jwk;
mod key;
mod key_pair;
mod pem;
mod public_jwk;
#[cfg(feature = "jwt")]
mod source;

#[cfg(feature = "jwt")]
pub use algorithm::HmacAlgorithm;
pub use algorithm::SigningAlgorithm;
pub(crate) use compact::Signer;
#[cfg(feature = "jwt")]
pub(crate) use compact::compact;
#[cfg(feature = "jwt")]
pub(crate) use compact::random_id;
#[cfg(feature = "dpop")]
pub(crate) use compact::{append, proof_id};
pub use key::SigningKey;
#[cfg(feature = "dpop")]
pub(crate) use public_jwk::sha256;
#[cfg(feature = "jwt")]
pub use source::SigningKeySource;
