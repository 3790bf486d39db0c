//! The progress of one connection, for the error of a timeout.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// The stage that a connection has reached.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Lookup,
    Tcp,
    /// TLS with the proxy, or with the destination if there is no proxy.
    Handshake,
    Tunnel,
    /// TLS with the destination, through a tunnel.
    Tunneled,
}

impl Progress {
    pub(super) fn reach(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    /// The stage that took too long: whether the proxy is at fault, and the problem with advice.
    pub(super) fn timeout_reason(&self, is_proxied: bool, timeout: Duration) -> (bool, String) {
        let reached = self.0.load(Ordering::Relaxed);
        let at_proxy = is_proxied && reached < Stage::Tunneled as u8;
        let (problem, advice) = if reached == Stage::Lookup as u8 {
            ("the name lookup did not end", "check this machine's DNS")
        } else if reached == Stage::Tcp as u8 {
            ("no TCP connection was made", "check the host, the port, and firewalls")
        } else if reached == Stage::Tunnel as u8 {
            ("no answer to CONNECT came", "check the proxy, and whether it can reach the host")
        } else {
            ("the TLS handshake did not end", "check that the port speaks TLS")
        };
        (at_proxy, format!("{problem} within {timeout:?}; {advice}"))
    }
}
