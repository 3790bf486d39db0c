//! The errors of a Redis, with advice.

use std::{fmt, time::Duration};

use redis::{RedisError, RetryMethod};

use crate::{
    error::{causes, sanitise},
    store::traits::StoreError,
};

/// A failure. All callers that wait for a connection get the same one. Its text has no secret.
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
    /// The next operation uses another one, for instance to the new primary.
    Reconnect,
    /// It was closed. The operation may or may not have happened.
    Closed,
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), connection: ConnectionState::Reconnect }
    }

    pub(super) fn slow(what: &str, timeout: Duration) -> Self {
        Self::new(format!("{what} took longer than {timeout:?}; check its load and the network"))
    }

    /// An answer that is not the one of a script.
    pub(super) fn unreadable() -> Self {
        Self { text: UNREADABLE.to_owned(), connection: ConnectionState::Usable }
    }

    /// The failure of a command. `secrets` are masked, since Redis shows the arguments of an unknown
    /// command in its error.
    pub(super) fn of(error: &RedisError, secrets: &[&str]) -> Self {
        let connection = match (code(error), error.retry_method()) {
            // The address may lead to another server now, or the password may be another one.
            (Some("READONLY" | "MASTERDOWN" | "LOADING" | "NOAUTH"), _) => {
                ConnectionState::Reconnect
            }
            (Some(_), _) => ConnectionState::Usable,
            _ if error.is_timeout() => ConnectionState::Reconnect,
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

const UNREADABLE: &str = "its answer cannot be read; check that a Redis server listens at the address, \
    and that nothing else writes to keys with this prefix";

/// The error code of our scripts for a key that is not an entry.
pub(super) const NOT_AN_ENTRY: &str = "NOTANENTRY";

fn text(error: &RedisError, secrets: &[&str]) -> String {
    let Some(code) = code(error) else {
        return match error {
            error if error.is_timeout() => {
                "it did not answer in time; check its load and the network".to_owned()
            }
            error if error.is_io_error() => {
                let causes = causes(error);
                format!("the connection was closed ({causes}); check that Redis runs, and its log")
            }
            error if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                wrong_login(&error.detail().map(|_| detail(error, secrets)).unwrap_or_default())
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
            "a key with our prefix is not an entry of this crate; delete it, or set another prefix"
        }
        "LOADING" => "it is loading its data; wait until it has",
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

/// The code of an error. Some versions of Redis wrap an error of a command in a script in another one.
fn code(error: &RedisError) -> Option<&str> {
    const IN_SCRIPTS: [&str; 8] = [
        "MASTERDOWN",
        "MISCONF",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "WRONGTYPE",
        NOT_AN_ENTRY,
    ];
    let (code, detail) = (error.code()?, error.detail().unwrap_or_default());
    if code != "ERR" || !detail.contains("script") {
        return Some(code);
    }
    if detail.contains("The user executing the script can't") {
        return Some("NOPERM");
    }
    let mut words = detail.split_whitespace().map(|word| word.trim_start_matches('-'));
    words.find(|word| IN_SCRIPTS.contains(word)).or(Some(code))
}

fn wrong_login(detail: &str) -> String {
    let more = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("user or password are wrong{more}; correct the URL, or the password that was set")
}

/// The text of the server, without the arguments of a command and without secrets.
fn detail(error: &RedisError, secrets: &[&str]) -> String {
    let text = error.detail().unwrap_or("no details");
    let text = text.split(" script: ").next().unwrap_or_default();
    let mut text = text.split(", with args").next().unwrap_or_default().to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    sanitise(&text)
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    fn failure(code: &str, detail: &str) -> Failure {
        let error = make_extension_error(code.to_owned(), Some(detail.to_owned()));
        Failure::of(&error, &["s3cret"])
    }

    #[test]
    fn an_answer_of_another_type_leaves_the_connection_usable_and_a_reset_does_not() {
        let unexpected = (redis::ErrorKind::UnexpectedReturnType, "not a number").into();
        assert_eq!(Failure::of(&unexpected, &[]).connection, ConnectionState::Usable);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
        assert_eq!(Failure::of(&reset, &[]).connection, ConnectionState::Closed);
    }

    #[test]
    fn errors_say_what_to_do() {
        use ConnectionState::{Reconnect, Usable};
        for (code, detail, expected, connection) in [
            ("NOAUTH", "Authentication required.", "requires a password; put", Reconnect),
            ("WRONGPASS", "invalid username-password pair", "password are wrong; correct", Usable),
            ("NOPERM", "User a has no permissions to run the 'set' command", "'set'", Usable),
            ("READONLY", "You can't write against a read only replica.", "the primary", Reconnect),
            ("OOM", "command not allowed", "raise maxmemory", Usable),
            ("LOADING", "Redis is loading the dataset in memory", "wait", Reconnect),
            ("MASTERDOWN", "Link with MASTER is down", "without a primary; use", Reconnect),
            ("MOVED", "3999 127.0.0.1:6381", "Cluster", Usable),
            ("CLUSTERDOWN", "Hash slot not served", "Cluster, which is not supported", Usable),
            ("NOREPLICAS", "Not enough good replicas", "check the replicas", Usable),
            ("BUSY", "Redis is busy running a script", "SCRIPT KILL", Usable),
            ("MISCONF", "Errors writing to the AOF file", "disk", Usable),
            ("ERR", "something new", "it answered ERR (something new)", Usable),
            // Of Redis 7.
            (
                "ERR",
                "The user executing the script can't run this command or subcommand script: 47d3",
                "ACL forbids a command (The user executing the script can't run this command or \
                 subcommand); allow",
                Usable,
            ),
            // Of Redis 6.
            (
                "ERR",
                "Error running script (call to f_47d3): @user_script:1: @user_script: 1: -OOM \
                 command not allowed when used memory > 'maxmemory'.",
                "raise maxmemory",
                Usable,
            ),
            (
                "ERR",
                "Error running script (call to f_47d3): @user_script:1: -READONLY You can't write",
                "read-only replica",
                Reconnect,
            ),
            (
                "ERR",
                "Error running script (call to f_47d3): @user_script:1: WRONGTYPE Operation",
                "is not an entry of this crate",
                Usable,
            ),
        ] {
            let failure = failure(code, detail);
            assert!(failure.to_string().contains(expected), "{failure}");
            assert_eq!(failure.connection, connection, "{failure}");
        }
    }

    #[test]
    fn texts_of_a_server_are_sanitized_and_show_no_arguments() {
        let echo = "unknown command 'AUTH', with args beginning with: 's3cret' 'value'";
        let text = failure("ERR", echo).to_string();
        assert_eq!(text, "it answered ERR (unknown command 'AUTH')");
        let text = failure("ERR", "the password s3cret\u{1b}[31m is red").to_string();
        assert_eq!(text, "it answered ERR (the password [redacted]?[31m is red)");
        let text = failure("E\u{202e}RR", &"long".repeat(1000)).to_string();
        assert!(text.len() < 300 && !text.contains('\u{202e}'), "{text}");
    }
}
