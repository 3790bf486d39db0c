//! reqwest below the layer, above it and next to it, over real sockets.

#[path = "../mtls/support.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod certificates;
mod lost_connections;
mod middleware;
mod middleware_dpop;
mod middleware_keyed;
#[path = "../support/one_request.rs"]
mod one_request;
#[path = "../support/proofs.rs"]
mod proofs;
mod proxies;
mod redirects;
mod service;
mod support;
mod tls;
