//! Uses secrets of every kind, and searches all output that a person can read for them, in every
//! encoding: logs and spans at TRACE, `Debug` and `Display`, errors with their causes, events,
//! metrics, panics, stored entries and the output of oauth-doctor.

mod capture;
mod credentials;
mod detector;
mod doctor;
#[path = "../support/encodings.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod encodings;
mod journey;
#[path = "../support/log.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod log;
mod panics;
mod peer;
mod stores;
#[path = "../mtls/support.rs"]
#[allow(dead_code, unreachable_pub)] // Other tests use the rest.
mod tls;
mod tokens;
mod transports;
