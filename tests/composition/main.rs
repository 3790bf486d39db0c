//! The layer together with those of tower and tower-http, above and below it, by public API alone.
//!
//! Each stack stands on a service that minds the readiness contract, behind a concurrency limit of
//! one: a permit that is lost, or held where it should not be, is a deadlock. Each goes through
//! [`check::composes`]: authorised, a 401 replaced, errors passed on, and dropped at each await.
//! `tower_test`'s mock says what becomes of readiness. All of it for the layer of one cache, and for
//! that of a cache by key.

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
