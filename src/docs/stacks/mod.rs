//! The crate in a stack of yours, a chapter for each.
//!
//! * [`reqwest`]: in a tower stack, under reqwest-middleware, and for token requests

pub mod reqwest;
