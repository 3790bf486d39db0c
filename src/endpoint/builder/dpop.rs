//! The settings of DPoP (RFC 9449).

use super::ClientCredentialsBuilder;
use crate::dpop::DpopKey;

impl ClientCredentialsBuilder {
    /// Binds tokens to a key (DPoP, RFC 9449): a stolen token cannot be used without the key.
    /// Default: off.
    ///
    /// The layer adds a new proof to each request with such a token. That is one more signature, in
    /// the caller's task (about 20 µs for ES256).
    ///
    /// The nonces of the token endpoint and of each API are stored. A request that was refused because
    /// of a missing nonce is sent again at once.
    ///
    /// If the server is [discovered](crate::ClientCredentials::discover) and lists no algorithm that
    /// fits the key, acquisitions fail with kind `Config`. A server that ignores proofs issues a
    /// bearer token, which is refused. See [`dpop_optional`](Self::dpop_optional).
    #[cfg_attr(docsrs, doc(cfg(feature = "dpop")))]
    pub fn dpop(mut self, key: impl Into<DpopKey>) -> Self {
        self.dpop.key = Some(key.into());
        self.read_policy.accepted = self.dpop.accepted_types();
        self
    }

    /// Sets whether to use a bearer token that the server issues despite the proof (RFC 9449 §5),
    /// as during a migration to DPoP. A stolen bearer token can be used by anyone. Default: no, it
    /// is refused.
    #[cfg_attr(docsrs, doc(cfg(feature = "dpop")))]
    pub fn dpop_optional(mut self, optional: bool) -> Self {
        self.dpop.optional = optional;
        self.read_policy.accepted = self.dpop.accepted_types();
        self
    }
}
