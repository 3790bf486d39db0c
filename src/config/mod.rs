//! Settings from a file or the environment, for a [`ClientCredentials`] and its cache.

mod auth;
mod files;
#[cfg(feature = "jwt")]
mod json;
mod parameters;
mod read;
mod setting_names;
mod sources;
#[cfg(feature = "hyper-transport")]
mod transport;
mod unknown_names;
mod value;

use std::fmt;
#[cfg(feature = "hyper-transport")]
use std::sync::{Arc, OnceLock};

use http_body::Body;
use tower_service::Service;

#[cfg(feature = "hyper-transport")]
use crate::transport::ClientIdentity;
use crate::{
    cache::{TokenCache, TokenCacheBuilder},
    endpoint::{ClientCredentials, ClientCredentialsBuilder},
    error::{BoxError, Error},
    source::TokenSource,
    transport::TokenRequest,
};

use unknown_names::VariableOrigin;
use value::Value;

/// Settings from a file or the environment, for a [`ClientCredentials`] and its cache.
///
/// It is read by [`from_env`](Self::from_env), or by any serde format (TOML, JSON, YAML).
/// [`docs::configuration`](crate::docs::configuration) lists the settings. The result is a builder,
/// so everything else can be set in code.
///
/// Reading itself never fails. Errors are stored, and reported by [`source_builder`](Self::source_builder),
/// [`cache_builder`](Self::cache_builder) and [`into_cache`](Self::into_cache). The reason is that some serde
/// formats print the line with the error, and that line may contain the secret. Errors of this
/// crate name settings and show no values. `Debug` shows no values either.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper-transport")] {
/// use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
///
/// let config: ClientCredentialsConfig = toml::from_str(
///     r#"
///     token_url = "https://idp.example.com/oauth2/token"
///     client_id = "my-service"
///     client_secret = "s3cret"
///     scope = "invoices:read"
///     "#,
/// )?;
/// let tokens = config.into_cache()?;
/// # let _ = tokens;
/// # }
/// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
/// ```
#[derive(Clone, Default)]
pub struct ClientCredentialsConfig {
    /// Prefix of the environment's variables. The keys of a file have no prefix.
    prefix: Option<String>,
    /// In the order of `SETTINGS`, each at most once.
    values: Vec<(&'static str, Value)>,
    /// Found while reading.
    mistakes: Vec<String>,
    /// The most likely origin of unknown variables, if there are any.
    unknown_origin: Option<VariableOrigin>,
    /// The configured certificate, one for token requests and API calls. Clones share it.
    #[cfg(feature = "hyper-transport")]
    identity: Arc<OnceLock<ClientIdentity>>,
}

impl ClientCredentialsConfig {
    /// A builder with these settings, except those of the cache.
    ///
    /// The named files may be created later, such as by a sidecar. A missing file is logged at WARN,
    /// and is read when it is needed. [`check`](Self::check) refuses it.
    ///
    /// # Errors
    ///
    /// Kind `Config` if a setting is unknown, missing, or of the wrong type, settings contradict
    /// each other, or one needs a feature of this crate that is off. The message names the settings
    /// as they were written. [`build`](ClientCredentialsBuilder::build) reports the remaining
    /// errors, with the names of the builder's methods.
    pub fn source_builder(&self) -> Result<ClientCredentialsBuilder, Error> {
        self.check_reading()?;
        self.cache_settings()?;
        // Plain http may still be allowed in code.
        let builder = match self.one_of("token_url", "issuer")? {
            Some("token_url") => ClientCredentials::builder(self.url("token_url", true)?),
            Some(_) => ClientCredentials::discover(self.url("issuer", true)?),
            None => return Err(self.missing(&["token_url", "issuer"], "set one of them")),
        };
        let mut builder = self.authenticate(builder)?;
        #[cfg(feature = "hyper-transport")]
        {
            builder = self.connect(builder)?;
        }
        builder = self.parameters(builder)?;
        self.check_features()?;
        if let Some(attempts) = self.count("attempts")? {
            builder = builder.attempts(attempts);
        }
        if let Some(timeout) = self.duration("attempt_timeout")? {
            builder = builder.attempt_timeout(timeout);
        }
        if let Some(cap) = self.duration("lifetime_cap")? {
            builder = builder.lifetime_cap(cap);
        }
        if let Some(lifetime) = self.duration("token_lifetime")? {
            builder = builder.token_lifetime(lifetime);
        }
        Ok(builder)
    }

    /// A cache builder with these settings, around the source from [`source_builder`](Self::source_builder) or any
    /// other source.
    ///
    /// # Errors
    ///
    /// Same errors as [`source_builder`](Self::source_builder), for the settings of the cache.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
    ///
    /// let config = ClientCredentialsConfig::from_vars(
    ///     "BILLING_OAUTH_",
    ///     [
    ///         ("BILLING_OAUTH_ISSUER", "https://idp.example.com"),
    ///         ("BILLING_OAUTH_CLIENT_ID", "my-service"),
    ///         ("BILLING_OAUTH_CLIENT_SECRET", "s3cret"),
    ///         ("BILLING_OAUTH_WAIT_TIMEOUT", "5s"),
    ///     ],
    /// );
    /// let source = config.source_builder()?.strict_metadata(true).build()?;
    /// let tokens = config.cache_builder(source)?.observer(|event| println!("{event:?}")).build();
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn cache_builder(&self, source: impl TokenSource) -> Result<TokenCacheBuilder, Error> {
        self.check_reading()?;
        let set = self.cache_settings()?;
        let mut builder = TokenCache::builder(source);
        if let Some(timeout) = set.acquisition_timeout {
            builder = builder.acquisition_timeout(timeout);
        }
        if let Some(timeout) = set.wait_timeout {
            builder = builder.wait_timeout(timeout);
        }
        if let Some(leeway) = set.leeway {
            builder = builder.leeway(leeway);
        }
        if let Some(lifetime) = set.default_lifetime {
            builder = builder.default_lifetime(lifetime);
        }
        if let Some(keep_warm) = set.keep_warm {
            builder = builder.keep_warm(keep_warm);
        }
        Ok(builder)
    }

    /// Builds the cache, when nothing needs to be set in code. Token requests are sent through the
    /// default transport (feature `hyper-transport`).
    ///
    /// # Errors
    ///
    /// Same errors as [`source_builder`](Self::source_builder) and [`ClientCredentialsBuilder::build`].
    pub fn into_cache(self) -> Result<TokenCache, Error> {
        self.finish(|builder| builder)
    }

    /// Builds the cache like [`into_cache`](Self::into_cache), with another transport for token
    /// requests, such as a [`ReqwestService`](crate::transport::ReqwestService). It must not follow
    /// redirects.
    ///
    /// The settings `ca_file`, `proxy` and `client_certificate_file` are for the default transport. They
    /// are refused here, since this transport does not know them.
    ///
    /// # Errors
    ///
    /// Same errors as [`source_builder`](Self::source_builder) and [`ClientCredentialsBuilder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_oauth2_client_credentials::{
    ///     config::ClientCredentialsConfig, transport::ReqwestService,
    /// };
    ///
    /// # let config = ClientCredentialsConfig::from_vars("OAUTH_", [
    /// #     ("OAUTH_TOKEN_URL", "https://idp.example.com/token"),
    /// #     ("OAUTH_CLIENT_ID", "my-service"),
    /// #     ("OAUTH_CLIENT_SECRET", "s3cret"),
    /// # ]);
    /// # /*
    /// let config = ClientCredentialsConfig::from_env();
    /// # */
    /// let http = ReqwestService::new(reqwest::Client::builder())?;
    /// let tokens = config.into_cache_with(http.clone())?;
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
    /// ```
    pub fn into_cache_with<S, B>(self, transport: S) -> Result<TokenCache, Error>
    where
        S: Service<TokenRequest, Response = http::Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.refuse_transport_settings()?;
        self.finish(|builder| builder.transport(transport))
    }

    fn finish(
        self,
        change: impl FnOnce(ClientCredentialsBuilder) -> ClientCredentialsBuilder,
    ) -> Result<TokenCache, Error> {
        let builder = self.source_builder()?;
        self.check_alone()?;
        Ok(self.cache_builder(change(builder).build()?)?.build())
    }
}

impl fmt::Debug for ClientCredentialsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: any value may be a misplaced secret.
        let names: Vec<_> = self.values.iter().map(|(setting, _)| self.name(setting)).collect();
        f.debug_struct("ClientCredentialsConfig").field("set", &names).finish_non_exhaustive()
    }
}
