//! A source whose tokens processes share.

// Imports run one way: `builder → source → {lead, fallback}`, `{source, lead} → wait → answer →
// entry → inner → {health, settings}`, `{source, lead} → lease_guard → inner`, `fallback → inner`, and
// `{builder, source} → current → entry`.

mod answer;
mod builder;
mod current;
mod entry;
mod fallback;
mod health;
mod inner;
mod lead;
mod lease_guard;
mod settings;
mod source;
mod wait;

pub use self::{builder::SharedBuilder, source::Shared};
