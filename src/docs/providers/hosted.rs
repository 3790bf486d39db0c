//! Identity services: Auth0, Okta, Amazon Cognito.
//!
//! These settings have not been tested against live servers, see the [chapter](super).
//!
//! # Auth0
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "jwt"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, client_auth::Secret,
//!     jose::{SigningAlgorithm, SigningKeySource},
//! };
//!
//! let source = ClientCredentials::builder("https://TENANT.eu.auth0.com/oauth/token")
//!     .client_secret_post("CLIENT_ID", Secret::from_file("/run/secrets/auth0"))
//!     .audience("https://api.example.com/") // the API's *Identifier*, to the letter
//!     .build()?;
//!
//! // With a key instead. Auth0 shows the credential's `kid`.
//! let key = SigningKeySource::from_pem_file(SigningAlgorithm::Rs256, "/run/secrets/auth0.pem")
//!     .and_then(|key| Ok(key.with_key_id("KID")));
//! let source = ClientCredentials::builder("https://TENANT.eu.auth0.com/oauth/token")
//!     .private_key_jwt("CLIENT_ID", key, "https://TENANT.eu.auth0.com/") // with the slash
//!     .audience("https://api.example.com/")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * `audience` selects the API. Without it the response is an error, or an opaque token that the
//!   API refuses.
//! * The application's *Authentication Method* at Auth0 decides which method is accepted, Basic
//!   included.
//! * An assertion may live 5 minutes at most (this crate: 60 s), is valid once, and may be dated at
//!   most 10 s ahead. Watch [`EventKind::ClockSkew`].
//! * Tokens live 24 h unless the API says otherwise, and each one counts against a quota: share the
//!   cache.
//! * DPoP is available to tenants that have it turned on.
//!
//! # Okta
//!
//! New *API Services* applications **require DPoP** by default. The org authorization server
//! (scopes `okta.…`, Okta's own API) accepts `private_key_jwt` only:
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "jwt", feature = "dpop"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, dpop::DpopKey,
//!     jose::{SigningAlgorithm, SigningKeySource},
//! };
//!
//! const TOKEN_URL: &str = "https://ORG.okta.com/oauth2/v1/token";
//!
//! let key = SigningKeySource::from_pem_file(SigningAlgorithm::Rs256, "/run/secrets/okta.pem")
//!     .and_then(|key| Ok(key.with_key_id("KID")));
//! let source = ClientCredentials::builder(TOKEN_URL)
//!     .private_key_jwt("CLIENT_ID", key, TOKEN_URL)
//!     .dpop(DpopKey::generate())
//!     .scope("okta.users.read")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * The audience of the assertion is the token URL. It may live an hour at most.
//! * Okta requires a nonce in each proof. The first token request therefore gets a 400
//!   `use_dpop_nonce` and repeated at once, with a new assertion. That is not a failure.
//! * Proofs: RS256 to RS512 and ES256 to ES512. The generated key is for ES256. A key that you
//!   provide must not be for EdDSA or PS256.
//! * `invalid_dpop_proof` without DPoP in the settings: *Require Demonstrating Proof of Possession*
//!   is on in the application. Use DPoP, or turn it off there.
//! * Custom authorization servers: `https://ORG.okta.com/oauth2/default/v1/token`, or
//!   `discover("https://ORG.okta.com/oauth2/default")`. They accept secrets as well, and require a
//!   custom scope: without one the response is an error, unless a default scope is set.
//!
//! # Amazon Cognito
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
//!
//! let source = ClientCredentials::builder(
//!     "https://DOMAIN.auth.eu-central-1.amazoncognito.com/oauth2/token",
//! )
//! .client_secret_basic("APP_CLIENT_ID", Secret::from_file("/run/secrets/cognito"))
//! .scope("https://api.example.com/invoices:read") // resource server identifier / scope
//! .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * Basic and `client_secret_post` only. The app client needs a secret, the grant, and a custom
//!   scope. Without a scope in the request, all scopes of the client are granted.
//! * The user pool needs a domain. The issuer is on another host,
//!   `https://cognito-idp.REGION.amazonaws.com/POOL_ID`.
//! * Wrong credentials get a 400 `invalid_client` instead of a 401. This crate reads the code, not
//!   the status.
//! * Token requests are limited and charged for: use one cache for the service.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
