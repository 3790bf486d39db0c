//! The layer in combination with layers of tower and tower-http, above and below it, by public API
//! only.
//!
//! Each stack ends in a service that checks the readiness contract, behind a concurrency limit of
//! one. A permit that is lost, or held too long, causes a deadlock. Each stack passes
//! [`check::composes`]: authorized, a 401 replaced, errors passed on, and dropped at each await.
//! `tower_test`'s mock checks readiness. Everything runs for the layer of one cache, and for the
//! layer of a keyed cache.

mod balance;
mod bottom;
mod check;
mod http_layers;
mod permits;
mod queues;
mod readiness;
mod retry;
mod timeout;
mod world;
