//! One token for many processes (feature `store`, with `redis` or `file-store`).
//!
//! Ten thousand processes that restart together send ten thousand token requests. Some authorization
//! servers bill tokens, limit their number, or revoke the previous token when they issue another one.
//! Processes that share a token send one token request each time it is refreshed.
//!
//! * [Through Redis](#through-redis)
//! * [Through files](#through-files)
//! * [The key that seals tokens](#the-key-that-seals-tokens)
//! * [Rotation of the key](#rotation-of-the-key)
//! * [Servers that revoke the previous token](#servers-that-revoke-the-previous-token)
//! * [Faults](#faults)
//!
//! [`store`](crate::store) says how it works, [`defaults`](super::defaults) has the settings, and
//! `cargo run --example fleet` shows it.
//!
//! # Through Redis
//!
//! [`Shared`](crate::store::Shared) is a source around another one. Put it between `ClientCredentials`
//! and the cache. All processes need the same store, the same key and the same settings of the client.
//!
//! ```no_run
//! # #[cfg(not(feature = "redis"))]
//! # fn main() {}
//! # #[cfg(feature = "redis")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, TokenCache,
//!     store::{RedisStore, SealingKey, Shared},
//! };
//!
//! let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!     .client_secret_basic("my-service", "s3cret")
//!     .build()?;
//! let store = RedisStore::new("rediss://tokens:s3cret@redis.internal:6379")?;
//! let key = SealingKey::from_file("/run/secrets/token-store-key")?;
//! let tokens = TokenCache::new(Shared::builder(source, store).sealed_with([key]).build()?);
//! # drop(tokens);
//! # Ok(())
//! # }
//! ```
//!
//! Valkey works too. `RedisStore` lists the permissions that its user needs. With many tokens, the closure
//! of a `KeyedTokenCache` returns a `Shared` for each key, with clones of one
//! [`SharedStore`](crate::store::SharedStore). If the store fails, the log then has one line for it, and
//! not one for each key.
//!
//! # Through files
//!
//! Command-line tools and warm serverless functions start often and live for seconds. They can keep
//! the token in a directory that they have in common. The processes must run as one user.
//!
//! ```
//! # #[cfg(not(feature = "file-store"))]
//! # fn main() {}
//! # #[cfg(feature = "file-store")]
//! # mod example {
//! # use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};
//! use tower_oauth2_client_credentials::store::{FileStore, SealingKey, Shared};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("docs-fleet-{}", std::process::id()));
//! # let source = |_: AcquireContext| async { Token::bearer("abc") };
//! # let variable = "bm90IGEgcmVhbCBrZXksIGp1c3QgYW4gZXhhbXBsZS4=";
//! let key = SealingKey::from_base64(variable)?;
//! let shared = Shared::builder(source, FileStore::new(&directory))
//!     .sealed_with([key])
//! #   .namespace("docs")
//!     .build()?;
//! # assert_eq!(TokenCache::new(shared).get().await?.secret(), "abc");
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "file-store")]
//! # fn main() { example::main().unwrap(); }
//! ```
//!
//! # The key that seals tokens
//!
//! Anyone who has a token can use it. [`SealingKey`](crate::store::SealingKey) keeps the store from reading
//! it: a backup, another user of Redis, or the network. Make a key with `openssl rand -base64 32`, and give
//! it to the processes like a client secret. Without a key, call
//! [`plain_text`](crate::store::SharedBuilder::plain_text).
//!
//! A process without the right key acquires tokens for itself, logs a warning, and leaves the
//! entry alone. If two fleets use the same client with different keys, give each a
//! [`namespace`](crate::store::SharedBuilder::namespace).
//!
//! # Rotation of the key
//!
//! The first key seals, and all keys open. Deploy three times, each time to all processes:
//!
//! | step | keys | effect |
//! | --- | --- | --- |
//! | 1 | `[old, new]` | All processes can open both. |
//! | 2 | `[new, old]` | Tokens are sealed by the new key from the next refresh on. |
//! | 3 | `[new]`, after the wait below | The old key opens nothing anymore. |
//!
//! Before step 3 wait until the store has dropped the last entry that the old key sealed. That takes the
//! longest of these times, from the end of step 2:
//!
//! * the lifetime of a token, plus one minute
//! * 64 minutes: the longest cooldown, which is a `Retry-After` of one hour
//!   ([`retry_after_cap_with_token`](crate::cache::TokenCacheBuilder::retry_after_cap_with_token)), plus three minutes
//! * 31 minutes: the budget of rejections, plus one minute
//!
//! A process that finds an older entry after step 3 acquires for itself, with a warning, until the store
//! drops the entry. No step costs a token request. Processes of neighboring steps can run at the same time.
//!
//! # Servers that revoke the previous token
//!
//! Some servers revoke the previous token of a client when they issue another one. With a store, the
//! processes of a fleet can use such a server. The new token is announced, and other processes take it
//! at once. Between the revocation and the announcement, their requests are answered 401. The layer
//! waits for the announced token and sends the request again, if its body can be sent again.
//!
//! **A request whose body cannot be sent again gets the 401.** That is a POST without a
//! [replay policy](super::recipes#request-bodies-and-replays) that was in flight with the previous token. No client can prevent
//! that, because the server ends the token before the client has the next one. If your API is called
//! with bodies, choose [`BufferBodies`](crate::replay::BufferBodies) or
//! [`CloneBodies`](crate::replay::CloneBodies).
//!
//! Without the store, each new token revokes the ones of the other processes. The budget of rejections limits the token
//! requests, and requests fail.
//!
//! # Faults
//!
//! If the store fails, each process acquires for itself, and sharing resumes without a restart. The
//! authorization server then sees as many token requests as without a store.
//! [`outages`](super::outages#the-store-of-shared-tokens-fails) lists each fault, its effect and its test.
//!
//! The log has a line for each change, for each `SharedStore`:
//!
//! | message | meaning |
//! | --- | --- |
//! | `token store failed, tokens are not shared until it works` | The field `error` says why and what to do: the store cannot be used, did not answer within `store_timeout`, or keeps no entry. |
//! | `token store works, tokens are shared again` | Sharing has resumed. |
//! | `entry of the token store not used, tokens are not shared` | Another key sealed it, or it is damaged. Use the same key, or a namespace. |
//! | `shared token issued in the future, synchronize the hosts' clocks` | The clocks differ by more than `clock_skew`. |
//! | `announcements of shared tokens interrupted, polling instead` | Tokens are still shared, and arrive up to a second later. The field `error` says why. |
