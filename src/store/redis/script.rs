//! Sends scripts.

use std::sync::atomic::{AtomicU8, Ordering};

use redis::{RedisResult, ServerErrorKind, ToRedisArgs, Value, aio::MultiplexedConnection};

/// A script of this crate.
#[derive(Debug)]
pub(super) struct Script {
    /// Its bit in [`SentScripts`].
    bit: u8,
    text: String,
    hash: String,
}

/// The scripts that a server has received over one connection. It keeps them.
#[derive(Debug, Default)]
pub(super) struct SentScripts(AtomicU8);

impl SentScripts {
    fn contains(&self, script: &Script) -> bool {
        self.0.load(Ordering::Relaxed) & script.bit != 0
    }

    fn insert(&self, script: &Script) {
        self.0.fetch_or(script.bit, Ordering::Relaxed);
    }
}

impl Script {
    /// `number`: another one for each script, below 8.
    pub(super) fn new(number: u8, text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { bit: 1 << number, text, hash }
    }

    /// Calls the script for a key.
    pub(super) fn key(&'static self, key: impl ToRedisArgs) -> ScriptCall {
        ScriptCall { script: self, keys: key.to_redis_args(), args: Vec::new() }
    }
}

/// A script, with its keys and arguments.
pub(super) struct ScriptCall {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Vec<u8>>,
}

impl ScriptCall {
    pub(super) fn with_key(mut self, key: impl ToRedisArgs) -> Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    /// Runs the script. Its text is sent once for each connection, and its hash after that: a first
    /// call by hash would take three round trips if the server does not have the script.
    pub(super) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        sent: &SentScripts,
    ) -> RedisResult<Value> {
        let Script { text, hash, .. } = self.script;
        if sent.contains(self.script) {
            let answer = self.command("EVALSHA", hash).query_async(connection).await;
            match answer {
                // The server has restarted behind a proxy, or has removed its scripts.
                Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {}
                answer => return answer,
            }
        }
        let answer = self.command("EVAL", text).query_async(connection).await;
        if answer.is_ok() {
            sent.insert(self.script);
        }
        answer
    }

    fn command(&self, name: &str, script: &str) -> redis::Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        command
    }
}
