//! The settings of the default transport.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body::Body;
use rustls_pki_types::CertificateDer;

use super::{
    client::HyperClient,
    connect::Connector,
    identity::{ChainAndKey, ClientIdentity},
    tls::{self, Tls, parse_pem},
    transport::HyperTransport,
};
use crate::{
    error::{Error, Problem},
    transport::proxy::ProxySettings,
};

/// Enough for a handshake over a slow link with one retried name lookup. Two connection attempts fit
/// in the 10 s of one token request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const ZERO_TIMEOUT: &str =
    "connect_timeout: it is zero, so no connection would be made; set a second or more";
const A_TEXT: &str = "pass one or more certificates in PEM";
const A_FILE: &str = "give a readable file with one or more certificates in PEM";
const AN_IDENTITY: &str =
    "give a certificate chain and its unencrypted private key (PKCS#8, PKCS#1 or SEC1) in PEM";

/// The settings of a [`HyperTransport`]. [`build`](Self::build) reports the first invalid setting.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::transport::HyperTransport;
///
/// let transport = HyperTransport::builder()
///     .proxy("http://proxy.internal:3128")
///     .connect_timeout(Duration::from_secs(2))
///     .build()?;
/// # drop(transport);
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[must_use = "nothing happens before `build`"]
pub struct HyperTransportBuilder {
    only: Option<Vec<CertificateDer<'static>>>,
    extra: Vec<CertificateDer<'static>>,
    proxy: ProxySettings,
    connect_timeout: Duration,
    /// The last choice, or its mistake.
    identity: Option<Result<ClientIdentity, Error>>,
    /// The first mistake among the root certificates. They add up, so a later call corrects none.
    error: Option<Error>,
}

impl HyperTransport {
    /// Builds the transport with its defaults.
    ///
    /// # Errors
    ///
    /// Kind [`Config`](crate::ErrorKind::Config) if TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Starts with the defaults, to change some of them.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::new()
    }
}

impl HyperTransportBuilder {
    fn new() -> Self {
        Self {
            only: None,
            extra: Vec::new(),
            proxy: ProxySettings::from_env(),
            connect_timeout: CONNECT_TIMEOUT,
            identity: None,
            error: None,
        }
    }

    /// Trusts the certificates in this PEM text, in addition to the platform's. Can be repeated.
    /// Default: none.
    ///
    /// A text without a certificate is an error of [`build`](Self::build). On Android any text is an
    /// error, since the platform's verifier takes no extra certificates.
    pub fn extra_root_certificates_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        let certificates = self.roots("extra_root_certificates_pem", A_TEXT, pem.as_ref(), None);
        self.extra.extend(certificates);
        self
    }

    /// Same as [`extra_root_certificates_pem`](Self::extra_root_certificates_pem), with the text of
    /// a file of at most 1 MiB, which is read here. Default: none.
    ///
    /// A file that cannot be read is an error of [`build`](Self::build).
    pub fn extra_root_certificates_file(mut self, path: impl AsRef<Path>) -> Self {
        let (setting, path) = ("extra_root_certificates_file", path.as_ref());
        match tls::read_pem(path) {
            Ok(pem) => {
                let certificates = self.roots(setting, A_FILE, &pem, Some(path));
                self.extra.extend(certificates);
            }
            Err(why) => self.keep_mistake(setting, &why, A_FILE),
        }
        self
    }

    /// Trusts the certificates in this PEM text instead of the platform's. Can be repeated.
    /// Default: the platform's.
    ///
    /// The platform's verifier and its revocation lists are not used then.
    pub fn only_root_certificates_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        let certificates = self.roots("only_root_certificates_pem", A_TEXT, pem.as_ref(), None);
        self.only.get_or_insert_default().extend(certificates);
        self
    }

    /// Sets whether to use the proxies of the environment. Default: yes, as most tools do.
    ///
    /// [`build`](Self::build) reads them, see [`ProxySettings`](crate::transport::ProxySettings). The last call of
    /// this and [`proxy`](Self::proxy) counts.
    pub fn proxy_from_env(mut self, read: bool) -> Self {
        self.proxy = if read { ProxySettings::from_env() } else { ProxySettings::direct() };
        self
    }

    /// Sets the proxy, `http://` or `https://`. The environment is not read then. Default: the
    /// proxies of the environment.
    ///
    /// User and password in the URL (percent-encoded) are sent to the proxy as
    /// `Proxy-Authorization` (Basic). Loopback destinations are reached directly. A malformed URL is
    /// an error of [`build`](Self::build).
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.proxy = ProxySettings::fixed(url);
        self
    }

    /// Sets the proxies. Default: [`ProxySettings::from_env`]. The last call of this,
    /// [`proxy`](Self::proxy) and [`proxy_from_env`](Self::proxy_from_env) counts.
    pub fn proxy_settings(mut self, settings: ProxySettings) -> Self {
        self.proxy = settings;
        self
    }

    /// Sets how long a new connection may take, including name lookup, proxy and TLS handshake.
    /// Zero is an error of [`build`](Self::build). Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the certificate that is shown to servers that request one (RFC 8705), and never to
    /// proxies. The last call of this and the next two methods counts. Default: none.
    pub fn client_identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(Ok(identity));
        self
    }

    /// Same as [`client_identity`](Self::client_identity), with [`ClientIdentity::from_pem`]. A text
    /// that cannot be used is an error of [`build`](Self::build). Default: none.
    pub fn client_identity_pem(
        mut self,
        pem: ChainAndKey<impl AsRef<[u8]>, impl AsRef<[u8]>>,
    ) -> Self {
        let identity = ClientIdentity::try_from_pem(pem);
        self.identity =
            Some(identity.map_err(|why| mistake("client_identity_pem", why, AN_IDENTITY)));
        self
    }

    /// Same as [`client_identity`](Self::client_identity), with [`ClientIdentity::from_files`],
    /// which reads the files here. Files that cannot be used are an error of [`build`](Self::build).
    /// Default: none.
    pub fn client_identity_files(
        mut self,
        paths: ChainAndKey<impl Into<PathBuf>, impl Into<PathBuf>>,
    ) -> Self {
        let identity = ClientIdentity::try_from_files(paths);
        self.identity =
            Some(identity.map_err(|why| mistake("client_identity_files", &why, AN_IDENTITY)));
        self
    }

    /// Builds the transport. It makes no connection yet.
    ///
    /// # Errors
    ///
    /// Kind [`Config`](crate::ErrorKind::Config) if a PEM text has no usable certificate, a proxy
    /// URL is malformed (the error names the environment's variable), the connect timeout is zero,
    /// or TLS cannot be set up. Also the error of a client identity that cannot be used. A machine
    /// without root certificates is not an error here, see [`HyperTransport::check_roots`].
    pub fn build(self) -> Result<HyperTransport, Error> {
        let (connector, identity) = self.connector()?;
        Ok(HyperTransport::with_connector(connector, identity))
    }

    /// Builds a client for the API instead, with the same root certificates, proxy and client
    /// certificate.
    ///
    /// # Errors
    ///
    /// Same errors as [`build`](Self::build).
    pub fn build_client<B>(self) -> Result<HyperClient<B>, Error>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let (connector, identity) = self.connector()?;
        Ok(HyperClient::new(connector, identity))
    }

    /// The settings of TLS and the client identity.
    ///
    /// # Errors
    ///
    /// The first mistake of any setting.
    pub(super) fn tls(&self) -> Result<(Tls, Option<ClientIdentity>), Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if self.connect_timeout.is_zero() {
            return Err(Error::of(Problem::Config).with_detail(ZERO_TIMEOUT));
        }
        let identity = self.identity.clone().transpose()?;
        Ok((Tls::new(self.only.clone(), self.extra.clone())?, identity))
    }

    pub(super) fn connector(self) -> Result<(Connector, Option<ClientIdentity>), Error> {
        let (tls, identity) = self.tls()?;
        Ok((Connector::new(tls, &self.proxy, self.connect_timeout)?, identity))
    }

    /// The mistake in the root certificates so far.
    pub(crate) fn mistake(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The certificates in a PEM text. If there are none, that is the mistake of this setting.
    fn roots(
        &mut self,
        setting: &'static str,
        remedy: &'static str,
        pem: &[u8],
        path: Option<&Path>,
    ) -> Vec<CertificateDer<'static>> {
        parse_pem(pem).unwrap_or_else(|why| {
            let why = path.map_or(why.to_owned(), |path| format!("{}: {why}", path.display()));
            self.keep_mistake(setting, &why, remedy);
            Vec::new()
        })
    }

    fn keep_mistake(&mut self, setting: &'static str, why: &str, remedy: &'static str) {
        self.error.get_or_insert_with(|| mistake(setting, why, remedy));
    }
}

fn mistake(setting: &'static str, why: &str, remedy: &'static str) -> Error {
    Error::of(Problem::Config).with_detail(format!("{setting}: {why}; {remedy}"))
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("only_root_certificates", &self.only.as_ref().map(Vec::len))
            .field("extra_root_certificates", &self.extra.len())
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("identity", &self.identity.as_ref().and_then(|it| it.as_ref().ok()))
            .finish_non_exhaustive()
    }
}
