//! Settings from TOML, JSON, YAML and the environment: what they do on the wire, which mistakes
//! are told and how, and that no secret is in what is told.

mod canaries;
mod files;
mod grants;
mod mistakes;
mod parity;
mod support;
mod wire;
