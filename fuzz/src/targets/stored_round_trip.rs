//! P8: a sealed token is the same after a round trip through a store, which cannot read it. With
//! another key, or after a change of any bit, the entry does not open.

use std::time::Duration;

use bytes::Bytes;
use tower_oauth2_client_credentials::{
    Token,
    source::AcquireContext,
    store::{MemoryStore, SealingKey, Shared, Store, StoredEntry},
};

use crate::support::{acquire, run as block_on};

const KEYS: [&[u8; 32]; 2] =
    [b"not a real key, just an example.", b"not a real key either, be warned"];

/// Two bytes choose the bit, two the lifetime in seconds, one the length of the scope.
pub fn run(data: &[u8]) {
    let Some(([a, b, c, d, e], rest)) = data.split_first_chunk() else { return };
    let Some((scope, secret)) = rest.split_at_checked((*e).into()) else { return };
    let (Ok(scope), Ok(secret)) = (str::from_utf8(scope), str::from_utf8(secret)) else { return };
    let Ok(token) = Token::bearer(secret) else { return };
    let lifetime = Duration::from_secs(60 + u64::from(u16::from_be_bytes([*c, *d])));
    let token = token.with_scope(scope).with_lifetime(lifetime);
    let store = MemoryStore::new();
    let other = Token::bearer("of-this-process").expect("a token");

    let written = acquire_shared(&token, &store, 0);
    let read = acquire_shared(&other, &store, 0);
    for it in [&written, &read] {
        assert_eq!((it.secret(), it.scope()), (token.secret(), token.scope()));
    }
    assert_eq!(read.lifetime(), token.lifetime());
    assert_eq!(acquire_shared(&other, &store, 1).secret(), other.secret());

    let id = store.entry_ids()[0];
    let entry = block_on(store.read(id)).expect("it works").expect("it was written");
    let is_seen = |part: &[u8]| entry.value.windows(part.len()).any(|it| it == part);
    assert!(secret.len() < 8 || !is_seen(secret.as_bytes()));

    let mut changed = entry.value.to_vec();
    let bit = usize::from(u16::from_be_bytes([*a, *b])) % (changed.len() * 8);
    changed[bit / 8] ^= 1 << (bit % 8);
    let changed = StoredEntry::new(entry.generation, Bytes::from(changed));
    assert!(block_on(store.write(id, changed, lifetime)).expect("it works"));
    assert_eq!(acquire_shared(&other, &store, 0).secret(), other.secret());
}

/// Acquires as another process, whose own source has this token.
fn acquire_shared(own: &Token, store: &MemoryStore, key: usize) -> Token {
    let own = own.clone();
    let source = move |_: AcquireContext| {
        let own = own.clone();
        async move { Ok(own) }
    };
    let key = SealingKey::from_bytes(KEYS[key]).expect("32 bytes");
    let shared = Shared::builder(source, store.clone()).namespace("fuzz").sealed_with([key]);
    acquire(&shared.build().expect("the settings are good")).expect("each source has a token")
}
