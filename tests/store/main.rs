//! The stores that processes share. Tests of Redis start `redis-server`, which `.ci/real-servers`
//! installs.

mod conformance;
mod file;
mod file_access;
mod file_damage;
mod memory;
mod redis_access;
mod redis_garbage;
mod redis_outages;
mod redis_peer;
mod redis_refusals;
mod redis_round_trips;
mod redis_runtimes;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod support;
