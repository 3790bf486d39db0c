//! The store.

use std::{fmt, sync::Arc, time::Duration};

use redis::{ParsingError, Value};

use super::{
    connection::SharedConnection,
    error::Failure,
    script::ScriptCall,
    scripts::{self, Names, WriteOutcome},
    subscription::Subscription,
};
use crate::store::traits::{Announcer, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry};

/// A store in Redis (5 or later) or Valkey: one primary. Cluster and Sentinel are not supported.
///
/// It connects when it is built in a runtime, or first used. It reconnects by itself. Clones are cheap
/// and share two connections: one for commands, and one for announcer. A store in a static works
/// across runtimes: it connects on the current one if the runtime of its connection ended.
///
/// Each operation is a script, so it is one atomic step and takes one round trip. If its connection was
/// closed, it is repeated once. An operation that fails is an error that says what to do, and never
/// counts as a missing entry. A key with our prefix that is not an entry is an error too, and is never
/// overwritten, since another program may own it.
///
/// # Permissions
///
/// With the default prefix, an ACL (Redis 6 or later) for the user is
///
/// ```text
/// ACL SETUSER tokens on >PASSWORD resetkeys ~oauth2-tokens:* resetchannels &oauth2-tokens:* -@all
///   +eval +evalsha +exists +get +set +del +pttl +pexpire +time
///   +hset +hmget +hstrlen +publish +subscribe +ping +select
/// ```
///
/// Without `publish` and `subscribe`, processes poll, and learn of a new token a little later.
///
/// # Memory
///
/// An entry expires with its token, and has about the token's size. If an eviction policy removes it,
/// running processes are not affected; one that starts before the next refresh costs a token request. With `noeviction` and full memory, each process acquires
/// for itself.
///
/// # Examples
///
/// ```no_run
/// use tower_oauth2_client_credentials::store::RedisStore;
///
/// let store = RedisStore::new("rediss://tokens:s3cret@redis.internal:6379/0")?;
/// assert!(!format!("{store:?}").contains("s3cret"));
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    connection: Arc<SharedConnection>,
    subscription: Subscription,
    names: Names,
}

impl RedisStore {
    pub(super) fn from_parts(connection: SharedConnection, names: Names) -> Self {
        let connection = Arc::new(connection);
        connection.connect_in_background();
        let subscription = Subscription::new(Arc::clone(&connection), names.channel.clone());
        Self(Arc::new(Inner { connection, subscription, names }))
    }

    async fn run<T>(
        &self,
        script: ScriptCall,
        parse: impl FnOnce(Value) -> Result<T, ParsingError>,
    ) -> Result<T, StoreError> {
        let connection = &self.0.connection;
        self.0.subscription.ensure_running();
        let answer = connection.run(&script).await;
        answer
            .and_then(|answer| parse(answer).map_err(|_| Failure::unreadable()))
            .map_err(|failure| failure.into_error(&connection.connector.address))
    }

    fn report_silence(&self) {
        self.0.subscription.interrupt(&format!(
            "Redis at {} does not announce new entries; allow PUBLISH to this prefix",
            self.0.connection.connector.address
        ));
    }
}

impl Store for RedisStore {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.run(self.0.names.read(id), scripts::entry).await
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.run(self.0.names.take_lease(id, owner, duration), scripts::lease).await
    }

    async fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.run(self.0.names.renew(id, owner, duration), redis::from_redis_value).await
    }

    async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
        let script = self.0.names.release(id, owner);
        self.run(script, redis::from_redis_value::<bool>).await.map(drop)
    }

    async fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let script = self.0.names.write(id, &entry, ttl);
        let outcome = self.run(script, scripts::write_outcome).await?;
        if outcome == WriteOutcome::NotAnnounced {
            self.report_silence();
        }
        Ok(outcome != WriteOutcome::Refused)
    }

    fn subscribe(&self, announcer: Announcer) {
        self.0.subscription.add(announcer);
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &format_args!("{}", self.0.connection.connector.address))
            .field("prefix", &self.0.names.prefix())
            .finish_non_exhaustive()
    }
}
