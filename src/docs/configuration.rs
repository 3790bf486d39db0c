//! Settings from a file or the environment: [`ClientCredentialsConfig`].
//!
//! * [From a file](#from-a-file)
//! * [From the environment](#from-the-environment)
//! * [The settings](#the-settings)
//! * [Which client authentication](#which-client-authentication)
//! * [Mistakes, and secrets](#mistakes-and-secrets)
//!
//! # From a file
//!
//! It is a type for serde, so it can stand among the settings of your application, in TOML, YAML,
//! JSON or whatever reader you have. It needs no feature.
//!
//! ```
//! # #[cfg(feature = "hyper")] {
//! use tower_oauth2_client_credentials::ClientCredentialsConfig;
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
//! // All of it, if nothing is to be set in code:
//! let tokens = app.billing.clone().into_cache()?;
//!
//! // Or step by step. What is set later replaces what was read; resources and parameters are added.
//! let source = app.billing.builder()?.strict_metadata(true).build()?;
//! let tokens = app.billing.cache(source)?.observer(|event| println!("{event:?}")).build();
//! # let _ = (tokens, app.port);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
//! ```
//!
//! # From the environment
//!
//! ```no_run
//! # #[cfg(feature = "hyper")] {
//! use tower_oauth2_client_credentials::ClientCredentialsConfig;
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
//! A prefix belongs to one client alone. A variable that begins with it and is not a setting is a
//! mistake, as it is most likely a misspelt setting; the error names the nearest one. Where another
//! program has variables with `OAUTH_`, use another prefix. Kubernetes makes some for a service
//! named `oauth`; `enableServiceLinks: false` in the pod spec turns that off. An empty prefix is
//! refused.
//!
//! Tests give the variables themselves and leave the process's environment alone:
//!
//! ```
//! use tower_oauth2_client_credentials::ClientCredentialsConfig;
//!
//! let vars = [("OAUTH_TOKEN_URL", "https://idp.example.com/token"), ("OAUTH_SCOPES", "a b")];
//! let config = ClientCredentialsConfig::from_vars("OAUTH_", vars);
//! let error = config.builder().err().expect("a misspelt setting");
//! assert!(error.to_string().contains("did you mean OAUTH_SCOPE?"));
//! ```
//!
//! # The settings
//!
//! In a file they have these names; in the environment the same in upper case, after the prefix.
//! White space around a value is not part of it (of a secret: line breaks at its end), and an empty
//! one counts as not set, as templates leave those behind. In a file, secrets and ids that look
//! like numbers are put into quotes.
//!
//! | setting | what it is |
//! | --- | --- |
//! | `token_url` | The token endpoint. This or `issuer`. |
//! | `issuer` | The authorization server, to [discover](crate::ClientCredentials::discover) the endpoint by. |
//! | `client_id` | The client. Optional with the `auth_method` `none`. |
//! | `client_secret` | Its secret. This or `client_secret_file`. |
//! | `client_secret_file` | The file that holds it, [read again](crate::Secret::from_file) for each attempt. |
//! | `auth_method` | [Which client authentication](#which-client-authentication). |
//! | `private_key_file` | The key for `private_key_jwt`: a JWK or PEM. |
//! | `signing_algorithm` | `ES256`, `RS256` … for an RSA key in PEM, or in a JWK without `alg`; other keys fit one alone. `HS256` (default), `HS384`, `HS512` for `client_secret_jwt`. |
//! | `key_id` | The key's `kid`, if it is not in the JWK. |
//! | `jwt_claims` | The claims of a JWT that the private key signs for each attempt, and that is sent as the parameter `assertion` ([`SignedJwt`](crate::SignedJwt)): a map, or a JSON object as text. `aud` defaults to the `issuer`. Feature `jwt`. |
//! | `jwt_lifetime` | How long [that JWT is valid](crate::SignedJwt::lifetime). |
//! | `assertion_audience` | Whom an assertion signed here is for. Default: the `issuer`. |
//! | `client_assertion_file` | A client assertion that something else [keeps fresh](crate::ClientCredentialsBuilder::client_assertion_file). |
//! | `client_assertion_type` | [Its type](crate::ClientCredentialsBuilder::client_assertion_type), if it is another. |
//! | `client_certificate_file`, `client_key_file` | The [certificate](crate::ClientCredentialsBuilder::client_identity) that the client shows, and its key, in PEM; feature `hyper`. |
//! | `grant_type` | [The grant](crate::ClientCredentialsBuilder::grant_type), if it is an extension grant. |
//! | `ca_file` | [Root certificates](crate::HyperTransportBuilder::extra_root_certificates_file) in PEM that are trusted in addition to the platform's, such as those of a private authority; feature `hyper`. |
//! | `proxy` | The URL of a [proxy](crate::ProxySettings), with its scheme, or `none`. Default: the variables `HTTPS_PROXY`, `NO_PROXY` and others; feature `hyper`. |
//! | `scope` | Words, or a list. |
//! | `audience` | The `audience` parameter. |
//! | `resource` | [Resource indicators](crate::ClientCredentialsBuilder::resource): one, several between spaces, or a list. |
//! | `authorization_details` | [A JSON array of objects](crate::ClientCredentialsBuilder::authorization_details), as text. |
//! | `parameters` | [Further parameters](crate::ClientCredentialsBuilder::parameter): a map; as text a form, as in `a=b&c=d`, where a `=` in a value is `%3D`. A parameter with an empty value is not sent. No name may occur twice, neither here nor in code. |
//! | `parameter_files` | Further parameters whose value is a secret in a file that is [read for each attempt](crate::Secret::from_file): names and paths, written as `parameters` are. |
//! | `attempts`, `attempt_timeout` | [Of one acquisition](crate::ClientCredentialsBuilder::attempts). |
//! | `lifetime_cap` | [No lifetime above this](crate::ClientCredentialsBuilder::lifetime_cap) is believed. |
//! | `token_lifetime` | [The lifetime of each token](crate::ClientCredentialsBuilder::token_lifetime), in place of the server's. |
//! | `acquisition_timeout`, `wait_timeout`, `leeway`, `default_lifetime`, `keep_warm` | [Of the cache](crate::TokenCacheBuilder). |
//!
//! Durations are numbers of seconds (`30`, `0.5`), or texts with a unit: `500ms`, `30s`, `5m`, `1h`,
//! `1d`. None but `leeway` can be zero. `ca_file`, `proxy` and the certificate are those of the default
//! transport; [`transport`](ClientCredentialsConfig::transport) gives them to the client of the API. What has no setting here is for code: transports, observers,
//! DPoP keys, and plain `http` to other hosts than loopback.
//!
//! # Which client authentication
//!
//! Without `auth_method` the credential decides: a secret is sent by `client_secret_basic`, which is
//! what RFC 6749 §2.3.1 wants every server to take; a `private_key_file` means `private_key_jwt`;
//! and a `client_assertion_file` is sent as it is. `auth_method` chooses another, by its registered
//! name where it has one:
//!
//! | `auth_method` | needs |
//! | --- | --- |
//! | `client_secret_basic`, `client_secret_post`, `client_secret_basic_raw` | a secret |
//! | `client_secret_jwt` | a secret; feature `jwt` |
//! | `private_key_jwt` | `private_key_file`; feature `jwt` |
//! | `client_assertion_file` | the file of that name |
//! | `tls_client_auth`, `self_signed_tls_client_auth` | a certificate, here or in a transport of your own |
//! | `none` | nothing. With a `client_id` this is a public client; without one it is [no client at all](crate::ClientCredentialsBuilder::no_client_authentication), which needs a `grant_type` |
//!
//! With `jwt_claims` the private key signs the JWT of the grant. It then authenticates the client
//! only where `auth_method` says `private_key_jwt`.
//!
//! A credential that the method does not use is a mistake, so that nobody believes it is in use.
//!
//! # Mistakes, and secrets
//!
//! Errors are of kind `Config` and name each setting as it was written, `client_secret_file` or
//! `BILLING_OAUTH_CLIENT_SECRET_FILE`, and what to do; never a value, of whatever setting: the
//! secret may have ended up there. A name that is no setting is shown if it can be one: up to 64
//! letters, digits, `_`, `-` and `.`; so not `client_secret:s3cret`, which is what YAML makes of a
//! missing space. A path is shown only if its file or its folder exists; any other text may be a
//! secret. The error then names the setting.
//!
//! A file may be created later, such as by a sidecar. A missing one is logged at WARN, and read when
//! it is needed. [`check`](ClientCredentialsConfig::check) is for programs that want it strict: each
//! file must be there, and keys, certificates and assertions are parsed. A path that is not
//! a regular file is an error at startup. If it stops being one later, the last good value is used.
//!
//! What only the builders' own `build` can tell, such as a parameter that has a setting of its own,
//! they tell by their own names.
//!
//! Mistakes come from [`builder`](ClientCredentialsConfig::builder) and not from the reader: `toml`, for
//! one, prints the whole line in which the mistake is. What we can't help is a file that your
//! reader cannot read at all, such as one with a quote too few: show such an error without the text
//! around it, or keep secrets in files of their own (`client_secret_file`), where they are
//! [wiped](super::security) after each use, too. The environment, and what a reader holds, are not.

// Names for the links above.
#[cfg(doc)]
use crate::ClientCredentialsConfig;
