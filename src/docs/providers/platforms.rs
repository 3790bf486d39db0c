//! Platforms with their own APIs: Microsoft Entra ID, Salesforce, SAP, Google.
//!
//! These settings have not been tested against live servers, see the [chapter](super).
//!
//! # Microsoft Entra ID
//!
//! Prefer a federated credential, which needs no secret: the assertion is a token of the platform
//! in a file. On Kubernetes the workload identity webhook sets these variables. Elsewhere project a
//! service-account token for the audience `api://AzureADTokenExchange`.
//!
//! ```no_run
//! # #[cfg(feature = "hyper-transport")] {
//! use std::env::var;
//! use tower_oauth2_client_credentials::ClientCredentials;
//!
//! let tenant = var("AZURE_TENANT_ID")?;
//! let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
//! let source = ClientCredentials::builder(url)
//!     .client_assertion_file(var("AZURE_CLIENT_ID")?, var("AZURE_FEDERATED_TOKEN_FILE")?)
//!     .scope("https://graph.microsoft.com/.default")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
//! ```
//!
//! With a registered certificate:
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "jwt"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials,
//!     jose::{SigningAlgorithm, SigningKeySource},
//! };
//!
//! const TOKEN_URL: &str = "https://login.microsoftonline.com/TENANT_ID/oauth2/v2.0/token";
//!
//! let key = SigningKeySource::from_pem_file(SigningAlgorithm::Ps256, "/run/tls/tls.key")
//!     .and_then(|key| {
//!         Ok(key.x5t_s256_from_certificate_pem(std::fs::read("/run/tls/tls.crt")?)?)
//!     });
//! let source = ClientCredentials::builder(TOKEN_URL)
//!     .private_key_jwt("CLIENT_ID", key, TOKEN_URL)
//!     .send_assertion_typ(false) // the documentation shows `JWT` there
//!     .scope("api://my-api/.default")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * The scope is one resource with `/.default` at its end; others are refused. Use one cache for
//!   each.
//! * With a secret: `client_secret_post`. Copy the secret's *value*, not its id.
//! * `refresh_in` is honored; `ext_expires_in` is ignored.
//! * Use the tenant's id. To discover: `https://login.microsoftonline.com/TENANT_ID/v2.0`. The
//!   metadata of `common` has a placeholder for the issuer and is refused.
//! * A new federated credential takes minutes to be known everywhere. Until then the response is
//!   `invalid_client` or `invalid_request`, with the reason as `AADSTS…` in the error's text.
//!
//! # Salesforce
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use std::time::Duration;
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache, client_auth::Secret,
//!     layer::RejectionPolicy,
//! };
//!
//! const ORG: &str = "https://MYDOMAIN.my.salesforce.com";
//!
//! let source = ClientCredentials::builder(format!("{ORG}/services/oauth2/token"))
//!     .client_secret_post("CONSUMER_KEY", Secret::from_file("/run/secrets/salesforce"))
//!     .build()?;
//! let tokens = TokenCache::builder(source)
//!     .default_lifetime(Duration::from_secs(90 * 60)) // below the session timeout, 2 h by default
//!     .build();
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([ORG])?)
//!     .rejection_policy(RejectionPolicy::any_scheme());
//! # drop(layer);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * The token URL is the org's (*My Domain*), not `login.salesforce.com`. So is the API. The
//!   response's `instance_url` is ignored.
//! * The response has **no lifetime**: a token lives as long as the session policy says. Set
//!   [`default_lifetime`](TokenCacheBuilder::default_lifetime) below that. The default is five
//!   minutes.
//! * An expired token is a 401 whose challenge has the scheme `Token`. By default a challenge of
//!   another scheme without `invalid_token` goes to the caller; [`RejectionPolicy::any_scheme`] makes it a
//!   rejection.
//! * With a certificate in place of the secret, Salesforce accepts the JWT bearer grant, an
//!   [extension grant](crate::docs::grants#google-a-service-account): the consumer key as issuer,
//!   the user as subject, `https://login.salesforce.com` as audience.
//! * Scopes are configured in the app; do not send any. The app needs an integration user.
//!
//! # SAP XSUAA
//!
//! With the certificate of a service binding (`credential-type` `x509`):
//!
//! ```no_run
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::{ClientCredentials, transport::{ChainAndKey, ClientIdentity}};
//!
//! // `certurl`, and the path
//! let url = "https://SUBDOMAIN.authentication.cert.eu20.hana.ondemand.com/oauth/token";
//! let source = ClientCredentials::builder(url)
//!     .tls_client_auth("sb-my-app!t1234") // `clientid`
//!     .client_identity(ClientIdentity::from_files(ChainAndKey { chain: "/run/xsuaa/crt.pem", key: "/run/xsuaa/key.pem" })?)
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * `certificate` and `key` of the binding are PEM whose line breaks are `\n` in JSON. After
//!   decoding they fit [`ClientIdentity::from_pem`] too. Managed certificates live 7 days by
//!   default: let a tool replace the files, and the client follows.
//! * The host contains `.cert`. To discover, use the issuer that the metadata at the plain host
//!   names. It lists the other host in `mtls_endpoint_aliases`, which is preferred.
//! * With a secret: `client_secret_post` at `url` + `/oauth/token`. Client ids contain `!` and `|`,
//!   and UAA does not decode Basic credentials by default; with Basic, use
//!   `client_secret_basic_raw`.
//! * Without a scope, all scopes of the client are granted.
//!
//! # Google
//!
//! Google's APIs do **not** accept `client_credentials`. A service account's key signs the JWT of
//! the JWT bearer grant (RFC 7523 §2.1), and workload identity federation is token exchange (RFC
//! 8693). Both are [extension grants](crate::docs::grants#google-a-service-account):
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "jwt"))] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, endpoint::SignedJwt,
//!     jose::{SigningAlgorithm, SigningKeySource},
//! };
//!
//! const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
//!
//! // `private_key` of the service account's JSON file, and its `private_key_id`.
//! let key = SigningKeySource::from_pem_file(SigningAlgorithm::Rs256, "/run/secrets/google.pem")
//!     .and_then(|key| Ok(key.with_key_id("PRIVATE_KEY_ID")));
//! let source = ClientCredentials::builder(TOKEN_URL)
//!     .no_client_authentication()
//!     .grant_type("urn:ietf:params:oauth:grant-type:jwt-bearer")
//!     .parameter(
//!         "assertion",
//!         SignedJwt::new(key)
//!             .issuer("svc@PROJECT.iam.gserviceaccount.com")
//!             .audience(TOKEN_URL)
//!             .claim("scope", "https://www.googleapis.com/auth/devstorage.read_only"),
//!     )
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * `sub` is for domain-wide delegation only.
//! * On Google's machines tokens come from a metadata server, which is not a token endpoint. Use
//!   `google-cloud-auth`, or another source, behind the cache and the layer of this crate:
//!
//! ```
//! use std::time::Duration;
//! use tower_oauth2_client_credentials::{
//!     Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
//! };
//!
//! # struct Credentials;
//! # impl Credentials {
//! #     async fn access_token(&self) -> Result<(String, Duration), Error> {
//! #         Ok((String::from("ya29.x"), Duration::from_secs(3599)))
//! #     }
//! # }
//! # static CREDENTIALS: Credentials = Credentials;
//! let tokens = TokenCache::new(|_: AcquireContext| async {
//!     let (token, expires_in) = CREDENTIALS.access_token().await?; // your library
//!     Ok::<_, Error>(Token::bearer(token)?.with_lifetime(expires_in))
//! });
//! let apis = Origins::parse(["https://storage.googleapis.com"])?;
//! let layer = OAuthClientCredentialsLayer::new(tokens, apis);
//! # drop(layer);
//! # Ok::<(), Error>(())
//! ```
//!
//! * The metadata server returns the same token until shortly before its expiry. The cache
//!   recognizes it and does not ask in a loop.
//! * Google's libraries refresh by themselves. This layer adds the origins and the 401 handling.
//! * *Apigee* is a Google product with this grant. Its `token_type` `BearerToken` is understood.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
