//! One file per promise, with tests that are named after it. The tests try to break the cache and
//! the layer: with scripted token sources, virtual time, and real runtimes where they matter.
//!
//! The files that are not modules here are separate binaries: P8 captures traces or searches freed
//! memory, P10 and P12 count allocations.

mod p01_one_flight;
mod p02_dropped_leader;
mod p03_blocked_sources;
mod p03_every_waiter_ends;
mod p03_runtimes;
mod p04_nobody_waits;
mod p05_both_clocks;
mod p05_valid_tokens_only;
mod p06_outages;
mod p06_sharing;
mod p07_budget;
mod p07_events;
mod p07_not_replayed;
mod p07_rejections;
mod p09_origins;
mod p09_redirects;
mod p09_withheld;
mod p11_idle;
mod p12_injection;
mod p13_containment;
mod support;
