//! Settings from a file or the environment, for a [`ClientCredentials`] and its cache.

mod auth;
mod files;
#[cfg(feature = "jwt")]
mod json;
mod names;
mod parameters;
mod read;
mod sources;
mod transport;
mod value;

use std::fmt;

use crate::{
    cache::{TokenCache, TokenCacheBuilder},
    endpoint::{ClientCredentials, ClientCredentialsBuilder},
    error::Error,
    source::TokenSource,
};

use names::Foreign;
use value::Value;

/// The settings that there are: the keys in a file; in upper case, after the prefix, the
/// environment's variables.
const SETTINGS: &[&str] = &[
    "token_url",
    "issuer",
    "client_id",
    "client_secret",
    "client_secret_file",
    "auth_method",
    "private_key_file",
    "signing_algorithm",
    "key_id",
    "jwt_claims",
    "jwt_lifetime",
    "assertion_audience",
    "client_assertion_file",
    "client_assertion_type",
    "client_certificate_file",
    "client_key_file",
    "grant_type",
    "ca_file",
    "proxy",
    "scope",
    "audience",
    "resource",
    "authorization_details",
    "parameters",
    "parameter_files",
    "attempts",
    "attempt_timeout",
    "lifetime_cap",
    "token_lifetime",
    "acquisition_timeout",
    "wait_timeout",
    "leeway",
    "default_lifetime",
    "keep_warm",
];

/// Settings from a file or the environment, for a [`ClientCredentials`] and its cache.
///
/// It is read by [`from_env`](Self::from_env), or by any reader of serde's (TOML, JSON, YAML);
/// [`docs::configuration`](crate::docs::configuration) lists the settings. What comes out is the
/// builder, so all else can be set in code.
///
/// Reading itself finds no mistakes: they are kept, and told by [`builder`](Self::builder),
/// [`cache`](Self::cache) and [`into_cache`](Self::into_cache). Some readers print the line a
/// mistake is in, and it may be the secret's. Our errors name settings and show no values, and
/// neither does `Debug`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper")] {
/// use tower_oauth2_client_credentials::ClientCredentialsConfig;
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
    /// Of the environment's variables; a file's keys have none.
    prefix: Option<String>,
    /// In the order of [`SETTINGS`]' names, none twice.
    values: Vec<(&'static str, Value)>,
    /// Found while reading.
    mistakes: Vec<String>,
    /// Where unknown variables most likely come from, if there are any.
    foreign: Option<Foreign>,
    #[cfg(feature = "hyper")]
    identity: transport::SharedIdentity,
}

impl ClientCredentialsConfig {
    /// A builder with these settings, those of the cache apart.
    ///
    /// Files that are named may be created later, such as by a sidecar: a missing one is logged at
    /// WARN, and is read when it is needed. [`check`](Self::check) refuses it.
    ///
    /// # Errors
    ///
    /// Kind `Config`, naming the settings as they were written: when one is unknown, missing, or
    /// of another type than it should be; when some contradict each other; or when one needs a
    /// feature of this crate that is off. What only
    /// [`build`](ClientCredentialsBuilder::build) can tell, it tells by the builder's names.
    pub fn builder(&self) -> Result<ClientCredentialsBuilder, Error> {
        self.check_reading()?;
        self.cache_settings()?;
        // Plain http may yet be allowed, in code.
        let builder = match self.one_of("token_url", "issuer")? {
            Some("token_url") => ClientCredentials::builder(self.url("token_url", true)?),
            Some(_) => ClientCredentials::discover(self.url("issuer", true)?),
            None => return Err(self.missing(&["token_url", "issuer"], "set one of them")),
        };
        let mut builder = self.connect(self.authenticate(builder)?)?;
        builder = self.parameters(builder)?;
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

    /// A builder of a cache with these settings, around the source that
    /// [`builder`](Self::builder) led to, or any other.
    ///
    /// # Errors
    ///
    /// As for [`builder`](Self::builder), about the settings of the cache.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper")] {
    /// use tower_oauth2_client_credentials::ClientCredentialsConfig;
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
    /// let source = config.builder()?.strict_metadata(true).build()?;
    /// let tokens = config.cache(source)?.observer(|event| println!("{event:?}")).build();
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn cache(&self, source: impl TokenSource) -> Result<TokenCacheBuilder, Error> {
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

    /// The cache, where nothing is to be set in code.
    ///
    /// # Errors
    ///
    /// As for [`builder`](Self::builder), and as
    /// [`ClientCredentialsBuilder::build`] has it.
    pub fn into_cache(self) -> Result<TokenCache, Error> {
        let builder = self.builder()?;
        self.check_alone()?;
        Ok(self.cache(builder.build()?)?.build())
    }
}

impl fmt::Debug for ClientCredentialsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names alone: a secret may stand where none should.
        let names: Vec<_> = self.values.iter().map(|(setting, _)| self.name(setting)).collect();
        f.debug_struct("ClientCredentialsConfig").field("set", &names).finish_non_exhaustive()
    }
}
