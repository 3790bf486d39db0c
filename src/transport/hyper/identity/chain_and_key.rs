//! Names for the two parts of an identity, which have the same type.

use std::fmt;

/// A certificate chain and its private key: two PEM texts for
/// [`ClientIdentity::from_pem`](crate::transport::ClientIdentity::from_pem), or two paths for
/// [`ClientIdentity::from_files`](crate::transport::ClientIdentity::from_files).
///
/// `Debug` shows neither.
///
/// # Examples
///
/// ```no_run
/// use tower_oauth2_client_credentials::transport::{ChainAndKey, ClientIdentity};
///
/// let paths = ChainAndKey { chain: "/run/tls/tls.crt", key: "/run/tls/tls.key" };
/// let identity = ClientIdentity::from_files(paths)?;
/// # let _ = identity;
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct ChainAndKey<C, K = C> {
    /// The chain, with the client's own certificate first.
    pub chain: C,
    /// The unencrypted private key.
    pub key: K,
}

impl<C, K> fmt::Debug for ChainAndKey<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainAndKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_part() {
        let pem = ChainAndKey { chain: "a certificate", key: "a private key" };
        assert_eq!(format!("{pem:?} {pem:#?}"), "ChainAndKey { .. } ChainAndKey { .. }");
    }
}
