//! The layer as a tower middleware: the contract of `Service`, several APIs, and other layers above
//! and below.

mod composition;
mod late_polls;
mod per_origin;
mod service_contract;
mod slow_service;
#[path = "../promises/support.rs"]
#[allow(dead_code)] // The promises use the rest.
mod support;
