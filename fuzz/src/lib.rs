//! The fuzz targets, as functions that take the bytes of one input. `fuzz_targets/` makes programs of
//! them, and `tests/corpora.rs` replays the corpora.
//!
//! Targets use the public interface where it reaches the code. The modules for proxy variables and
//! challenges are compiled again here, with the modules that they import, because their decisions are
//! otherwise visible only through sockets.

#[path = "../../src/basic_auth.rs"]
mod basic_auth;
mod error;
mod layer;
#[path = "../../src/net.rs"]
mod net;
pub mod planted;
pub mod support;
pub mod targets;
mod transport;
