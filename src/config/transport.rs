//! The settings of the default transport: root certificates and proxy.

use super::ClientCredentialsConfig;
use super::read::config_error;
use crate::{endpoint::ClientCredentialsBuilder, error::Error};
use crate::{
    limits::MAX_CERTIFICATE_BYTES,
    transport::{HyperTransport, HyperTransportBuilder, ProxySettings},
};

/// The settings that a transport given in code does not use.
const SETTINGS: [&str; 2] = ["ca_file", "proxy"];

const A_PROXY: &str = "give a URL such as http://proxy.example.com:3128, or none";

impl ClientCredentialsConfig {
    /// The settings of connections: `ca_file`, `proxy` and the client certificate.
    ///
    /// Token requests use them in any case. Use this for the client of the API, so that it has the
    /// same root certificates, proxy and certificate:
    /// [`build_client`](HyperTransportBuilder::build_client).
    ///
    /// # Errors
    ///
    /// Same errors as [`source_builder`](Self::source_builder).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use tower_oauth2_client_credentials::{
    ///     config::ClientCredentialsConfig, transport::HyperClient,
    /// };
    ///
    /// let config = ClientCredentialsConfig::from_env();
    /// let http: HyperClient<String> = config.transport_builder()?.build_client()?;
    /// let tokens = config.into_cache()?;
    /// # let _ = (http, tokens);
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "hyper-transport")))]
    pub fn transport_builder(&self) -> Result<HyperTransportBuilder, Error> {
        let source = self.source_builder()?;
        let transport = self.trust_and_proxy()?;
        Ok(match source.identity() {
            Some(identity) => transport.client_identity(identity.clone()),
            None => transport,
        })
    }

    fn trust_and_proxy(&self) -> Result<HyperTransportBuilder, Error> {
        let mut transport = HyperTransport::builder();
        if let Some(text) = self.text("ca_file")? {
            if let Some(file) = self.located("ca_file", MAX_CERTIFICATE_BYTES)?
                && let Err(error) = file.read
            {
                return Err(self.unusable_file("ca_file", error.into()));
            }
            transport = transport.extra_root_certificates_file(text.as_str());
            if let Some(error) = transport.mistake() {
                let why = "no root certificates in PEM can be read there (the cause says why)";
                let detail = format!("{}: {why}", self.name("ca_file"));
                return Err(config_error(detail).with_source(error.clone()));
            }
        }
        if let Some(proxy) = self.text("proxy")? {
            let settings = match proxy.as_str() {
                "none" => ProxySettings::direct(),
                url if url.contains("://") => ProxySettings::fixed(url),
                // Refused, since a word such as `off` would be read as a host.
                _ => return Err(self.wrong("proxy", format!("it has no scheme; {A_PROXY}"))),
            };
            if let Some(why) = settings.mistake() {
                return Err(self.wrong("proxy", format!("{why}; {A_PROXY}")));
            }
            transport = transport.proxy_settings(settings);
        }
        Ok(transport)
    }

    /// Gives the settings to the default transport.
    pub(super) fn connect(
        &self,
        builder: ClientCredentialsBuilder,
    ) -> Result<ClientCredentialsBuilder, Error> {
        if SETTINGS.iter().any(|setting| self.is_set(setting)) {
            return Ok(builder.default_transport(self.trust_and_proxy()?));
        }
        Ok(builder)
    }
}
