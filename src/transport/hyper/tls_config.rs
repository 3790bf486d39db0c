//! The TLS settings for another client.

use std::sync::Arc;

use rustls::client::Resumption;

use super::{builder::HyperTransportBuilder, identity::IdentityResolver, tls};
use crate::error::{Error, Problem};

impl HyperTransportBuilder {
    /// Builds only the TLS settings, for another client (`reqwest`, `tonic`, …), with the same root
    /// certificates and client certificate. Set proxy and timeouts on that client. ALPN is empty.
    ///
    /// Each new connection shows the current certificate, and sessions are not resumed. An existing
    /// connection keeps its certificate, and a token that is bound to a newer certificate is refused on
    /// it. So make a new client in [`on_rotation`](crate::transport::ClientIdentity::on_rotation).
    ///
    /// Needs the feature `rustls`, since the result is a type of that crate.
    ///
    /// # Errors
    ///
    /// Same errors as [`build`](Self::build). Also kind `Config` if there are no root certificates
    /// at all.
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn build_tls_config(self) -> Result<rustls::ClientConfig, Error> {
        let (tls, identity) = self.tls()?;
        if let Some(text) = tls.missing_roots {
            return Err(Error::of(Problem::Config).with_detail(text));
        }
        Ok(match identity {
            None => tls.config,
            Some(identity) => {
                let certificate = Arc::new(IdentityResolver(identity));
                tls::with_client_certificate(&tls.config, certificate, Resumption::disabled())
            }
        })
    }
}
