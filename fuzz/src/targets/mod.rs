//! The targets, by name.

pub mod api_answer;
pub mod challenge;
pub mod challenge_differential;
pub mod config;
pub mod discovery;
pub mod dpop_nonce;
pub mod keys;
pub mod origins;
pub mod proxy;
pub mod retry_after;
pub mod stored_entry;
pub mod stored_round_trip;
pub mod token_response;

/// Runs one input of a target.
pub type Target = fn(&[u8]);

/// All targets.
pub const TARGETS: &[(&str, Target)] = &[
    ("api_answer", api_answer::run),
    ("challenge", challenge::run),
    ("challenge_differential", challenge_differential::run),
    ("config", config::run),
    ("discovery", discovery::run),
    ("dpop_nonce", dpop_nonce::run),
    ("keys", keys::run),
    ("origins", origins::run),
    ("proxy", proxy::run),
    ("retry_after", retry_after::run),
    ("stored_entry", stored_entry::run),
    ("stored_round_trip", stored_round_trip::run),
    ("token_response", token_response::run),
];
