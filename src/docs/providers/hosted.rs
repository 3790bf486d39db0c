//! Identity services: Auth0, Okta, Amazon Cognito.
//!
//! Not tried here, see the [chapter](super).
//!
//! # Auth0
//!
//! ```
//! # #[cfg(all(feature = "hyper", feature = "jwt"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, Secret, SigningAlgorithm, SigningKeySource,
//! };
//!
//! let source = ClientCredentials::builder("https://TENANT.eu.auth0.com/oauth/token")
//!     .client_secret_post("CLIENT_ID", Secret::from_file("/run/secrets/auth0"))
//!     .audience("https://api.example.com/") // the API's *Identifier*, to the letter
//!     .build()?;
//!
//! // With a key instead; `kid` is what Auth0 shows for the credential.
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
//! * `audience` chooses the API. Without it there is an opaque token that the API refuses, or an
//!   error.
//! * Basic is a setting of the application there (*Authentication Method*), as is each other.
//! * An assertion may live 5 minutes at most (here: 60 s), is good once, and may be dated 10 s
//!   ahead at most: [`Event::ClockSkew`] matters here.
//! * Tokens live 24 h unless the API says otherwise, and each one counts against a quota: share the
//!   cache.
//! * DPoP is offered to tenants that have it turned on.
//!
//! # Okta
//!
//! New *API Services* applications **require DPoP** by default, and the org authorization server
//! (scopes `okta.…`, Okta's own API) takes `private_key_jwt` only:
//!
//! ```
//! # #[cfg(all(feature = "hyper", feature = "jwt", feature = "dpop"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, DpopKey, SigningAlgorithm, SigningKeySource,
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
//! * Okta wants a nonce in each proof, so the first token request is answered 400
//!   `use_dpop_nonce` and made again at once, with a new assertion. That is no failure.
//! * Proofs: RS256 to RS512 and ES256 to ES512. The generated key is for ES256; a key of your own
//!   must not be for EdDSA or PS256.
//! * `invalid_dpop_proof` without DPoP here: *Require Demonstrating Proof of Possession* is on in
//!   the application. Use DPoP, or turn it off there.
//! * Custom authorization servers: `https://ORG.okta.com/oauth2/default/v1/token`, or
//!   `discover("https://ORG.okta.com/oauth2/default")`. They take secrets as well, and want a scope
//!   of their own: there is an error without one, unless a default scope is set.
//!
//! # Amazon Cognito
//!
//! ```
//! # #[cfg(feature = "hyper")] {
//! use tower_oauth2_client_credentials::{ClientCredentials, Secret};
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
//! * Basic and `client_secret_post`, nothing else. The app client needs a secret, the grant, and a
//!   custom scope; without a scope in the request all of the client's are granted.
//! * The user pool needs a domain. The issuer is on another host,
//!   `https://cognito-idp.REGION.amazonaws.com/POOL_ID`.
//! * Wrong credentials are 400 `invalid_client`, and not 401. The code counts here, not the status.
//! * Token requests are limited and charged for: one cache for the service.

// Names for the links above.
#[cfg(doc)]
use crate::*;
