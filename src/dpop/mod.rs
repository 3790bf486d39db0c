//! Tokens that are bound to a key of ours (DPoP, RFC 9449): the key, its proofs, and the nonces
//! that servers want in them.

mod key;
mod nonces;
mod prover;
mod target;
#[cfg(test)]
mod tests;

pub use key::DpopKey;
pub(crate) use nonces::{Nonces, nonce};
pub(crate) use prover::Prover;
