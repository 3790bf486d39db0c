//! Signed JWTs (RFC 7515) and the keys that sign them, for whatever is proved with a key: client
//! assertions, and proofs of possession.
//!
//! The cryptography is AWS-LC, which the default transport's TLS brings along. A JWS in compact
//! form is three base64url parts, so that much is written here, over buffers that are wiped; it
//! keeps the key formats that general JWT crates leave out (SEC 1, private JWKs).

mod algorithm;
mod compact;
mod jwk;
mod key;
mod pair;
mod pem;
mod public;
mod source;

pub use algorithm::{HmacAlgorithm, SigningAlgorithm};
pub(crate) use compact::{Signer, compact, random_id};
pub use key::SigningKey;
pub use source::SigningKeySource;

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};

/// A key, certificate or algorithm that cannot be used, and what to do.
fn mistake(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config).with_detail(detail)
}
