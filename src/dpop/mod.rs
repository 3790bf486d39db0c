//! Tokens that are bound to a key (DPoP, RFC 9449): the key, its proofs, and the servers' nonces.

mod htu;
mod key;
mod nonces;
mod prover;
#[cfg(test)]
mod tests;

pub use key::DpopKey;
pub(crate) use nonces::{Nonces, nonce};
pub(crate) use prover::Prover;
