//! Real processes that share one token. The tests start this binary again for each process.

mod files;
mod fleet;
mod worker;

#[cfg(feature = "redis")]
mod redis {
    mod doorkeeper;
    mod faults;
    mod leaders;
    mod lives;
    #[path = "../../../support/redis_server.rs"]
    #[expect(dead_code, reason = "other tests use the rest of it")]
    pub(super) mod server;
}

/// The entry point of the processes that the other tests start. Otherwise it has nothing to do.
#[test]
fn worker() {
    if let Some(settings) = worker::Settings::from_env() {
        worker::run(settings);
    }
}
