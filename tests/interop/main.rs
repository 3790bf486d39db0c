//! Tests against real authorization servers, over real sockets and TLS. `.ci/real-servers` installs
//! and starts the servers. No test may show a secret in a log, an error or a `Debug`.

mod authlib;
mod canaries;
mod discovery;
mod doctor;
mod doorkeeper;
mod dpop;
mod jwt;
mod mtls;
mod oidc;
mod support;
mod tap;
mod traffic;
