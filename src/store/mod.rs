//! A token that the processes of a fleet share through a store.
//!
//! [`TokenCache`](crate::TokenCache) makes one acquisition at a time in one process. A fleet of ten
//! thousand processes still sends ten thousand token requests. [`Shared`] is a
//! [`TokenSource`](crate::TokenSource) around another one: one process acquires, and the others take
//! its token from a store. The store is [`RedisStore`] (Redis or Valkey), [`FileStore`] (files of one
//! machine), [`MemoryStore`] (tests), or your own [`Store`].
//!
//! ```text
//! ClientCredentials ──► Shared ──► TokenCache ──► requests
//!                         │
//!                       store
//! ```
//!
//! A request with a cached token never asks the store. The store is asked when a token is due or was
//! rejected.
//!
//! # Examples
//!
//! Two processes, here with a store in memory, and one token request:
//!
//! ```
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, Error, TokenCache,
//!     store::{MemoryStore, SealingKey, Shared},
//!     testing::{AuthorizationServer, RegisteredClient},
//! };
//!
//! let server = AuthorizationServer::builder()
//!     .client(RegisteredClient::new("billing").secret("s3cret"))
//!     .build();
//! let store = MemoryStore::new(); // in production `RedisStore::new(url)?`
//! # let variable = "bm90IGEgcmVhbCBrZXksIGp1c3QgYW4gZXhhbXBsZS4=";
//! let key = SealingKey::from_base64(variable)?; // `openssl rand -base64 32`
//!
//! let process = || -> Result<TokenCache, Error> {
//!     let source = ClientCredentials::builder(server.token_url())
//!         .client_secret_basic("billing", "s3cret")
//!         .transport(server.service())
//!         .build()?;
//!     let shared = Shared::builder(source, store.clone()).sealed_with([key.clone()]).build()?;
//!     Ok(TokenCache::new(shared))
//! };
//! let (one, other) = (process()?, process()?);
//! assert_eq!(one.get().await?.secret(), other.get().await?.secret());
//! assert_eq!(server.token_requests(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! With many tokens, the closure of a [`KeyedTokenCache`](crate::KeyedTokenCache) returns a [`Shared`]
//! for each key, with clones of one [`SharedStore`].
//!
//! # One acquisition for each life of a token
//!
//! A *life* is the time from the issue of a token to its refresh.
//!
//! * **A lease elects the process that acquires.** It lasts 5 s by default ([`lease`](SharedBuilder::lease)),
//!   and is renewed while the acquisition runs, for 40 % of
//!   [`acquisition_timeout`](crate::cache::TokenCacheBuilder::acquisition_timeout) at most. A process that
//!   dies delays the others by one lease at most. If one gets no answer, another takes over after 10 s.
//! * **The others wait** for the announcement of the result, or poll for it. If `acquisition_timeout` is
//!   shorter than two leases, they wait for about half of it, and then acquire for themselves.
//! * **The refresh has one time for all.** The process that acquires draws it. Others refresh up to 5 s
//!   later, so that the next token usually arrives before they ask. If the server returns the same token
//!   again, they take its new refresh time.
//! * **A process that was stopped does not overwrite a newer token.** Each entry has a
//!   generation: the time at which the lease was granted, by the store's clock. The store refuses an entry
//!   whose generation is lower than the stored one.
//! * **Other processes take an announced token at once.** On some servers each new token ends the
//!   previous one. A request in flight with the previous token is answered 401 there. The layer sends it
//!   again if its body can be sent again.
//!
//! # Rejections and failures
//!
//! After a 401 the store is asked first. A token that another process acquired does not count towards
//! the [budget of rejections](crate::cache::TokenCacheBuilder::rejection_interval). The entry has a
//! budget too, so that an API that always answers 401 costs a fleet as many token requests as one
//! process: six in ten minutes. A token that an API rejected stays in use in other processes until a
//! newer one arrives. While the budget of the fleet is used up, a process whose requests are answered 401
//! asks the store again after pauses of 1 s to 10 s, which does not count towards its own budget. A token
//! is not used if the process has a later one, or has rejected it recently.
//!
//! The cooldown after a failed acquisition, and a `Retry-After`, hold for the fleet. Only the kind of
//! an error, its OAuth code and its HTTP status cross processes. No text does. Failures of one process,
//! such as an unreadable secret, stay in that process. One process may have a wrong secret, or no way to the server, while the others have not.
//! So the cooldown of the fleet after any failure is 1 s, doubling to 60 s, as after a transient one, and
//! a process that failed tries again after the others: by a quarter of the cooldown and 250 ms, at most
//! 5 s. In the process that failed with `invalid_client` the cooldown is 30 s, as without a store.
//!
//! # Without the store
//!
//! Each operation is bounded by [`store_timeout`](SharedBuilder::store_timeout). If the store is down,
//! slow, full or read-only, each process acquires for itself, with its own cooldown. There is one
//! [event](crate::event::EventKind::SharingStopped) when sharing stops, and
//! [one](crate::event::EventKind::SharingResumed) when it resumes. Sources with clones of one
//! [`SharedStore`] report it once for all of them. Sharing resumes by itself. A process that waits for
//! another one when the store fails asks again until the lease would end. If the store fails when
//! the refresh of the common token is due, each process draws its own time in the rest of the token's
//! life, so that the authorization server does not get all token requests at once.
//!
//! # Who can read the token
//!
//! Entries are sealed by AES-256-GCM with a key that the processes have and the store does not
//! ([`SealingKey`]). An entry that does not open is never used and never overwritten: the process
//! acquires for itself, with one [warning](crate::event::EventKind::EntryNotUsed). An entry that is
//! copied to another id, or written again with a higher generation, does not open. Anyone who can write to the store can
//! remove entries, which costs token requests, and can restore an entry of the past exactly as it was.
//! Processes that have cached a later token keep that, and others use the token of the past while it is
//! valid.
//!
//! The id of an entry is a hash of the public settings that determine the token: the token URL or issuer, the
//! client and its authentication method, the scope and the other parameters, the thumbprint of a key or
//! certificate, and a [`namespace`](SharedBuilder::namespace). No secret is hashed. If something else
//! determines the token, such as the value of a parameter that may be secret, the query of the token URL, or an
//! assertion from a file, `build` requires a namespace, which stands for it. The
//! secrets and keys of one client id count as those of one client, so that they can be replaced. A token that is bound to a generated DPoP
//! key is never shared. With a given key each process makes its own proofs.
//!
//! # Clocks
//!
//! Processes compare times by their wall clocks, which may differ by
//! [`clock_skew`](SharedBuilder::clock_skew). A token of a host whose clock is further ahead is not used,
//! with a [warning](crate::event::EventKind::SharedTokenFromFuture). Leases and generations depend on the clock of the store only.
//! The time of a generation also replaces a time in the budget of rejections that is further ahead, so that
//! such a host does not delay the next acquisition of the fleet.

mod announcer;
mod entry;
#[cfg(feature = "file-store")]
mod file;
mod identity;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod sealing;
mod shared;
mod shared_store;
mod traits;
mod values;

#[cfg(feature = "file-store")]
#[cfg_attr(docsrs, doc(cfg(feature = "file-store")))]
pub use file::FileStore;
pub use memory::{MemoryFault, MemoryStore};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::{RedisStore, RedisStoreBuilder};
pub use sealing::SealingKey;
pub use shared::{Shared, SharedBuilder};
pub use shared_store::SharedStore;
pub use traits::{
    AnnouncementReceiver, Announcer, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry,
};
