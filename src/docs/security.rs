//! Where a token may go, and who can read it.
//!
//! An access token is a password with an expiry. Anyone who holds it can act as your service.
//!
//! Separate pages: [the threat model](threats), [RFC 9700 and FAPI 2.0](standards) with the test of each
//! requirement, [cryptography and FIPS mode](cryptography), and [clocks
//! that stop](super::serverless#suspended-machines).
//!
//! # Where a token may go
//!
//! [`Origins`] is the second argument of [`OAuthClientCredentialsLayer::new`]. The choice is
//! required:
//!
//! | choice | a token goes to | for |
//! | --- | --- | --- |
//! | [`Origins::parse`] | the named origins: scheme, host, effective port | most services |
//! | [`Origins::any`] | any `https` origin, and loopback | clients whose addresses all come from their own code, and that follow no redirects |
//! | [`Origins::fixed_upstream`] | URIs without an authority | clients over one fixed connection, such as a tonic channel; the connection decides, and has to be encrypted or local |
//!
//! The request's URI decides, without its userinfo. Over plain `http` the path must begin with a
//! slash. A proxy parses the URI's text, and would read a `*` after the host as a part of the host.
//!
//! The connection goes to the host in the URI, but a front end that serves several sites chooses
//! one by the `Host` field. So a `Host` that differs from the URI's authority must name an allowed
//! origin too. With [`Origins::any`] a request with a differing `Host` carries no token, because no
//! list says which hosts are trusted. A request with several `Host` fields carries no token either.
//! [`Origins::fixed_upstream`] has no authority to compare with. Fields that a layer or client
//! *below* adds (such as reqwest's default fields) are not checked.
//!
//! `TRACE` carries no token, because the server returns the request's fields in the response (RFC
//! 9110 §9.3.8). `TRACK`, an older name for `TRACE`, carries none either.
//!
//! All of these requests are sent without the token, or refused ([`WithoutToken::Refuse`]). An
//! [`EventKind::TokenWithheld`] at level DEBUG gives the reason, at most once a minute for each reason
//! and origin. It also reports a request with [`SkipToken`] or an existing authorization field. Such a
//! field passes untouched, and so does the response, unless [`ExistingAuthorization`] says otherwise.
//!
//! Tokens are sent over `https`, or plain `http` to loopback. Clients that this crate builds never
//! send loopback traffic to a proxy, and connect `localhost` to 127.0.0.1 or `[::1]` without a
//! resolver. [`Origins::parse_with_plain_http`] and
//! [`allow_plain_http`](ClientCredentialsBuilder::allow_plain_http) are for networks that are
//! encrypted below HTTP, such as a service mesh.
//!
//! # Redirects
//!
//! Put the layer *below* any layer that follows redirects, that is, closer to the connection. Then
//! each hop is a separate request that is compared with the origins:
//!
//! ```
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response, header::{AUTHORIZATION, LOCATION}};
//! # use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_http::follow_redirect::FollowRedirectLayer;
//! use tower_oauth2_client_credentials::{
//!     OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # let http_client = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
//! #     let mut response = Response::new(Empty::<Bytes>::new());
//! #     let has_token = request.headers().contains_key(AUTHORIZATION);
//! #     match request.uri().host() {
//! #         Some("api.example.com") => {
//! #             assert!(has_token);
//! #             *response.status_mut() = http::StatusCode::FOUND;
//! #             response.headers_mut().insert(LOCATION, "https://elsewhere.example.net/".parse().unwrap());
//! #         }
//! #         _ => assert!(!has_token),
//! #     }
//! #     Ok::<_, Infallible>(response)
//! # });
//! let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
//! let origins = Origins::parse(["https://api.example.com"])?;
//! let client = ServiceBuilder::new()
//!     .layer(FollowRedirectLayer::new())                        // first: outermost
//!     .layer(OAuthClientCredentialsLayer::new(tokens, origins)) // sees each hop
//!     .service(http_client);
//!
//! // The API redirects to elsewhere.example.net, which gets no token.
//! let request = Request::get("https://api.example.com/report").body(Empty::new())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! In the reverse order, the follower copies the header fields of the first request, and its policy
//! decides whether a token crosses origins. tower-http strips `Authorization` by default, but not a
//! field that [`header_name`](OAuthClientCredentialsLayer::header_name) names. A client that
//! follows redirects *inside itself* (reqwest by default) runs below every layer: turn that off.
//! reqwest strips the field at the first hop to another origin, but not at a second hop to the same
//! origin ([details](super::stacks::reqwest#redirects)).
//!
//! [`Origins::any`] below a follower gives the token to any server that an API redirects to.
//!
//! Redirects of the token endpoint are never followed, because the request carries the client's
//! credentials. A custom [transport](ClientCredentialsBuilder::transport) must not follow redirects
//! either.
//!
//! # Client credentials
//!
//! * **A secret** is in every token request. It can be read at a proxy that ends TLS, and in a
//!   server's log.
//! * **A client assertion** is valid for 60 s at the one server that its `aud` names, and only once
//!   if the server remembers the `jti`. The key never leaves the process. A wrong audience is a
//!   risk: a server that gets an assertion for another server can use it there. So take the issuer,
//!   or the token URL, from documentation that you trust. Turn
//!   [`send_assertion_typ`](ClientCredentialsBuilder::send_assertion_typ) off only if the server requires it.
//! * **An assertion in a file** is a password until its `exp`. Keep its lifetime short and the file
//!   readable by the service only. Its audience should be this authorization server only.
//! * **A certificate** ([`ClientIdentity`]) is shown to any server that the transport connects to
//!   and that asks for one. That reveals only the name in it; the key stays in the process. A
//!   transport or API client that is built with it can act as your service: share it as carefully
//!   as a secret.
//! * **Discovery** decides where the credential goes. It uses `https`, the document must name the
//!   requested issuer, and redirects are not followed. Anyone who controls the issuer's
//!   `/.well-known/` gets the next token request. If other people control it, and the client uses a
//!   secret, configure the token URL instead.
//!
//! # Bound tokens
//!
//! A stolen bearer token is valid until it expires. A bound token also needs a key:
//!
//! * **to a certificate** (RFC 8705 §3): give the API's client the same [`ClientIdentity`]. The
//!   server makes the binding, and an opaque token does not show it. Test once that the API refuses
//!   the token without the certificate.
//! * **to a DPoP key** (RFC 9449): each request carries a proof for its method and URI. A thief of
//!   token and proof can repeat that one request, if the API does not remember the `jti`. The
//!   query, the other header fields and the body are not signed. Nonces from a server limit proofs
//!   made in advance. A bearer token in response to a proof is refused, unless `dpop_optional` is
//!   on, because an attacker who can change the response could remove the binding.
//!
//! A generated DPoP key exists in memory only, and ends with its last clone. Tokens bound to it end
//! with the process. A key that you provide outlives the process, and so do its tokens. Provide one
//! only if the server binds the client to it. Don't use the key of the client authentication for
//! proofs: every API would log its public half, which identifies the client. A custom source can
//! keep its key in an HSM (`ProofOfPossession`).
//!
//! # Logs
//!
//! No `Debug`, `Display`, error, event or trace of this crate contains a token, secret, key, proof
//! or assertion:
//!
//! * Header values with a secret are [marked sensitive](http::HeaderValue::set_sensitive). `Debug`
//!   of a request does not show them, and HTTP/2 does not keep them in its compression tables.
//! * Text from a server is stripped of control, bidirectional and invisible characters, and
//!   truncated.
//! * Text from a server is left out if it shares 8 or more characters with a secret of the request,
//!   because some servers echo their input. This covers the secret as it is, form-encoded, escaped
//!   for HTML or JSON, and in base64 or base64url of the secret or of `id:secret`. A secret shorter
//!   than 8 characters is compared as a whole, and one below 4 characters as a word. Texts of errors
//!   and the granted scope are also compared with the tokens of the same response.
//! * The causes behind [`source()`](std::error::Error::source) come from the transport. Those of
//!   the default transport contain no path, query or credentials. A cause that repeats a secret of
//!   the token request is left out. Causes of *your* closure or source are passed on unchanged, and
//!   events show their texts, stripped and truncated.
//!
//! If one of your layers logs header fields, it should honor the sensitive mark. If your token URL has a
//! key in its query, don't log a whole [`TokenRequest`] in your own
//! transport: its `Debug` shows the URI. Errors, events and logs of this crate leave the query out.
//!
//! # Memory
//!
//! Secrets and tokens that this crate holds are overwritten when their last copy is dropped
//! (`zeroize`): the client secret, the encoded form, Basic credentials, the response's body, the
//! token and its header values, assertions, and signing keys with their files' text and its decoded
//! form. The key objects that sign belong to AWS-LC, which wipes freed memory. The limits:
//!
//! * The transport copies. hyper, TLS and the kernel hold requests and responses in their own
//!   buffers, and none of them wipes.
//! * A `Bytes`, a `HeaderValue` or a [`Token`] that is cloned into a request, a log or a recording
//!   keeps the bytes until it is dropped.
//! * A cache keeps its last token after the expiry, to recognize a server that returns the same
//!   token again. The token is dropped when the next one arrives, or with the cache. A request in
//!   flight keeps the cache alive. A cache also keeps the last four tokens that an API rejected, to
//!   recognize them.
//! * The `String` that the closure of [`Secret::from_fn`] returns is wiped, and so is an
//!   assertion's. The data that the closure read from is yours, as are a PEM or JWK that you pass
//!   by reference.
//! * DPoP proofs are not wiped. Each is valid for one request only.
//! * The services of a layer share one copy of the token for each stripe (group of threads). The
//!   first request with the next token removes all of these. A service that was called more than
//!   once holds its own copy until its next call, even if the cache dropped the token. A clone that
//!   was not called holds none.
//! * The last good secret, key or assertion from a file, and the last good assertion of a closure,
//!   are kept for the case that a read fails.
//! * A certificate's key ([`ClientIdentity`]) passes through the PEM decoder of rustls, whose
//!   buffer is not wiped, and is kept in the signing key of rustls, which TLS configurations share.
//! * Swap and core dumps are outside the crate's control.
//!
//! # File access
//!
//! A path may lead to a FIFO without a writer, to a device, or to a mount that hangs. Files are
//! therefore read on threads of this crate, and not on tokio's blocking pool:
//!
//! * Only regular files, and symbolic links to them, are read. The type is checked before opening
//!   and again after.
//! * A client waits for the file of a secret, key or assertion for 5 s, at most half of its
//!   attempt's time, and for each certificate file for 1 s (100 ms after a failed read). The error
//!   names the file. The runtime's shutdown does not wait.
//! * At most one thread is stuck for each file, and 64 for the process. Until it is free again,
//!   further reads of the file fail at once.
//! * While the file of a secret or key cannot be read (I/O error, hung mount, no longer a regular
//!   file), its last good value is used, with an [`EventKind::StaleCredentialUsed`]. A file that was
//!   removed, is empty or has invalid content is an error. Assertions and certificates keep their
//!   last good value in these cases too, an assertion until its `exp`.
//!
//! # Malicious token endpoint
//!
//! It can withhold a token. A token with a byte outside visible ASCII could add header fields to
//! your requests; it is refused, as is a token above 64 KiB. A response is read up to
//! [`body_cap`](ClientCredentialsBuilder::body_cap) and not decompressed by this crate. (reqwest
//! decompresses if its `gzip` or a similar feature is on; the cap then counts the decompressed
//! bytes.) Lifetimes are clamped. The scheme that is sent is a constant of this crate.
//!
//! # Malicious API
//!
//! It can reject tokens. That costs three acquisitions without a delay, one after another, then one after 60 s, doubling to
//! one every 10 minutes. Requests to other APIs that share the cache wait for at most
//! [`rejected_token_wait`](TokenCacheBuilder::rejected_token_wait) at each of these acquisitions.
//!
//! # What you must do
//!
//! * Request the minimum scope, and register one client for each service.
//! * Prefer a key, a certificate or the platform's identity to a secret; see [how to
//!   choose](super::providers#which-client-authentication-to-choose).
//! * Read secrets from a file or a closure ([`Secret`]), not from the source text. Both are read
//!   again at each attempt, so that they can be rotated.
//! * Keep secrets out of the token URL and of origins, because errors show these. (They are refused
//!   if they are recognized.)

pub mod cryptography;
pub mod standards;
pub mod threats;

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
