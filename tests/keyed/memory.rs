//! The memory of a key, besides its token and the user's source.
//!
//! A separate binary, because `allocation_counter` installs a counting global allocator.

use std::time::Duration;

use allocation_counter::measure;
use tokio::runtime::Builder;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, Token, cache::KeyedTokenCacheBuilder, source::AcquireContext,
};

const KEYS: usize = 1000;
const MAX_BYTES_PER_KEY: i64 = 1500;

fn token() -> Token {
    let token = Token::bearer("x".repeat(800)).expect("a valid token");
    token.with_lifetime(Duration::from_secs(3600))
}

/// Bytes per key, after each key asked for its token once.
fn bytes_per_key(
    succeeds: bool,
    configure: impl FnOnce(KeyedTokenCacheBuilder<usize>) -> KeyedTokenCacheBuilder<usize>,
) -> i64 {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let source = move |_: &usize| {
        Ok(move |_: AcquireContext| async move {
            if succeeds { Ok(token()) } else { Err(Error::new(ErrorKind::OAuth)) }
        })
    };
    // Extra capacity, because the shards fill unevenly. Built before the count, since the number of shards
    // follows that of the processors.
    let tokens = configure(KeyedTokenCache::builder(source).capacity(2 * KEYS)).build();
    let counted = measure(|| {
        runtime.block_on(async {
            for key in 0..KEYS {
                assert_eq!(tokens.get(&key).await.is_ok(), succeeds);
            }
        });
    });
    assert_eq!(tokens.len(), KEYS);
    counted.bytes_current / KEYS as i64
}

fn bytes_of_token() -> i64 {
    let mut kept = None;
    measure(|| kept = Some(token())).bytes_current
}

#[track_caller]
fn assert_small(bytes: i64) {
    assert!(bytes <= MAX_BYTES_PER_KEY, "{bytes} bytes per key, at most {MAX_BYTES_PER_KEY}");
}

#[test]
fn a_key_with_a_token_takes_at_most_1500_bytes_besides_the_token() {
    assert_small(bytes_per_key(true, |builder| builder) - bytes_of_token());
}

#[test]
fn a_key_without_a_token_takes_at_most_1500_bytes() {
    assert_small(bytes_per_key(false, |builder| builder));
}

#[test]
fn keys_with_equal_settings_share_them() {
    let seconds = |seconds: usize| Duration::from_secs(seconds as u64);
    let shared =
        bytes_per_key(true, |it| it.configure(move |_, cache| cache.wait_timeout(seconds(5))));
    assert_small(shared - bytes_of_token());
    let own = bytes_per_key(true, |it| {
        it.configure(move |key, cache| cache.wait_timeout(seconds(1 + *key)))
    });
    assert!(own > shared, "{own}, {shared}");
}
