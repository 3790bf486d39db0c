//! Seals the entries of a store, so that a reader of the store sees no token.
//!
//! An envelope is one of
//!
//! ```text
//! sealed:      0x01 ‖ key id (8 bytes) ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)
//! plain text:  0x00 ‖ entry id (32 bytes) ‖ content
//! ```
//!
//! The associated data of a sealed envelope are the version, the key id, the entry id and the generation.
//! So a sealed envelope that is copied to another entry, or written with a higher generation, does not
//! open. A plain-text envelope is only tied to its entry id.

mod envelope;
mod error;
mod key;
mod keys;
#[cfg(test)]
mod tests;

pub(crate) use error::OpenError;
pub use key::SealingKey;
pub(crate) use keys::Sealing;
