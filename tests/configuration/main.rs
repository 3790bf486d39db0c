//! Settings from TOML, JSON, YAML and the environment: their effect on the wire, the reported
//! mistakes, and the absence of secrets in reports.

mod canaries;
mod files;
mod grants;
mod mistakes;
mod parity;
mod support;
mod wire;
