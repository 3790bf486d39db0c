//! Settings from TOML, JSON, YAML and the environment: what they do on the wire, which mistakes
//! are told and how, and that no secret is in what is told.

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
