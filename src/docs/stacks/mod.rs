//! The crate in a stack of yours, a chapter for each.
//!
//! * [`axum`]: a backend service that calls a protected API
//! * [`hyper`]: hyper-util's client, and connections of your own
//! * [`reqwest`]: in a tower stack, under reqwest-middleware, and for token requests
//! * [`tonic`]: gRPC, unary and streaming

pub mod axum;
pub mod hyper;
pub mod reqwest;
pub mod tonic;
