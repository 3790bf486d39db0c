//! Names, log lines, metrics, alerts and readiness: what an operator sees.
//!
//! * [Name each client](#name-each-client)
//! * [Log lines and spans](#log-lines-and-spans)
//! * [Metrics](#metrics)
//! * [Alerts and the dashboard](#alerts-and-the-dashboard)
//! * [An observer](#an-observer)
//! * [Readiness](#readiness)
//! * [From a symptom to the cause](#from-a-symptom-to-the-cause)
//!
//! # Name each client
//!
//! ```
//! use tower_oauth2_client_credentials::TokenCache;
//! # use tower_oauth2_client_credentials::{Token, source::AcquireContext};
//!
//! # let source = |_: AcquireContext| async { Token::bearer("abc") };
//! let tokens = TokenCache::builder(source).name("billing").build();
//! assert_eq!(tokens.name(), "billing");
//! ```
//!
//! The name is in the client's events, log lines, spans, metrics and errors. The default is the client id,
//! the host of the token endpoint and the scope.
//!
//! # Log lines and spans
//!
//! All lines have the target `tower_oauth2_client_credentials` ([`TARGET`]) and the field `client`. A service that stays healthy logs
//! nothing at INFO; INFO reports changes of readiness, suspends and recoveries. WARN needs an operator, and the error in the line says what to do. For a support case:
//!
//! ```sh
//! RUST_LOG=info,tower_oauth2_client_credentials=debug
//! ```
//!
//! At DEBUG each acquisition has a span, with a span for each HTTP request in it, in OpenTelemetry's names.
//! Requests to APIs have none. The module [`event`] lists all lines and spans.
//!
//! # Metrics
//!
//! With the feature `metrics` they need no code here. Install a recorder before the first cache is built,
//! such as `metrics_exporter_prometheus::PrometheusBuilder::new().install()?`. The module `metrics` lists them,
//! and has an observer for OpenTelemetry. `cargo run --features store --example metrics` serves them through
//! an outage.
//!
//! For a gauge of the remaining lifetime without that feature, report when the cached token expires:
//! `tokens.peek().and_then(|token| token.expires_at())` ([`Token::expires_at`]). A timestamp needs no
//! update until the token is replaced. `KeyedTokenCache::caches` (feature `keyed`) lists the caches of
//! all keys.
//!
//! # Alerts and the dashboard
//!
//! The folder `ops/` of the repository has rules for Prometheus, with unit tests, and a Grafana dashboard.
//!
//! | alert | means |
//! | --- | --- |
//! | `OAuthTokenExpiresSoon` | Requests still succeed, and the refresh fails. |
//! | `OAuthNoToken` | Requests fail, because there is no token. |
//! | `OAuthCredentialsRefused` | The id, the secret or key, or the method of client authentication is wrong. |
//! | `OAuthApiRejectsFreshTokens` | The API refuses new tokens: audience, scope, or its keys or clock. |
//! | `OAuthTooManyTokenRequests`, `OAuthShortLivedCaches` | A cache is made too often, or a server returns old tokens. |
//! | `OAuthTokensNotShared` | The store of a fleet is down. Each process acquires for itself. |
//!
//! # An observer
//!
//! An observer receives each [`Event`] as a value, for other systems:
//!
//! ```
//! # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//! # use tower_oauth2_client_credentials::{Token, source::AcquireContext};
//! use tower_oauth2_client_credentials::{TokenCache, event::EventKind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
//! # let source = |_: AcquireContext| async { Token::bearer("abc") };
//! let acquired = Arc::new(AtomicU64::new(0));
//! let counter = Arc::clone(&acquired);
//! let tokens = TokenCache::builder(source)
//!     .name("billing")
//!     .observer(move |event| match event.kind() {
//!         EventKind::Acquired { .. } | EventKind::Refreshed { .. } => {
//!             counter.fetch_add(1, Ordering::Relaxed);
//!         }
//!         EventKind::AcquisitionFailed { error, .. } if error.is_permanent() => {
//!             eprintln!("{} needs an operator: {error}", event.client());
//!         }
//!         _ => {}
//!     })
//!     .build();
//! tokens.get().await?;
//! assert_eq!(acquired.load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```
//!
//! It runs where the event happens, so it should return at once. A panic in it is contained.
//!
//! # Readiness
//!
//! ```
//! use http::StatusCode;
//! use tower_oauth2_client_credentials::TokenCache;
//!
//! // For a cache with `keep_warm`: without requests, it acquires a token again after an outage.
//! fn probe(tokens: &TokenCache) -> StatusCode {
//!     // True for `Degraded` too: the refresh fails or an API rejected the token, but there is one.
//!     let ready = tokens.readiness().has_token();
//!     if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
//! }
//! ```
//!
//! A token is acquired only for a request, by `warm_up` or by `keep_warm`. A service that gets no
//! traffic while it is not ready needs `warm_up` or `keep_warm` to become ready again.
//! [`subscribe`](TokenCache::subscribe) notifies about changes.
//!
//! # From a symptom to the cause
//!
//! | symptom | look at |
//! | --- | --- |
//! | requests fail with an error of this crate | the error: it names the client, the server, the cause, and what to do |
//! | the API answers 401, with a token | `this API rejects fresh tokens`; then audience and scope in the [doctor](super::doctor)'s report |
//! | the API answers 401, without a token | `request without a token` at DEBUG, with the reason and the origin |
//! | a 401 reaches callers at each revocation | `rejected request not sent again`: the [replay policy](super::recipes#request-bodies-and-replays) does not cover the body |
//! | slow requests at intervals | `oauth_client_wait_duration_seconds`, and the event `Waited`: the lifetime is short, or the server slow |
//! | more token requests than expected | `oauth_client_token_requests_total` by `reason`; caches that are made for each request |
//! | `the wall clock differs` | the clock of this host, or of the server that the line names |

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
