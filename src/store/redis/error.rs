//! The failures of a Redis, in words that say what to do.

use std::{fmt, time::Duration};

use redis::{RedisError, RetryMethod};

use crate::{error::sanitise, store::traits::StoreError};

/// A failure, which all callers that wait for a connection share. Shows no secret.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Problem and advice.
    text: String,
    pub(super) connection: ConnectionState,
}

/// What a failure says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionState {
    Usable,
    /// The next operation should use another one, such as to the new primary.
    Doubtful,
    /// It was closed. The operation may or may not have happened.
    Closed,
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), connection: ConnectionState::Doubtful }
    }

    pub(super) fn slow(what: &str, timeout: Duration) -> Self {
        Self::new(format!("{what} took longer than {timeout:?}; check its load and the network"))
    }

    /// An answer that is not the one of a script.
    pub(super) fn unreadable() -> Self {
        Self { text: UNREADABLE.to_owned(), connection: ConnectionState::Usable }
    }

    /// The failure of a command. `secrets` are masked, since Redis repeats the arguments of commands
    /// that it does not know.
    pub(super) fn of(error: &RedisError, secrets: &[&str]) -> Self {
        let connection = match (error.code(), error.retry_method()) {
            // It was the primary once.
            (Some("READONLY" | "MASTERDOWN" | "LOADING"), _) => ConnectionState::Doubtful,
            (Some(_), _) => ConnectionState::Usable,
            _ if error.is_timeout() => ConnectionState::Doubtful,
            (None, RetryMethod::Reconnect) => ConnectionState::Closed,
            (None, _) if error.is_io_error() => ConnectionState::Closed,
            (None, _) => ConnectionState::Usable,
        };
        Self { text: text(error, secrets), connection }
    }

    /// The error for callers.
    pub(super) fn into_error(self, address: &dyn fmt::Display) -> StoreError {
        StoreError::new(format!("Redis at {address}: {}", self.text))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const UNREADABLE: &str = "its answer cannot be read; check that the address is one of Redis, and \
    that nothing else writes to keys with this prefix";

/// The code of our scripts for a key that is not an entry.
pub(super) const NOT_AN_ENTRY: &str = "NOTANENTRY";

fn text(error: &RedisError, secrets: &[&str]) -> String {
    let Some(code) = error.code() else {
        return match error {
            error if error.is_timeout() => {
                "it did not answer in time; check its load and the network".to_owned()
            }
            error if error.is_io_error() => {
                "the connection was closed; check that Redis runs, and its log".to_owned()
            }
            error if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                wrong_login(&detail(error, secrets))
            }
            _ => UNREADABLE.to_owned(),
        };
    };
    match code {
        "NOAUTH" => "it requires a password; put user and password in the URL, or set password",
        "WRONGPASS" => return wrong_login(""),
        "NOPERM" => {
            return format!(
                "its ACL forbids a command ({}); allow the commands and the prefix that \
                 `RedisStore` names in its documentation",
                detail(error, secrets)
            );
        }
        "READONLY" => "it is a read-only replica; use the address of the primary",
        "OOM" => "its memory is full; raise maxmemory, or set maxmemory-policy to an eviction",
        "WRONGTYPE" | NOT_AN_ENTRY => {
            "a key with our prefix is not an entry of ours; delete it, or set another prefix"
        }
        "LOADING" => "it is loading its data; wait",
        "MASTERDOWN" => "it is a replica without a primary; use the address of the primary",
        "MISCONF" => "it refuses writes, since it cannot save to disk; check its disk and log",
        "NOREPLICAS" => "it refuses writes, since it has too few replicas; check the replicas",
        "BUSY" => "a script of another client blocks it; end that with SCRIPT KILL",
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" | "TRYAGAIN" => {
            "it is a node of a Redis Cluster, which is not supported; use a single primary, or a \
             proxy in front of the cluster"
        }
        _ => {
            return format!("it answered {} ({})", sanitise(code), detail(error, secrets));
        }
    }
    .to_owned()
}

fn wrong_login(detail: &str) -> String {
    let more = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("user or password are wrong{more}; correct the URL, or the password that was set")
}

/// The text of the server, without the arguments of a command and without secrets.
fn detail(error: &RedisError, secrets: &[&str]) -> String {
    let text = error.detail().unwrap_or("no details");
    let mut text = text.split(", with args").next().unwrap_or_default().to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    sanitise(&text)
}
