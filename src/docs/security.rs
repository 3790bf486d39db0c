//! Where a token may go, and what is kept from whom.
//!
//! An access token is a password with a date on it: whoever holds it acts as your service.
//!
//! # Where a token may go
//!
//! [`Origins`] is the second argument of [`OAuthClientCredentialsLayer::new`], so that nobody
//! forgets it:
//!
//! | choice | a token goes to | for |
//! | --- | --- | --- |
//! | [`Origins::parse`] | the named origins: scheme, host, effective port | nearly everyone |
//! | [`Origins::any`] | any `https` origin, and loopback | clients whose every address comes from their own code, and that follow no redirects |
//! | [`Origins::fixed_upstream`] | URIs without an authority | clients over one fixed connection, such as a tonic channel; the connection decides, and has to be encrypted or local |
//!
//! The request's URI decides, without its userinfo. Over plain `http` its path has to begin with a
//! slash: `*` beside a host reads as a part of the host to a proxy, which parses the URI's text.
//!
//! The connection goes where the URI says, but a front end that serves several sites chooses one by
//! the `Host` field. So a `Host` that differs from the URI's authority must name an allowed origin
//! too. With [`Origins::any`] a differing `Host` carries no token: no list says which hosts are
//! trusted. Several `Host` fields carry none either. [`Origins::fixed_upstream`] has no authority to
//! compare with. Fields that a layer or client *below* adds (such as reqwest's default fields) are
//! not seen.
//!
//! `TRACE` carries no token, because the server sends the request's fields back in the answer (RFC
//! 9110 §9.3.8). `TRACK` carries none either: it is an older name for `TRACE`.
//!
//! All of these requests are sent without the token, or refused ([`Elsewhere::Refuse`]). An
//! [`Event::TokenWithheld`] at level DEBUG says why, at most once a minute for each reason and
//! origin. A request with its own authorization field passes untouched, and its answer too,
//! unless [`OwnAuthorization`] says otherwise.
//!
//! Tokens go over `https`, or plain `http` to loopback. Clients that this crate builds never send
//! loopback traffic to a proxy, and connect `localhost` to 127.0.0.1 or `[::1]` without a resolver. [`Origins::parse_with_plain_http`] and
//! [`allow_plain_http`](ClientCredentialsBuilder::allow_plain_http) are for networks that are
//! encrypted below HTTP, such as a service mesh.
//!
//! # Redirects
//!
//! Put the layer *below* whatever follows redirects, that is closer to the client. Then each hop
//! is a request of its own that is compared with the origins:
//!
//! ```
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response, header::{AUTHORIZATION, LOCATION}};
//! # use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_http::follow_redirect::FollowRedirectLayer;
//! use tower_oauth2_client_credentials::{
//!     AcquireContext, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
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
//! The other way round, the follower copies the header fields of the first request, and whether a
//! token crosses origins is for its policy to say: tower-http's strips `Authorization` by default,
//! but not a field that [`header_name`](OAuthClientCredentialsLayer::header_name) put the token
//! into. A client that follows redirects *inside itself* (reqwest by default) runs below every
//! layer: turn that off. reqwest strips the field at the first hop to another origin and not at the
//! next one there ([what it does](super::stacks::reqwest#redirects)).
//!
//! [`Origins::any`] below a follower gives the token to whomever an API redirects to.
//!
//! The token endpoint itself is never followed through a redirect: the request carries the
//! client's credentials. A [transport](ClientCredentialsBuilder::transport) of your own must not
//! follow any either.
//!
//! # How the client proves itself
//!
//! * **A secret** is in every token request. Whoever reads one, at a proxy that ends TLS or in a
//!   server's log, has it.
//! * **A client assertion** is worth something for 60 s, at the one server that its `aud` names, and
//!   where servers keep the `jti` only once. The key never leaves the process. An audience that is
//!   wrong is worse than a refusal: a server that gets an assertion meant for another can use it
//!   there. So take the issuer, or the token URL, from documentation that you trust, and turn
//!   [`assertion_typ`](ClientCredentialsBuilder::assertion_typ) off only where you must.
//! * **An assertion in a file** is a password for as long as its `exp` allows: keep its lifetime
//!   short and the file readable for the service alone. Its audience should be this authorization
//!   server and nothing else.
//! * **A certificate** ([`ClientIdentity`]) is shown to whatever server the transport connects to
//!   and that asks for one. That gives nothing away but the name in it; the key stays here.
//!   A transport or API client that is built with it is your service: hand it out as you would a
//!   secret.
//! * **Discovery** decides where the credential goes. It is over `https`, the document must name the
//!   very issuer that was asked for, and redirects are not followed. Whoever controls the issuer's
//!   `/.well-known/` gets the next token request: with a secret, name the token URL where that is
//!   not the same people.
//!
//! # Tokens that are bound
//!
//! A stolen bearer token is good until it expires. A bound one is good with a key only:
//!
//! * **to a certificate** (RFC 8705 §3): give the API's client the same [`ClientIdentity`]. The
//!   binding is the server's doing and can't be seen in an opaque token; that the API refuses the
//!   token without the certificate is for you to try once.
//! * **to a DPoP key** (RFC 9449): each request carries a proof for its method and URI. A thief of
//!   token and proof can repeat that one request, if the API does not keep `jti`s. The query, the
//!   other header fields and the body are not signed. Nonces from a server limit proofs made ahead.
//!   A bearer token in answer to a proof is refused, unless `dpop_optional` is on: whoever can
//!   change the answer could take the binding away.
//!
//! A generated DPoP key is in memory only, and gone with the last clone: tokens bound to it end with
//! the process. One that is given outlives it, and so does what it protects; give one only where the
//! server ties the client to it. Don't use the key of the client authentication for proofs: its
//! public half, and so who the client is, would be in every API's logs. A source of your own can
//! keep its key in an HSM (`ProofOfPossession`).
//!
//! # Logs
//!
//! No token, secret, key, proof or assertion is in any `Debug`, `Display`, error, event or trace of
//! ours:
//!
//! * header values with a secret are [marked sensitive](http::HeaderValue::set_sensitive), so
//!   `Debug` of a request does not show them, and HTTP/2 does not keep them in its compression
//!   tables;
//! * text from a server is stripped of control, bidirectional and invisible characters, and cut;
//! * it is left out if it shares 8 or more characters with a secret of the request, since some
//!   servers echo their input. That holds for a secret as it is, form-encoded, escaped for HTML or
//!   JSON, and in base64 or base64url of the secret or of `id:secret`. A shorter secret counts only
//!   as a whole, and one below 4 characters only as a word;
//! * causes behind [`source()`](std::error::Error::source) are the transport's. The default one's
//!   carry no path, no query and no credentials. A cause that repeats a secret of the token request is
//!   left out. Causes of a closure or source of *yours* are passed on as they are, and events show the
//!   chain of their texts, stripped and cut.
//!
//! Where a layer of yours logs header fields, let it honour the sensitive mark.
//!
//! # Memory
//!
//! Secrets and tokens that this crate holds are overwritten when their last copy is dropped
//! (`zeroize`): the client secret, the encoded form, Basic credentials, the answer's body, the
//! token and the header values made of it, assertions, and signing keys: their files' text, and what
//! was decoded of it. A key that signs is AWS-LC's, which wipes what it frees. The limits of that:
//!
//! * The transport copies. hyper, TLS and the kernel hold requests and answers in buffers of their
//!   own, and none of them wipes.
//! * A clone lives as long as whoever has it. A `Bytes`, a `HeaderValue` or a [`Token`] cloned into
//!   a request, a log or a recording keeps the bytes until it is dropped; only then they are wiped.
//! * A cache keeps its last token after it has expired, so that a server which hands the same one
//!   out again is recognised. It goes when the next token comes, or with the last handle; a request
//!   that is under way is one. A service that is idle keeps the token it saw last as well, or that of
//!   the time when it was cloned, until its next call, also if the cache dropped it.
//! * [`Secret::from_fn`]'s closure returns a `String`, which is wiped, as is an assertion's; what the
//!   closure itself read from is yours. So is the PEM or JWK that you pass by reference.
//! * DPoP proofs are not wiped: each was good for the one request that it went out with.
//! * The last good secret, key or assertion from a file, and the last good assertion of a closure,
//!   are kept, to bridge a read that fails.
//! * A certificate's key ([`ClientIdentity`]) passes through the PEM decoder of rustls, whose buffer
//!   is out of reach, and lives in rustls's signing key, which TLS configurations share.
//! * Swap and core dumps are the machine's.
//!
//! # What a file can do to you
//!
//! A path may lead to a FIFO without a writer, to a device, or onto a mount that hangs. Files are
//! therefore read on threads of this crate, and not on those of tokio's blocking pool:
//!
//! * Only regular files, and symbolic links to them, are read. Anything else is refused before it is
//!   opened, and once more after.
//! * A client waits for the file of a secret, key or assertion for 5 s, at most half of its attempt's
//!   time, and for each certificate file for 1 s (100 ms after a failed read). The error names the
//!   file. The runtime's shutdown does not wait.
//! * At most one thread is stuck for each file, and 64 for the process. Until it is free again,
//!   further reads of the file fail at once.
//! * While the file of a secret or key cannot be read (I/O error, hung mount, no longer a regular
//!   file), its last good value is used, with an [`Event::CredentialKept`]. A file that was removed, is
//!   empty or holds something else is an error. Assertions and certificates keep their last good value
//!   in these cases too, an assertion until its `exp`.
//!
//! # What a token endpoint can do to you
//!
//! Nothing but withhold a token, whatever it answers. A token with a byte outside the visible ASCII
//! would let it write header fields into your requests, and is refused, as is one above 64 KiB. An
//! answer is read up to [`body_cap`](ClientCredentialsBuilder::body_cap) and not decompressed here
//! (reqwest does so where its `gzip` or the like is on; the cap then counts what comes out). Its
//! lifetimes are clamped. The scheme that is sent is our own constant.
//!
//! # What an API can do to you
//!
//! It can reject tokens. That costs three acquisitions at once, then one after 60 s, doubling to one
//! every 10 minutes. Requests to other APIs that share the cache wait for at most
//! [`rejected_token_wait`](TokenCacheBuilder::rejected_token_wait) at each of these acquisitions.
//!
//! # Suspended machines and frozen functions
//!
//! Expiry is measured on the monotonic clock, so a wrong or corrected wall clock can't end a token's
//! life. The monotonic clock may stand still while a laptop sleeps, a virtual machine is paused or a
//! function is frozen between calls. A token then looks younger than it is. The cache therefore
//! compares both clocks for each request, which costs one cheap clock read. If the wall clock moved
//! forward by over 5 s more, the refresh comes earlier by as much. A token that has expired by the wall
//! clock alone triggers one acquisition. Requests wait for it for at most 1 s, then use the cached
//! token: the wall clock may only have been corrected.
//!
//! A token that expires on its way to the API is answered 401, is replaced, and the request is replayed
//! if the [replay policy](OAuthClientCredentialsLayer::replay) covers it.
//!
//! # What is left to you
//!
//! * Ask for the least scope, and one client registration for each service.
//! * Prefer a key, a certificate or the platform's identity to a secret; see
//!   [which to choose](super::providers#which-client-authentication-to-choose).
//! * Take secrets from a file or a closure ([`Secret`]), not from the source text; both are read
//!   again at each attempt, so that they can be rotated.
//! * A secret must not be in the token URL, nor in an origin: these are shown in errors. (They are
//!   refused there where they can be told.)

// Names for the links above.
#[cfg(doc)]
use crate::*;
