//! Servers that you operate: PingAM and ForgeRock, Keycloak, Ory Hydra.
//!
//! These settings have not been tested against live servers, see the [chapter](super).
//!
//! # PingAM, ForgeRock
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
//!
//! let source = ClientCredentials::builder(
//!     "https://am.example.com/am/oauth2/realms/root/realms/alpha/access_token",
//! )
//! .client_secret_basic("my-service", Secret::from_file("/run/secrets/am"))
//! .scope("esp")
//! .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * The realm is part of the path, each level with `/realms/` before it. A token URL with a double
//!   slash, which some installations have, is sent unchanged.
//! * The client's settings in AM choose the method (*Token Endpoint Authentication Method*) and the
//!   signing algorithm of assertions. `client_secret_post` and `private_key_jwt` work the same way.
//! * The audience of an assertion is the token URL. *Additional Audience Values* of the provider
//!   service permits others, such as the issuer.
//! * Without a scope the client's default scopes are granted, if it has any.
//!
//! # Keycloak
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "jwt"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, client_auth::AssertionAudience, jose::SigningKeySource,
//! };
//!
//! let source = ClientCredentials::discover("https://sso.example.com/realms/prod")
//!     .private_key_jwt(
//!         "my-service",
//!         SigningKeySource::from_jwk_file("/run/secrets/my-service.jwk"),
//!         AssertionAudience::discovered_issuer(),
//!     )
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * Turn on *Service account roles* for the client. Otherwise the response is
//!   `unauthorized_client`, a code that a wrong secret can produce too.
//! * The token URL is `https://sso.example.com/realms/prod/protocol/openid-connect/token` (with
//!   `/auth` before `/realms` in old installations).
//! * The audience of an assertion is the realm's issuer; recent versions accept nothing else. The
//!   issuer follows from the host name of the request, unless one is configured: discover by the
//!   name that the service uses.
//! * The *token's* audience is a mapper of the client or of a client scope, so request it with
//!   [`scope`](ClientCredentialsBuilder::scope). [`audience`](ClientCredentialsBuilder::audience)
//!   has no effect with this grant.
//! * Versions that do not decode Basic credentials (such as 16): `client_secret_basic_raw`.
//! * Certificates (*X509 Certificate*): `tls_client_auth`. Configure the server to ask for one.
//! * Tokens live 5 minutes by default. That needs no setting here.
//! * DPoP: `.dpop(DpopKey::generate())`. The client's setting *Require DPoP bound tokens* makes it
//!   mandatory.
//!
//! # Ory Hydra
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
//!
//! let source = ClientCredentials::builder("https://hydra.example.com/oauth2/token")
//!     .client_secret_basic("my-service", Secret::from_file("/run/secrets/hydra"))
//!     .scope("invoices:read")
//!     .audience("https://api.example.com")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * A client has one `token_endpoint_auth_method`, by default `client_secret_basic`. Any other
//!   method is `invalid_client`.
//! * Basic credentials are decoded, so use the form-encoded `client_secret_basic`.
//! * Scopes and audiences must be in the client's lists. Without a scope none is granted.
//! * The audience of an assertion is the token URL as Hydra's metadata names it. Its `jti` is valid
//!   once.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
