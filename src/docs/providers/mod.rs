//! Exact settings for well-known authorization servers.
//!
//! They are written from the providers' public documentation, and where that was silent from general
//! knowledge. None of these servers could be reached from
//! where this crate is made: **not tried here**, unlike those named in the README. What a tenant's
//! own documentation says goes first.
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
//! The first of these that the server takes and your platform can feed:
//!
//! | choice | settings | why, and why not |
//! | --- | --- | --- |
//! | an identity that the platform gives the workload | [`client_assertion_file`], [`client_assertion_fn`] | Nothing to store, rotated by somebody else. Only where the server can be told to trust the platform. |
//! | a private key | [`private_key_jwt`] (feature `jwt`) | Nothing secret leaves the process, and an assertion is worthless after a minute. The key is yours to keep and to rotate. |
//! | a certificate | [`tls_client_auth`], [`self_signed_tls_client_auth`] with [`client_identity`] | As good as a key, and tokens can be bound to it. Fails behind a proxy that ends TLS. |
//! | a secret that signs | [`client_secret_jwt`] (feature `jwt`) | The secret is not sent, but both sides hold it. Rarely offered. |
//! | a secret | [`client_secret_basic`], [`client_secret_post`] | Works everywhere. Whoever sees one request has it. |
//! | none | [`public_client`], [`no_client_authentication`] | For servers that know the client by other means, such as its network, or by the [grant](super::grants). |
//!
//! Binding the tokens is a separate matter, and goes with any of them: DPoP (`dpop`, feature
//! `dpop`) where the API is reached through proxies, certificates ([`client_identity`]) where TLS
//! ends at the API. It protects a token that is stolen, not the credential.
//!
//! A *token URL* needs one request less, and says exactly where the secret goes. An *issuer*
//! ([`ClientCredentials::discover`]) gives better messages, the endpoint for certificates, and the
//! algorithms for proofs.
//!
//! # When it is refused
//!
//! | what the server says | look at |
//! | --- | --- |
//! | `invalid_client` with Basic, right with curl's `-d` | special characters in id or secret: `client_secret_basic_raw`, or `client_secret_post` |
//! | `invalid_client` whose message names quotes or a blank | the variable or file that the value came from; `docker --env-file` keeps both |
//! | 401 or 403 without a code | the credentials, then the token URL; if the message names a firewall or proxy, the network |
//! | `invalid_client` with an assertion | its audience (issuer or token URL, to the letter, slash included), `kid`, the algorithm that is registered, then [`assertion_typ`] off |
//! | … and [`Event::ClockSkew`] before it | the clock; the next attempt is dated by the server's |
//! | `invalid_client` with a certificate | whether it arrives: proxies that end TLS, an endpoint of its own ([`prefer_mtls_endpoint`]) |
//! | a token type that is not understood | [`token_type_override`] where it is a Bearer token by another name |
//! | lifetimes in milliseconds, tokens that die early | [`lifetime_cap`] |
//! | a lifetime of 0 for a token that does not expire | [`token_lifetime`] |
//! | no lifetime | [`default_lifetime`](TokenCacheBuilder::default_lifetime) |
//!
//! [`assertion_typ`]: ClientCredentialsBuilder::assertion_typ
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
use crate::*;
