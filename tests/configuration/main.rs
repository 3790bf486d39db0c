//! Settings from TOML, JSON, YAML and the environment: their effect on the wire, the reported
//! errors, and the absence of secrets in reports.

mod canaries;
mod files;
mod grants;
#[path = "../support/log.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod log;
mod mistakes;
mod parity;
mod support;
mod wire;
