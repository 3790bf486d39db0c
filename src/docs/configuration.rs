//! Settings from a file or the environment: [`ClientCredentialsConfig`].
//!
//! * [From a file](#from-a-file)
//! * [From the environment](#from-the-environment)
//! * [The settings](#the-settings)
//! * [Which client authentication](#which-client-authentication)
//! * [Errors, and secrets](#errors-and-secrets)
//!
//! # From a file
//!
//! The type implements serde's `Deserialize`. Put it among the settings of your application, in
//! TOML, YAML, JSON or any other format that serde reads. It needs no feature.
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
//!
//! #[derive(serde::Deserialize)]
//! struct App {
//!     port: u16,
//!     billing: ClientCredentialsConfig,
//! }
//!
//! let app: App = toml::from_str(
//!     r#"
//!     port = 8080
//!
//!     [billing]
//!     issuer = "https://idp.example.com"
//!     client_id = "my-service"
//!     client_secret = "s3cret"   # or client_secret_file = "/run/secrets/billing"
//!     scope = ["invoices:read", "invoices:write"]
//!     parameters = { organization = "acme" }
//!     wait_timeout = "5s"
//!     "#,
//! )?;
//!
//! // In one step, if the code sets nothing:
//! let tokens = app.billing.clone().into_cache()?;
//!
//! // Or step by step. Later settings replace earlier ones; resources and parameters are added.
//! let source = app.billing.source_builder()?.strict_metadata(true).build()?;
//! let tokens = app.billing.cache_builder(source)?.observer(|event| println!("{event:?}")).build();
//! # let _ = (tokens, app.port);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
//! ```
//!
//! # From the environment
//!
//! ```no_run
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
//!
//! // OAUTH_TOKEN_URL, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET_FILE, …
//! let tokens = ClientCredentialsConfig::from_env().into_cache()?;
//!
//! // One of several clients: BILLING_OAUTH_TOKEN_URL, …
//! let config = ClientCredentialsConfig::from_env_with_prefix("BILLING_OAUTH_");
//! # let _ = (tokens, config);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! A prefix belongs to one client. A variable that begins with the prefix and is not a setting is
//! an error, because it is most likely a misspelled setting. The error names the nearest setting. If
//! another program uses variables that begin with `OAUTH_`, choose another prefix. Kubernetes
//! creates such variables for a service named `oauth`; `enableServiceLinks: false` in the pod spec
//! turns that off. An empty prefix is refused.
//!
//! Tests pass the variables themselves and leave the process's environment alone:
//!
//! ```
//! use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
//!
//! let vars = [("OAUTH_TOKEN_URL", "https://idp.example.com/token"), ("OAUTH_SCOPES", "a b")];
//! let config = ClientCredentialsConfig::from_vars("OAUTH_", vars);
//! let error = config.source_builder().err().expect("a misspelled setting");
//! assert!(error.to_string().contains("did you mean OAUTH_SCOPE?"));
//! ```
//!
//! # The settings
//!
//! In a file the settings have these names. In the environment the names are in upper case, after
//! the prefix. White space around a value is removed; for a secret, only line breaks at its end are
//! removed. An empty value counts as not set, because templates produce empty values. In a file,
//! quote secrets and ids that look like numbers.
//!
//! | setting | meaning |
//! | --- | --- |
//! | `token_url` | The token endpoint. Required, unless `issuer` is set. |
//! | `issuer` | The authorization server, whose endpoint is [discovered](crate::ClientCredentials::discover). |
//! | `client_id` | The client. Optional with the `auth_method` `none`. |
//! | `client_secret` | The client's secret. Use this or `client_secret_file`. |
//! | `client_secret_file` | The file that holds the secret. It is [read again](crate::client_auth::Secret::from_file) for each attempt. |
//! | `auth_method` | [The client authentication](#which-client-authentication). |
//! | `private_key_file` | The key for `private_key_jwt`: a JWK or PEM. |
//! | `signing_algorithm` | `ES256`, `RS256` … Required for an RSA key in PEM, or in a JWK without `alg`. Other keys fit one algorithm only. For `client_secret_jwt`: `HS256` (default), `HS384`, `HS512`. |
//! | `key_id` | The key's `kid`, if the JWK does not contain it. |
//! | `jwt_claims` | The claims of a JWT that the private key signs for each attempt. The JWT is sent as the parameter `assertion` ([`SignedJwt`]). A map, or a JSON object as text. `aud` defaults to the `issuer`. Feature `jwt`. |
//! | `jwt_lifetime` | [Lifetime of that JWT](crate::endpoint::SignedJwt::lifetime). |
//! | `assertion_audience` | The audience of an assertion that this crate signs. Default: the `issuer`. |
//! | `client_assertion_file` | A client assertion that another program [keeps fresh](crate::endpoint::ClientCredentialsBuilder::client_assertion_file). |
//! | `client_assertion_type` | [Its type](crate::endpoint::ClientCredentialsBuilder::client_assertion_type), if it is not that of RFC 7523. |
//! | `client_certificate_file`, `client_key_file` | The client's [certificate](crate::endpoint::ClientCredentialsBuilder::client_identity) and its key, in PEM; feature `hyper-transport`. |
//! | `grant_type` | [The grant](crate::endpoint::ClientCredentialsBuilder::grant_type), if it is an extension grant. |
//! | `ca_file` | [Root certificates](crate::transport::HyperTransportBuilder::extra_root_certificates_file) in PEM that are trusted in addition to the platform's, such as those of a private CA; feature `hyper-transport`. |
//! | `proxy` | The URL of a [proxy](crate::transport::ProxySettings) with its scheme, or `none`. Default: the variables `HTTPS_PROXY`, `NO_PROXY` and others; feature `hyper-transport`. |
//! | `scope` | Words, or a list. |
//! | `audience` | The `audience` parameter. |
//! | `resource` | [Resource indicators](crate::endpoint::ClientCredentialsBuilder::resource): one, several separated by spaces, or a list. |
//! | `authorization_details` | [A JSON array of objects](crate::endpoint::ClientCredentialsBuilder::authorization_details), as text. |
//! | `parameters` | [Further parameters](crate::endpoint::ClientCredentialsBuilder::parameter): a map, or text in form encoding, as in `a=b&c=d`, where a `=` in a value is `%3D`. A parameter with an empty value is not sent. A name may occur only once, including parameters set in code. |
//! | `parameter_files` | Further parameters whose value is a secret in a file that is [read for each attempt](crate::client_auth::Secret::from_file). Names and paths, written as `parameters` are. |
//! | `attempts`, `attempt_timeout` | [Attempts of one acquisition](crate::endpoint::ClientCredentialsBuilder::attempts). |
//! | `lifetime_cap` | [Upper limit for a token's lifetime](crate::endpoint::ClientCredentialsBuilder::lifetime_cap). |
//! | `token_lifetime` | [The lifetime of each token](crate::endpoint::ClientCredentialsBuilder::token_lifetime), in place of the server's. |
//! | `acquisition_timeout`, `wait_timeout`, `leeway`, `default_lifetime`, `keep_warm` | [Settings of the cache](crate::cache::TokenCacheBuilder). |
//!
//! Durations are numbers of seconds (`30`, `0.5`), or text with a unit: `500ms`, `30s`, `5m`, `1h`,
//! `1d`. Only `leeway` can be zero. `ca_file`, `proxy` and the certificate apply to the default
//! transport. [`transport_builder`](ClientCredentialsConfig::transport_builder) applies them to the client of the
//! API as well. [`into_cache_with`](ClientCredentialsConfig::into_cache_with) takes another transport, and
//! refuses them. These settings exist in code only: transports, observers, DPoP keys, and plain
//! `http` to other hosts than loopback.
//!
//! # Which client authentication
//!
//! Without `auth_method` the credential decides. A secret is sent by `client_secret_basic`, which
//! RFC 6749 §2.3.1 requires of every server. A `private_key_file` means `private_key_jwt`. A
//! `client_assertion_file` is sent as it is. `auth_method` chooses another method, by its
//! registered name if it has one:
//!
//! | `auth_method` | needs |
//! | --- | --- |
//! | `client_secret_basic`, `client_secret_post`, `client_secret_basic_raw` | a secret |
//! | `client_secret_jwt` | a secret; feature `jwt` |
//! | `private_key_jwt` | `private_key_file`; feature `jwt` |
//! | `client_assertion_file` | the file of that name |
//! | `tls_client_auth`, `self_signed_tls_client_auth` | a certificate, here or in a custom transport |
//! | `none` | nothing. With a `client_id` this is a public client. Without one [no client is named](crate::endpoint::ClientCredentialsBuilder::no_client_authentication), which needs a `grant_type` |
//!
//! With `jwt_claims` the private key signs the JWT of the grant. The key then authenticates the
//! client only if `auth_method` is `private_key_jwt`.
//!
//! A credential that the method does not use is an error, so that nobody believes it is in use.
//!
//! # Errors, and secrets
//!
//! Errors are of kind `Config`. They name each setting as it was written (`client_secret_file` or
//! `BILLING_OAUTH_CLIENT_SECRET_FILE`) and say what to do. They never show a value of any setting,
//! because the secret may be in the wrong place. An unknown name is shown only if it looks like a
//! name: up to 64 letters, digits, `_`, `-` and `.`. So `client_secret:s3cret`, which YAML makes of
//! a missing space, is not shown. A path is shown only if the file or its folder exists, because
//! other text may be a secret. Otherwise the error names the setting only.
//!
//! A file may be created later, such as by a sidecar. A missing file is logged at WARN, and read
//! when it is needed. For a strict start, call [`check`](ClientCredentialsConfig::check): each file
//! must exist, and keys, certificates and assertions are parsed. A path that is not a regular file
//! is an error at startup. If it stops being one later, the last good value is used.
//!
//! Some errors are found by the builders' own `build`, such as a parameter that has a dedicated
//! setting. Those errors use the builders' names.
//!
//! Mistakes are reported by [`source_builder`](ClientCredentialsConfig::source_builder) and not by the reader,
//! because a reader may print the whole line that contains the error, as `toml` does. A file that
//! your reader cannot parse at all, such as one with a missing quote, is beyond this crate's
//! control. Show such an error without the surrounding text, or keep secrets in separate files
//! (`client_secret_file`). Those are also [wiped](super::security) after each use. The environment,
//! and the data that a reader holds, are not wiped.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
