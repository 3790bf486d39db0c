//! The client tests of the OpenID Foundation for the FAPI 2.0 Security Profile (Final), as far as
//! they apply to the client-credentials grant, over TLS on loopback. README.md lists the modules of
//! its test plan with the test of each, or a reason.

mod aliases;
mod happy_path;
#[path = "../support/proofs.rs"]
mod proofs;
mod refusals;
mod requests;
mod responses;
mod stage;
#[path = "../mtls/support.rs"]
#[allow(dead_code, unreachable_pub)] // Other tests use the rest.
mod tls;

// The lines that the documentation shows.
include!("profile.rs");
