//! Exact settings for well-known authorization servers.
//!
//! These settings have not been tested against live servers, unlike those of the servers that the
//! README names. They follow the providers' public documentation, and general knowledge where the
//! documentation is silent. If your tenant's documentation differs, follow it.
//!
//! * [PingAM, ForgeRock](servers#pingam-forgerock)
//! * [Keycloak](servers#keycloak)
//! * [Ory Hydra](servers#ory-hydra)
//! * [Auth0](hosted#auth0)
//! * [Okta](hosted#okta)
//! * [Amazon Cognito](hosted#amazon-cognito)
//! * [Microsoft Entra ID](platforms#microsoft-entra-id)
//! * [Salesforce](platforms#salesforce)
//! * [SAP XSUAA](platforms#sap-xsuaa)
//! * [Google](platforms#google)
//!
//! # Which client authentication to choose
//!
//! Use the first of these that the server accepts and your platform can provide:
//!
//! | choice | settings | advantages and limits |
//! | --- | --- | --- |
//! | an identity that the platform gives the workload | [`client_assertion_file`], [`client_assertion_fn`] | Nothing to store, and the platform rotates it. Only if the server can be configured to trust the platform. |
//! | a private key | [`private_key_jwt`] (feature `jwt`) | No secret leaves the process, and an assertion is worthless after a minute. You keep and rotate the key. |
//! | a certificate | [`tls_client_auth`], [`self_signed_tls_client_auth`] with [`client_identity`] | As good as a key, and tokens can be bound to it. Fails behind a proxy that ends TLS. |
//! | a secret that signs | [`client_secret_jwt`] (feature `jwt`) | The secret is not sent, but both sides hold it. Rarely offered. |
//! | a secret | [`client_secret_basic`], [`client_secret_post`] | Works everywhere. Anyone who reads one request has the secret. |
//! | none | [`public_client`], [`no_client_authentication`] | For servers that identify the client by other means, such as its network, or by the [grant](super::grants). |
//!
//! Bound tokens are a separate choice, and work with any of these: DPoP (`dpop`, feature `dpop`) if
//! the API is reached through proxies, certificates ([`client_identity`]) if TLS ends at the API.
//! Binding protects a stolen token, not the credential.
//!
//! A *token URL* saves one request, and says exactly where the secret goes. An *issuer*
//! ([`ClientCredentials::discover`]) gives better messages, the endpoint for certificates, and the
//! algorithms for proofs.
//!
//! # When the client is refused
//!
//! | the server's response | check |
//! | --- | --- |
//! | `invalid_client` with Basic, accepted with curl's `-d` | special characters in id or secret: `client_secret_basic_raw`, or `client_secret_post` |
//! | `invalid_client` whose message names quotes or a blank | the variable or file that contained the value; `docker --env-file` keeps both |
//! | 401 or 403 without a code | the credentials, then the token URL; if the message names a firewall or proxy, the network |
//! | `invalid_client` with an assertion | its audience (issuer or token URL, to the letter, slash included), `kid`, the registered algorithm, then [`send_assertion_typ`] off |
//! | … and [`EventKind::ClockSkew`] before it | the clock; the next attempt is dated by the server's |
//! | `invalid_client` with a certificate | whether the certificate arrives: proxies that end TLS, a separate endpoint ([`prefer_mtls_endpoint`]) |
//! | an unknown token type | [`token_type_override`], if it is a Bearer token by another name |
//! | lifetimes in milliseconds, tokens that end early | [`lifetime_cap`] |
//! | a lifetime of 0 for a token that does not expire | [`token_lifetime`] |
//! | no lifetime | [`default_lifetime`](TokenCacheBuilder::default_lifetime) |
//!
//! [`send_assertion_typ`]: ClientCredentialsBuilder::send_assertion_typ
//! [`client_assertion_file`]: ClientCredentialsBuilder::client_assertion_file
//! [`client_assertion_fn`]: ClientCredentialsBuilder::client_assertion_fn
//! [`client_identity`]: ClientCredentialsBuilder::client_identity
//! [`client_secret_basic`]: ClientCredentialsBuilder::client_secret_basic
//! [`client_secret_jwt`]: ClientCredentialsBuilder::client_secret_jwt
//! [`client_secret_post`]: ClientCredentialsBuilder::client_secret_post
//! [`lifetime_cap`]: ClientCredentialsBuilder::lifetime_cap
//! [`no_client_authentication`]: ClientCredentialsBuilder::no_client_authentication
//! [`prefer_mtls_endpoint`]: ClientCredentialsBuilder::prefer_mtls_endpoint
//! [`private_key_jwt`]: ClientCredentialsBuilder::private_key_jwt
//! [`public_client`]: ClientCredentialsBuilder::public_client
//! [`self_signed_tls_client_auth`]: ClientCredentialsBuilder::self_signed_tls_client_auth
//! [`tls_client_auth`]: ClientCredentialsBuilder::tls_client_auth
//! [`token_lifetime`]: ClientCredentialsBuilder::token_lifetime
//! [`token_type_override`]: ClientCredentialsBuilder::token_type_override

pub mod hosted;
pub mod platforms;
pub mod servers;

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
