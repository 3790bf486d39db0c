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
    pub(super) identity: Option<ClientIdentity>,
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
        let certificates = self.keep_error(parse_pem(pem.as_ref()));
        self.extra.extend(certificates.unwrap_or_default());
        self
    }

    /// Same as [`extra_root_certificates_pem`](Self::extra_root_certificates_pem), with the text of
    /// a file of at most 1 MiB, which is read here. Default: none.
    ///
    /// A file that cannot be read is an error of [`build`](Self::build).
    pub fn extra_root_certificates_file(mut self, path: impl AsRef<Path>) -> Self {
        match self.keep_error(tls::read_pem(path.as_ref())) {
            Some(pem) => self.extra_root_certificates_pem(pem),
            None => self,
        }
    }

    /// Trusts the certificates in this PEM text instead of the platform's. Can be repeated.
    /// Default: the platform's.
    ///
    /// The platform's verifier and its revocation lists are not used then.
    pub fn only_root_certificates_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        let certificates = self.keep_error(parse_pem(pem.as_ref()));
        self.only.get_or_insert_default().extend(certificates.unwrap_or_default());
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
        if timeout.is_zero() {
            self.keep_error::<()>(Err(Error::of(Problem::Config).with_detail(ZERO_TIMEOUT)));
        }
        self.connect_timeout = timeout;
        self
    }

    /// Sets the certificate that is shown to servers that request one (RFC 8705), and never to
    /// proxies. The last call of this and the next two methods counts. Default: none.
    pub fn client_identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Same as [`client_identity`](Self::client_identity), with [`ClientIdentity::from_pem`]. Its
    /// error is an error of [`build`](Self::build). Default: none.
    pub fn client_identity_pem(
        mut self,
        pem: ChainAndKey<impl AsRef<[u8]>, impl AsRef<[u8]>>,
    ) -> Self {
        self.identity = self.keep_error(ClientIdentity::from_pem(pem));
        self
    }

    /// Same as [`client_identity`](Self::client_identity), with [`ClientIdentity::from_files`],
    /// which reads the files here. Its error is an error of [`build`](Self::build). Default: none.
    pub fn client_identity_files(
        mut self,
        paths: ChainAndKey<impl Into<PathBuf>, impl Into<PathBuf>>,
    ) -> Self {
        self.identity = self.keep_error(ClientIdentity::from_files(paths));
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

    pub(super) fn tls(&self) -> Result<Tls, Error> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Tls::new(self.only.clone(), self.extra.clone()),
        }
    }

    fn connector(self) -> Result<(Connector, Option<ClientIdentity>), Error> {
        let tls = self.tls()?;
        Ok((Connector::new(tls, &self.proxy, self.connect_timeout)?, self.identity))
    }

    /// The error that `build` would return for the settings so far.
    pub(crate) fn mistake(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The first error is the one that `build` returns.
    fn keep_error<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("only_root_certificates", &self.only.as_ref().map(Vec::len))
            .field("extra_root_certificates", &self.extra.len())
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
