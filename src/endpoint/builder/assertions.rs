//! The settings of client assertions.

use std::{future::Future, path::PathBuf};
#[cfg(feature = "jwt")]
use std::{sync::atomic::AtomicBool, time::Duration};

use super::ClientCredentialsBuilder;
#[cfg(feature = "jwt")]
use crate::{
    client_auth::{AssertionAudience, AssertionSettings, Credential, Secret, SignedAssertion},
    jose::{HmacAlgorithm, SigningKeySource},
};
use crate::{
    client_auth::{AssertionSource, ProvidedAssertion},
    error::BoxError,
    secret_file::SecretFile,
};

impl ClientCredentialsBuilder {
    /// Sends a new JWT for each attempt, signed by a private key (`private_key_jwt`, RFC 7523 §2.2,
    /// OpenID Connect Core §9).
    ///
    /// `audience` becomes `aud`, as one string: exactly the authorization server's issuer identifier
    /// (RFC 7523 as updated by rfc7523bis). Older servers expect their token URL; use it if the issuer
    /// is refused. With
    /// [`discover`](crate::ClientCredentials::discover) it can be
    /// [`AssertionAudience::discovered_issuer`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::{
    ///     ClientCredentials,
    ///     jose::{SigningAlgorithm, SigningKey, SigningKeySource},
    /// };
    ///
    /// # let pem = include_str!("../../../tests/credentials/signing_keys/ec256-sec1.pem");
    /// let key = SigningKey::from_pem(SigningAlgorithm::Es256, pem)?.with_key_id("2026-11");
    /// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
    ///     .private_key_jwt("my-service", key, "https://idp.example.com")
    ///     .build()?;
    ///
    /// // Or from a file that is rotated:
    /// let key = SigningKeySource::from_jwk_file("/run/secrets/key.json");
    /// # let _ = (source, key);
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn private_key_jwt(
        self,
        client_id: impl Into<String>,
        key: impl Into<SigningKeySource>,
        audience: impl Into<AssertionAudience>,
    ) -> Self {
        self.signed(client_id.into(), Credential::Key(key.into()), audience.into())
    }

    /// Sends a new JWT for each attempt, signed with the client secret (`client_secret_jwt`, RFC
    /// 7523 §2.2, OpenID Connect Core §9). The secret itself is not sent. For `audience`
    /// see [`private_key_jwt`](Self::private_key_jwt).
    ///
    /// The secret should be as long as the hash (RFC 7518 §3.2): some servers refuse a shorter one.
    /// A shorter secret is reported by an [`EventKind::ShortSecret`](crate::event::EventKind::ShortSecret).
    /// [`build`](Self::build) returns an error if the secret is empty.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn client_secret_jwt(
        self,
        client_id: impl Into<String>,
        secret: impl Into<Secret>,
        algorithm: HmacAlgorithm,
        audience: impl Into<AssertionAudience>,
    ) -> Self {
        let credential = Credential::Secret(secret.into(), algorithm);
        self.signed(client_id.into(), credential, audience.into())
    }

    #[cfg(feature = "jwt")]
    fn signed(self, id: String, credential: Credential, audience: AssertionAudience) -> Self {
        let is_empty = audience.is_empty();
        let settings = AssertionSettings::default();
        let warned = AtomicBool::new(false);
        let auth = |id| SignedAssertion { id, credential, audience, settings, warned };
        let mut this = self.auth(id, auth);
        if is_empty {
            this.auth_mistake = Some(
                "client assertion: its audience is empty; pass the authorization server's issuer",
            );
        }
        this
    }

    /// Sends a client assertion from a file that another program updates (RFC 7521 §4.2): a
    /// Kubernetes projected service-account token, an Entra ID federated credential, a JWT-SVID.
    ///
    /// The file is read for each attempt, on a thread of this crate, and trimmed. It must be a regular
    /// file, or a symbolic link to one. While it cannot be read, or does not contain a complete JWT, the
    /// assertion that was read last is sent until its `exp`, with an
    /// [`EventKind::StaleCredentialUsed`](crate::event::EventKind::StaleCredentialUsed). After that it is an error of kind
    /// `Credentials`.
    ///
    /// # Examples
    ///
    /// Entra workload identity on Kubernetes:
    ///
    /// ```no_run
    /// # #[cfg(feature = "hyper-transport")] {
    /// use std::env::var;
    /// use tower_oauth2_client_credentials::ClientCredentials;
    ///
    /// let tenant = var("AZURE_TENANT_ID")?;
    /// let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    /// let source = ClientCredentials::builder(url)
    ///     .client_assertion_file(var("AZURE_CLIENT_ID")?, var("AZURE_FEDERATED_TOKEN_FILE")?)
    ///     .scope("https://graph.microsoft.com/.default")
    ///     .build()?;
    /// # let _ = source;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
    /// ```
    pub fn client_assertion_file(
        self,
        client_id: impl Into<String>,
        path: impl Into<PathBuf>,
    ) -> Self {
        self.client_assertion_in(client_id.into(), SecretFile::new(path))
    }

    pub(crate) fn client_assertion_in(self, client_id: String, file: SecretFile) -> Self {
        let source = AssertionSource::File(file);
        self.auth(client_id, |id| ProvidedAssertion::new(Some(id), source))
    }

    /// Sends a client assertion from a closure, such as a JWT-SVID of the SPIFFE Workload API. The
    /// closure is called for each attempt, within the attempt's timeout. Its error must not contain
    /// a secret. Otherwise it behaves like
    /// [`client_assertion_file`](Self::client_assertion_file).
    ///
    /// Pass `None` as `client_id` if the assertion alone identifies the client.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::{BoxError, ClientCredentials};
    ///
    /// # async fn fetch_jwt_svid(_: &str) -> Result<String, BoxError> { Ok(String::new()) }
    /// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
    ///     .client_assertion_fn(None, || fetch_jwt_svid("https://idp.example.com"))
    ///     .client_assertion_type("urn:ietf:params:oauth:client-assertion-type:jwt-spiffe")
    ///     .build()?;
    /// # let _ = source;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn client_assertion_fn<F, Fut>(self, client_id: Option<&str>, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        let source = AssertionSource::from_fn(provider);
        match client_id {
            Some(id) => self.auth(id.to_owned(), |id| ProvidedAssertion::new(Some(id), source)),
            None => self.auth_without_id(ProvidedAssertion::new(None, source)),
        }
    }

    /// Sets the `client_assertion_type` (RFC 7521 §4.2). Default: that of RFC 7523 §2.2,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`. SPIFFE uses
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-spiffe`.
    pub fn client_assertion_type(mut self, assertion_type: impl Into<String>) -> Self {
        self.assertions.assertion_type = assertion_type.into();
        self
    }

    /// Sets whether `client_id` is sent with a client assertion. RFC 7521 §4.2 makes it optional.
    /// Entra ID and Keycloak require it, and no server is known to refuse it. Default: yes.
    pub fn send_client_id(mut self, send: bool) -> Self {
        self.assertions.client_id_in_body = send;
        self
    }

    /// Sets the lifetime of a client assertion that this crate signs: `exp` minus `iat`, in whole
    /// seconds. Below 1 s is an error of [`build`](Self::build). Default: 60 s.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn assertion_lifetime(mut self, lifetime: Duration) -> Self {
        self.assertions.lifetime = lifetime;
        self
    }

    /// Sets whether a client assertion that this crate signs has `typ` `client-authentication+jwt`
    /// in its header (rfc7523bis), which distinguishes it from other JWTs. Turn it off for servers
    /// that refuse it. Then there is no `typ`. Default: yes.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn send_assertion_typ(mut self, send: bool) -> Self {
        self.assertions.typ = send;
        self
    }
}
