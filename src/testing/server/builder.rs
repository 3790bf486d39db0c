//! How a mock authorization server is set up.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    authorization_server::{AuthorizationServer, Config},
    client::RegisteredClient,
};
use crate::testing::{DpopVerifier, RecordedRequest};

/// Sets up an [`AuthorizationServer`].
///
/// # Examples
///
/// A server that issues the same token again, with its remaining lifetime, as some do:
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
///
/// let idp = AuthorizationServer::builder()
///     .client(RegisteredClient::new("my-service").secret("s3cret"))
///     .lifetime(Duration::from_millis(1500))
///     .same_token(true)
///     .path("/oauth2/token")
///     .build();
/// assert_eq!(idp.token_url(), "https://idp.test/oauth2/token");
/// ```
#[must_use = "call build()"]
pub struct AuthorizationServerBuilder {
    config: Config,
    lifetime: Duration,
    delay: Duration,
}

impl AuthorizationServer {
    /// A server with the defaults: any client is accepted, tokens live for 3,600 s.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts with the defaults, to change some of them.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }
}

impl Default for AuthorizationServer {
    fn default() -> Self {
        Self::new()
    }
}

impl AuthorizationServerBuilder {
    fn new() -> Self {
        Self {
            config: Config {
                path: "/token".into(),
                issuer_path: String::new(),
                clients: Vec::new(),
                raw_basic: false,
                verify_assertion: None,
                extension_grants: Vec::new(),
                dpop: None,
                single_token: false,
                same_token: false,
                send_lifetime: true,
                send_scope: true,
                granted_scope: None,
            },
            lifetime: Duration::from_secs(3600),
            delay: Duration::ZERO,
        }
    }

    /// Adds a client that may request tokens. Repeatable. Default: any client that names itself is
    /// accepted.
    pub fn client(mut self, client: RegisteredClient) -> Self {
        self.config.clients.push(client);
        self
    }

    /// Accepts client assertions (RFC 7521 §4.2) if a closure returns `Ok`. Its error is the OAuth error
    /// code of the refusal, such as `invalid_client`. Default: they are refused, or accepted unchecked
    /// if no client was configured. The server itself cannot verify JWTs, so use a JWT library.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::testing::AuthorizationServer;
    ///
    /// # fn verified(_: &str) -> bool { true }
    /// let idp = AuthorizationServer::builder()
    ///     .verify_assertion(|request| match request.form_value("client_assertion") {
    ///         Some(jwt) if verified(jwt) => Ok(()),
    ///         _ => Err("invalid_client"),
    ///     })
    ///     .build();
    /// ```
    pub fn verify_assertion(
        mut self,
        verify: impl Fn(&RecordedRequest) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Self {
        self.config.verify_assertion = Some(Arc::new(verify));
        self
    }

    /// Accepts an extension grant (RFC 6749 §4.5) if a closure returns `Ok`. Its error is the OAuth
    /// error code of the refusal, such as `invalid_grant`. Repeatable with different grant types.
    /// Default: none.
    ///
    /// Such a request may have no client. If it has one, the client must be configured. The
    /// response to a token exchange has an `issued_token_type` (RFC 8693 §2.2.1).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::testing::AuthorizationServer;
    ///
    /// # fn verified(_: &str) -> bool { true }
    /// let idp = AuthorizationServer::builder()
    ///     .extension_grant("urn:ietf:params:oauth:grant-type:jwt-bearer", |request| {
    ///         match request.form_value("assertion") {
    ///             Some(jwt) if verified(jwt) => Ok(()),
    ///             _ => Err("invalid_grant"),
    ///         }
    ///     })
    ///     .build();
    /// ```
    pub fn extension_grant(
        mut self,
        grant_type: impl Into<String>,
        verify: impl Fn(&RecordedRequest) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Self {
        self.config.extension_grants.push((grant_type.into(), Arc::new(verify)));
        self
    }

    /// Requires a DPoP proof in each token request, and binds the token to its key (RFC 9449 §5).
    /// Default: proofs are ignored, and tokens are bearer tokens.
    pub fn dpop(mut self, verifier: DpopVerifier) -> Self {
        self.config.dpop = Some(verifier);
        self
    }

    /// Sets the lifetime of tokens. Default: 3,600 s. `expires_in` is an integer for whole seconds,
    /// otherwise a float.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Leaves `expires_in` out of responses (RFC 6749 §5.1 allows it). Tokens live as long as
    /// before. Default: it is sent.
    pub fn no_expires_in(mut self) -> Self {
        self.config.send_lifetime = false;
        self
    }

    /// Sets how long each response takes. Default: zero. A token's lifetime includes the delay.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the path in the issuer identifier. Default: none. A leading slash is added if it is
    /// missing.
    pub fn issuer_path(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.config.issuer_path = if path.is_empty() { path } else { with_slash(path) };
        self
    }

    /// Sets the path of the token endpoint. Default: `/token`. Every path other than this one and
    /// those of the metadata gets a 404. A leading slash is added if it is missing.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.config.path = with_slash(path.into());
        self
    }

    /// Sets whether a new token revokes the client's earlier ones. Default: no.
    pub fn single_token(mut self, single: bool) -> Self {
        self.config.single_token = single;
        self
    }

    /// Sets whether to issue the same token again, to the same client and for the same scope, until
    /// it expires. Default: no. Its lifetime is the remaining one, rounded down if the lifetime is
    /// in whole seconds.
    pub fn same_token(mut self, same: bool) -> Self {
        self.config.same_token = same;
        self
    }

    /// Sets the scope that is granted for any request. Default: the requested scope.
    pub fn granted_scope(mut self, scope: impl Into<String>) -> Self {
        self.config.granted_scope = Some(scope.into());
        self
    }

    /// Leaves `scope` out of responses, as RFC 6749 §5.1 allows where all of it is granted.
    /// Default: it is sent.
    pub fn no_scope(mut self) -> Self {
        self.config.send_scope = false;
        self
    }

    /// Sets whether Basic credentials are compared as they are, without form-decoding their parts.
    /// Default: no. Some servers do that, though RFC 6749 §2.3.1 says otherwise.
    pub fn raw_basic(mut self, raw: bool) -> Self {
        self.config.raw_basic = raw;
        self
    }

    /// Builds the server.
    #[must_use = "the server answers through its service or its socket"]
    pub fn build(self) -> AuthorizationServer {
        AuthorizationServer::with(self.config, self.lifetime, self.delay)
    }
}

fn with_slash(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// Shows no secret.
impl fmt::Debug for AuthorizationServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServerBuilder")
            .field("path", &self.config.path)
            .field("clients", &self.config.clients.len())
            .field("lifetime", &self.lifetime)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}
