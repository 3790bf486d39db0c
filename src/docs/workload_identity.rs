//! The identity that the platform gives a workload, in place of a secret: AWS, SPIFFE, Kubernetes.
//!
//! The platform signs a JWT that names the workload. The authorization server trusts the platform's
//! keys. So you store no secret, and the platform rotates the JWT.
//!
//! * [How the server takes the JWT](#how-the-server-takes-the-jwt)
//! * [AWS outbound identity federation](#aws-outbound-identity-federation)
//! * [SPIFFE: a JWT-SVID in a file](#spiffe-a-jwt-svid-in-a-file)
//! * [SPIFFE: an X.509-SVID](#spiffe-an-x509-svid)
//! * [Kubernetes: a service account's token](#kubernetes-a-service-accounts-token)
//!
//! The recipe for Kubernetes has run against the mock server of this crate
//! ([`examples/kubernetes_workload_identity.rs`]). The others are compiled and follow the public documentation. None
//! has run against a real server.
//!
//! [`examples/kubernetes_workload_identity.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/kubernetes_workload_identity.rs
//!
//! # How the server takes the JWT
//!
//! Read the server's documentation for one of these names. The JWT is the same, the parameter differs:
//!
//! | the server calls it | RFC | settings |
//! | --- | --- | --- |
//! | federated credential, JWT client authentication | [7523 §2.2] | [`client_assertion_file`], [`client_assertion_fn`] |
//! | JWT bearer grant, JWT authorization grant | [7523 §2.1] | [`grant_type`] `…:grant-type:jwt-bearer`, [`parameter`] `assertion` |
//! | token exchange, workload identity federation | [8693] | [`grant_type`] `…:grant-type:token-exchange`, [`parameter`] `subject_token`, `subject_token_type` |
//!
//! The audience of the JWT has to be the one that this server requires, and no other server may accept it.
//! A server that accepts your JWT can use it at all others that accept it too.
//!
//! [7523 §2.1]: https://www.rfc-editor.org/rfc/rfc7523#section-2.1
//! [7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2
//! [8693]: https://www.rfc-editor.org/rfc/rfc8693
//! [`client_assertion_file`]: ClientCredentialsBuilder::client_assertion_file
//! [`client_assertion_fn`]: ClientCredentialsBuilder::client_assertion_fn
//! [`grant_type`]: ClientCredentialsBuilder::grant_type
//! [`parameter`]: ClientCredentialsBuilder::parameter
//!
//! # AWS outbound identity federation
//!
//! STS signs a JWT for the calling role (`GetWebIdentityToken`). Its issuer is a URL of your AWS account,
//! with the keys below it, and its `sub` is the ARN of the role. Add to `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = "0.1"
//! aws-config = { version = "1", features = ["behavior-version-latest"] }
//! aws-sdk-sts = { version = "1", features = ["behavior-version-latest"] }
//! tokio = { version = "1", features = ["full"] }
//! ```
//!
//! ```
//! # #[cfg(not(feature = "hyper-transport"))]
//! # fn main() {}
//! # #[cfg(feature = "hyper-transport")]
//! # mod program {
//! # // The part of the SDK that the recipe calls.
//! # mod aws_sdk_sts {
//! #     #[derive(Clone)] pub struct Client;
//! #     pub struct Call;
//! #     pub struct Output;
//! #     impl Client {
//! #         pub fn new(_: &()) -> Self { Self }
//! #         pub fn get_web_identity_token(&self) -> Call { Call }
//! #     }
//! #     impl Call {
//! #         pub fn audience(self, _: impl Into<String>) -> Self { self }
//! #         pub fn signing_algorithm(self, _: impl Into<String>) -> Self { self }
//! #         pub fn duration_seconds(self, _: i32) -> Self { self }
//! #         pub async fn send(self) -> Result<Output, std::io::Error> { Ok(Output) }
//! #     }
//! #     impl Output { pub fn web_identity_token(&self) -> Option<&str> { Some("a.b.c") } }
//! # }
//! # mod aws_config { pub async fn load_from_env() {} }
//! use tower_oauth2_client_credentials::{BoxError, ClientCredentials, TokenCache};
//!
//! /// A JWT for one token request. `audience` is the value that the authorization server requires.
//! async fn identity(sts: aws_sdk_sts::Client, audience: &str) -> Result<String, BoxError> {
//!     let output = sts
//!         .get_web_identity_token()
//!         .audience(audience)
//!         .signing_algorithm("ES384") // or RS256
//!         .duration_seconds(60) // the minimum: it is used once, at once
//!         .send()
//!         .await?;
//!     Ok(output.web_identity_token().ok_or("STS returned no token")?.to_owned())
//! }
//!
//! async fn tokens() -> Result<TokenCache, BoxError> {
//!     // STS's global endpoint has no such call: the configuration needs a region.
//!     let sts = aws_sdk_sts::Client::new(&aws_config::load_from_env().await);
//!     let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!         .client_assertion_fn(Some("my-service"), move || {
//!             identity(sts.clone(), "https://idp.example.com")
//!         })
//!         .scope("invoices:read")
//!         .build()?;
//!     Ok(source.into_cache())
//! }
//! # pub async fn run() { tokens().await.unwrap(); }
//! # }
//! # #[cfg(feature = "hyper-transport")]
//! # fn main() { tokio::runtime::Runtime::new().unwrap().block_on(program::run()) }
//! ```
//!
//! For the JWT bearer grant, or token exchange, the builder has other lines:
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! # use tower_oauth2_client_credentials::BoxError;
//! use tower_oauth2_client_credentials::{ClientCredentials, endpoint::ParameterValue};
//!
//! # async fn identity(_: (), _: &str) -> Result<String, BoxError> { Ok(String::from("a.b.c")) }
//! # let sts = ();
//! let assertion = ParameterValue::from_fn(move || {
//!     identity(sts.clone(), "https://idp.example.com")
//! });
//! let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!     .no_client_authentication()
//!     .grant_type("urn:ietf:params:oauth:grant-type:jwt-bearer")
//!     .parameter("assertion", assertion)
//!     .build()?;
//! # drop(source);
//!
//! # let subject = ParameterValue::from_fn(|| async { Ok(String::from("a.b.c")) });
//! let source = ClientCredentials::builder("https://sts.example.com/v1/token")
//!     .no_client_authentication()
//!     .grant_type("urn:ietf:params:oauth:grant-type:token-exchange")
//!     .parameter("subject_token", subject) // made as `assertion` above
//!     .parameter("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * Turn the federation on once for the account: `aws iam enable-outbound-web-identity-federation`. It
//!   prints the issuer to register at the authorization server.
//! * The role needs the permission `sts:GetWebIdentityToken`. Restrict it with the conditions
//!   `sts:IdentityTokenAudience` and `sts:DurationSeconds`.
//! * The closure runs once for each attempt, within its timeout
//!   ([`attempt_timeout`](ClientCredentialsBuilder::attempt_timeout), 10 s), and not once for each request. It
//!   needs no cache. The SDK's retries count toward that time.
//! * For pods on EKS a [projected token](#kubernetes-a-service-accounts-token) needs no call to STS.
//!
//! # SPIFFE: a JWT-SVID in a file
//!
//! A helper next to the workload keeps JWT-SVIDs from the Workload API in files. With `spiffe-helper`:
//!
//! ```text
//! agent_address = "/run/spire/agent.sock"
//! cert_dir = "/run/svid"
//! jwt_svids = [{ jwt_audience = "https://idp.example.com", jwt_svid_file_name = "idp.jwt" }]
//! ```
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::ClientCredentials;
//!
//! let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!     .client_assertion_file("spiffe://example.org/billing", "/run/svid/idp.jwt")
//!     .client_assertion_type("urn:ietf:params:oauth:client-assertion-type:jwt-spiffe")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! * The assertion type is that of the draft *OAuth SPIFFE Client Authentication*. A server that knows
//!   SPIFFE only as a JWT issuer takes the default type: leave the line out.
//! * The first argument is the client id, by which the server knows the client: often the SPIFFE ID. If it
//!   takes no `client_id`, add [`send_client_id(false)`](ClientCredentialsBuilder::send_client_id).
//! * The audience is the server's issuer, to the letter.
//! * The helper replaces the file before the JWT-SVID expires. The file is read for each attempt, so
//!   nothing needs a signal.
//! * JWT-SVIDs are sent more than once during their life, and some have no `jti`. A server that accepts
//!   each assertion only once refuses the second one. Use the Workload API then, with the `spiffe` crate in
//!   [`client_assertion_fn`](ClientCredentialsBuilder::client_assertion_fn), or an X.509-SVID.
//!
//! From the environment, the same is `OAUTH_CLIENT_ASSERTION_FILE` and `OAUTH_CLIENT_ASSERTION_TYPE`
//! ([configuration](super::configuration)).
//!
//! # SPIFFE: an X.509-SVID
//!
//! The SVID is the client certificate of the token request (RFC 8705). `spiffe-helper` writes it too, and
//! replaced files are picked up:
//!
//! ```no_run
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials,
//!     transport::{ChainAndKey, ClientIdentity},
//! };
//!
//! let svid = ClientIdentity::from_files(ChainAndKey {
//!     chain: "/run/svid/svid.pem",
//!     key: "/run/svid/svid_key.pem",
//! })?;
//! let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!     .tls_client_auth("spiffe://example.org/billing")
//!     .client_identity(svid)
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! The authorization server's certificate is still checked against root certificates and its host name. If
//! it presents an SVID itself, add the trust bundle with
//! `HyperTransport::builder().extra_root_certificates_file(…)`; its certificate also needs the host as a DNS
//! name.
//!
//! # Kubernetes: a service account's token
//!
//! Mount a projected volume with the audience that the authorization server requires, and pass its path:
//!
//! ```yaml
//! volumes:
//!   - name: idp-token
//!     projected:
//!       sources:
//!         - serviceAccountToken: { path: idp, audience: "https://idp.example.com", expirationSeconds: 3600 }
//! # in the container: volumeMounts: [{ name: idp-token, mountPath: /var/run/secrets/tokens, readOnly: true }]
//! ```
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::ClientCredentials;
//!
//! let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!     .client_assertion_file("my-service", "/var/run/secrets/tokens/idp")
//!     .build()?;
//! # drop(source);
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! The server has to reach the cluster's issuer and keys. Entra ID calls this [a federated
//! credential](super::providers::platforms#microsoft-entra-id). Servers with token exchange take the file
//! as [`subject_token`](super::grants#token-exchange-with-a-file).

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
