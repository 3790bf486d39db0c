//! Client authentication at the token endpoint (RFC 6749 §2.3): secrets and assertions.
//!
//! The methods themselves are settings of
//! [`ClientCredentialsBuilder`](crate::endpoint::ClientCredentialsBuilder).

// All methods implement `ClientAuth`, which completes a new `Draft` for each attempt. So a rotated
// secret needs no restart, and an assertion is used only once.

mod assertion;
#[cfg(feature = "jwt")]
mod audience;
mod decodings;
mod draft;
mod encodings;
mod form;
mod method;
mod mtls;
mod paste_marks;
mod provided;
mod secret;
mod sent_secrets;
#[cfg(feature = "jwt")]
mod signed;
mod simple;

pub(crate) use assertion::{AssertionSettings, JWT_BEARER};
#[cfg(feature = "jwt")]
pub use audience::AssertionAudience;
pub(crate) use draft::Draft;
pub(crate) use form::decoded as form_decoded;
pub(crate) use method::ClientAuth;
pub(crate) use mtls::TlsClientAuth;
pub(crate) use provided::{AssertionSource, ProvidedAssertion, check_assertion};
pub use secret::Secret;
pub(crate) use sent_secrets::{SentSecrets, WITHHELD};
#[cfg(feature = "jwt")]
pub(crate) use signed::{Credential, SignedAssertion, dated_jwt, key_header};
pub(crate) use simple::{NoClient, PublicClient, SecretBasic, SecretPost};
