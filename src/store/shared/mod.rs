//! A source whose tokens processes share.

// Imports run one way: `builder → source → {lead, wait, fallback} → answer → current → {entry,
// lease_guard} → core → {health, settings}`.

mod answer;
mod builder;
mod core;
mod current;
mod entry;
mod fallback;
mod health;
mod lead;
mod lease_guard;
mod settings;
mod source;
mod wait;

pub use self::{builder::SharedBuilder, source::Shared};
