//! Extension grants: other ways for a service to get a token as itself (RFC 6749 §4.5).
//!
//! * [Common parts and differences](#common-parts-and-differences)
//! * [Zoom: account credentials](#zoom-account-credentials)
//! * [Google: a service account](#google-a-service-account)
//! * [Token exchange with a file](#token-exchange-with-a-file)
//! * [From the configuration](#from-the-configuration)
//!
//! # Common parts and differences
//!
//! Some authorization servers issue a service's token by another grant than `client_credentials`.
//! The token request then has another [`grant_type`] and more parameters. The cache, the layer,
//! retries, backoff and error messages are the same.
//!
//! | setting | use |
//! | --- | --- |
//! | [`grant_type`] | The grant's name, or its URI. |
//! | [`parameter`] with a text | A value that is not secret, such as `account_id` or `subject_token_type`. |
//! | [`parameter`] with a [`Secret`] | A value, a closure or a file. Closures and files are read for each attempt. |
//! | [`parameter`] with [`ParameterValue::from_fn`] | An async closure, called for each attempt. |
//! | [`parameter`] with a [`SignedJwt`] | A JWT that a private key signs for each attempt, with a new `iat`, `exp` and `jti`; feature `jwt`. |
//! | [`no_client_authentication`] | Sends neither credentials nor `client_id`, if the grant identifies the client. |
//!
//! Parameter values do not appear in logs, errors or `Debug`, and are wiped after use. A
//! `SignedJwt` is dated by the authorization server's clock, as client assertions are.
//!
//! Grants that need a user, such as `authorization_code`, do not fit: their codes are valid for one
//! request, and this crate repeats the request for each new token.
//!
//! [`grant_type`]: ClientCredentialsBuilder::grant_type
//! [`parameter`]: ClientCredentialsBuilder::parameter
//! [`no_client_authentication`]: ClientCredentialsBuilder::no_client_authentication
//!
//! # Zoom: account credentials
//!
//! A server-to-server app has a client id, a secret and an account id.
//!
//! ```
//! use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # let idp = AuthorizationServer::builder()
//! #     .client(RegisteredClient::new("CLIENT_ID").secret("s3cret"))
//! #     .extension_grant("account_credentials", |request| {
//! #         match request.form_value("account_id") {
//! #             Some("ACCOUNT_ID") => Ok(()),
//! #             _ => Err("invalid_request"),
//! #         }
//! #     })
//! #     .build();
//! # let (token_url, transport) = (idp.token_url(), idp.service());
//! # let secret = || Ok("s3cret".to_owned());
//! let tokens = ClientCredentials::builder(token_url) // https://zoom.us/oauth/token
//!     .client_secret_basic("CLIENT_ID", Secret::from_fn(secret))
//!     .grant_type("account_credentials")
//!     .parameter("account_id", "ACCOUNT_ID")
//!     .transport(transport) // omit this to use the default transport
//!     .build()?
//!     .into_cache();
//! tokens.get().await?;
//! # assert_eq!(idp.requests()[0].body, "grant_type=account_credentials&account_id=ACCOUNT_ID");
//! # Ok(())
//! # }
//! ```
//!
//! # Google: a service account
//!
//! The JWT bearer grant (RFC 7523 §2.1): the JWT identifies the service, so there is no client.
//! DocuSign, Salesforce and Box use the same grant; their documentation lists the claims. Box also
//! requires its client's secret (`client_secret_post`).
//!
//! ```
//! # #[cfg(not(feature = "jwt"))]
//! # fn main() {}
//! # #[cfg(feature = "jwt")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! use std::time::Duration;
//!
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, endpoint::SignedJwt,
//!     jose::{SigningAlgorithm, SigningKey},
//! };
//! # use tower_oauth2_client_credentials::testing::AuthorizationServer;
//!
//! const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
//!
//! # let pem = include_str!("../../tests/credentials/signing_keys/rsa2048-pkcs8.pem");
//! # let account = serde_json::json!({
//! #     "type": "service_account", "private_key_id": "2026-11", "private_key": pem,
//! #     "client_email": "svc@project.iam.gserviceaccount.com",
//! # }).to_string();
//! # let public = jsonwebtoken::DecodingKey::from_rsa_pem(
//! #     include_bytes!("../../tests/credentials/signing_keys/rsa2048-public.pem"))?;
//! # let idp = AuthorizationServer::builder()
//! #     .extension_grant(JWT_BEARER, move |request| {
//! #         let jwt = request.form_value("assertion").ok_or("invalid_request")?;
//! #         let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
//! #         rules.set_audience(&["https://oauth2.googleapis.com/token"]);
//! #         let claims = jsonwebtoken::decode::<serde_json::Value>(jwt, &public, &rules);
//! #         let claims = claims.map_err(|_| "invalid_grant")?.claims;
//! #         let (from, to) = (claims["iat"].as_u64(), claims["exp"].as_u64());
//! #         let good = claims["iss"] == "svc@project.iam.gserviceaccount.com"
//! #             && claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_only"
//! #             && to.zip(from).is_some_and(|(to, from)| to - from == 3600);
//! #         if good { Ok(()) } else { Err("invalid_grant") }
//! #     })
//! #     .build();
//! # let transport = idp.service();
//! // let account = std::fs::read_to_string("service-account.json")?;
//! let account: serde_json::Value = serde_json::from_str(&account)?;
//! let text = |member: &str| account[member].as_str().unwrap_or_default();
//!
//! let key = SigningKey::from_pem(SigningAlgorithm::Rs256, text("private_key"))?
//!     .with_key_id(text("private_key_id"));
//! let jwt = SignedJwt::new(key)
//!     .issuer(text("client_email"))
//!     .audience("https://oauth2.googleapis.com/token")
//!     .claim("scope", "https://www.googleapis.com/auth/devstorage.read_only")
//!     .lifetime(Duration::from_secs(3600)); // also the longest that Google accepts
//!
//! # let token_url = idp.token_url();
//! let tokens = ClientCredentials::builder(token_url) // https://oauth2.googleapis.com/token
//!     .no_client_authentication()
//!     .grant_type(JWT_BEARER)
//!     .parameter("assertion", jwt)
//!     .transport(transport) // omit this to use the default transport
//!     .build()?
//!     .into_cache();
//! tokens.get().await?;
//! # assert_eq!(idp.tokens_issued(), 1);
//! # assert!(idp.requests()[0].form_value("client_id").is_none());
//! # Ok(())
//! # }
//! ```
//!
//! For a key that is replaced while the process runs, pass a [`SigningKeySource`] to
//! [`SignedJwt::new`].
//!
//! # Token exchange with a file
//!
//! RFC 8693: the platform keeps a token in a file, and the authorization server exchanges it for
//! another. The file is read for each attempt.
//!
//! ```
//! use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
//!
//! const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # let idp = AuthorizationServer::builder()
//! #     .client(RegisteredClient::new("my-service").secret("s3cret"))
//! #     .extension_grant(TOKEN_EXCHANGE, |request| {
//! #         match (request.form_value("subject_token"), request.form_value("subject_token_type")) {
//! #             (Some("a.b.c"), Some("urn:ietf:params:oauth:token-type:jwt")) => Ok(()),
//! #             _ => Err("invalid_request"),
//! #         }
//! #     })
//! #     .build();
//! # let (token_url, transport) = (idp.token_url(), idp.service());
//! # let path = std::env::temp_dir().join(format!("toacc-exchange-{}", std::process::id()));
//! # std::fs::write(&path, "a.b.c\n")?;
//! let tokens = ClientCredentials::builder(token_url)
//!     .client_secret_basic("my-service", "s3cret") // or no_client_authentication()
//!     .grant_type(TOKEN_EXCHANGE)
//!     .parameter("subject_token", Secret::from_file(&path)) // "/var/run/secrets/tokens/idp"
//!     .parameter("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
//!     .parameter("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
//!     .audience("https://api.example.com")
//!     .transport(transport) // omit this to use the default transport
//!     .build()?
//!     .into_cache();
//! let token = tokens.get().await;
//! # std::fs::remove_file(&path)?;
//! # token?;
//! # assert_eq!(idp.tokens_issued(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! A response whose `token_type` is `N_A` holds no access token (RFC 8693 §2.2.1). It is refused,
//! and the error names the parameter to set.
//!
//! # From the configuration
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "jwt"))] {
//! use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
//!
//! # let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/credentials/signing_keys/rsa2048-pkcs8.pem");
//! # let text = |text: &str| text.replace("/run/secrets/key.pem", key);
//! let config: ClientCredentialsConfig = toml::from_str(
//!     # &text(
//!     r#"
//!     token_url = "https://oauth2.googleapis.com/token"
//!     auth_method = "none"
//!     grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
//!     private_key_file = "/run/secrets/key.pem"
//!     signing_algorithm = "RS256"
//!     key_id = "2026-11"
//!     jwt_lifetime = "1h"
//!
//!     [jwt_claims]
//!     iss = "svc@project.iam.gserviceaccount.com"
//!     aud = "https://oauth2.googleapis.com/token"
//!     scope = "https://www.googleapis.com/auth/devstorage.read_only"
//!     "#,
//!     # ),
//! )?;
//! let tokens = config.into_cache()?;
//! # let _ = tokens;
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
//! ```
//!
//! Other grants use `parameters`, and `parameter_files` for secrets; see [the
//! settings](super::configuration#the-settings).

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
