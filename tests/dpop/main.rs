//! DPoP (RFC 9449): tokens bound to a key, in virtual time, with proofs verified by another library.

mod api;
mod canaries;
mod clients;
mod lost_connections;
#[path = "../support/proofs.rs"]
mod proofs;
mod replay;
mod support;
mod token_endpoint;
