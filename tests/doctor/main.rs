//! The program `oauth-doctor`, run as a user would.

mod api;
mod bad_input;
mod lines;
mod output;
mod quirks;
mod support;
mod thorough;
