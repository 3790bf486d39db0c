//! Files that are damaged, of another version, or not ours.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use tower_oauth2_client_credentials::{
    Token, TokenCache,
    source::AcquireContext,
    store::{SealingKey, Shared, Store as _},
};

use crate::{
    file::Directory,
    support::{MINUTE, PATIENCE, cause, entry, granted, id, owner},
};

#[tokio::test]
async fn a_file_that_is_not_an_entry_is_reported_once_and_replaced() {
    let directory = Directory::new("damaged");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "s3cret"), MINUTE).await.unwrap();
    let path = directory.file("entry");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damage in [
        // After a power loss, on a file system that does not keep the order of writes.
        &b""[..],
        &whole[..4],
        &whole[..8],
        &whole[..50],
        &whole[..whole.len() - 1],
        &vec![0; whole.len()],
        &flipped,
        // Of another program.
        b"{}",
        &[b'x'; 1024 * 1024],
    ] {
        for operation in ["read", "lease", "write"] {
            fs::write(&path, damage).unwrap();
            let error = match operation {
                "read" => store.read(id).await.unwrap_err(),
                "lease" => store.lease(id, owner(1), MINUTE).await.unwrap_err(),
                _ => store.write(id, entry(2, "y"), MINUTE).await.unwrap_err(),
            };
            let text = cause(&error);
            assert!(text.contains("nested") && text.contains("was not an entry"), "{text}");
            assert!(text.contains("; check the disk") && !text.contains("s3cret"), "{text}");
            // Other processes find no entry, and the fleet goes on.
            let other = directory.store();
            assert_eq!(other.read(id).await.unwrap(), None);
            let (generation, found) = granted(other.lease(id, owner(2), MINUTE).await.unwrap());
            assert_eq!(found, None);
            assert!(other.write(id, entry(generation, "new"), MINUTE).await.unwrap());
            assert_eq!(store.read(id).await.unwrap(), Some(entry(generation, "new")));
            other.release(id, owner(2)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_entry_of_another_version_is_not_overwritten() {
    let directory = Directory::new("version");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    let path = directory.file("entry");
    for version in [b'0', b'2'] {
        let rest = b"any content, also a longer or shorter one";
        let sum = Sha256::digest([&[version], &rest[..]].concat());
        let other = [b"toaccen", &[version][..], &sum, rest].concat();
        fs::write(&path, &other).unwrap();
        for error in [
            store.read(id).await.unwrap_err(),
            store.lease(id, owner(1), MINUTE).await.unwrap_err(),
            store.write(id, entry(2, "y"), MINUTE).await.unwrap_err(),
        ] {
            let text = cause(&error);
            let expected = format!("format {}, which this version does not know", version as char);
            assert!(text.contains(&expected) && text.contains("; update this process"), "{text}");
        }
        assert_eq!(fs::read(&path).unwrap(), other);
    }
}

#[tokio::test]
async fn a_damaged_lease_is_free() {
    let directory = Directory::new("damaged-lease");
    let (store, id) = (directory.store(), id());
    for damage in [&b""[..], b"x", &[0; 40], &[b'x'; 1024 * 1024]] {
        granted(store.lease(id, owner(1), MINUTE).await.unwrap());
        fs::write(directory.file("lease"), damage).unwrap();
        assert!(!store.renew(id, owner(1), MINUTE).await.unwrap());
        store.release(id, owner(1)).await.unwrap();
        granted(store.lease(id, owner(2), MINUTE).await.unwrap());
        store.release(id, owner(2)).await.unwrap();
    }
}

#[tokio::test]
async fn the_rest_of_an_interrupted_write_is_replaced() {
    let directory = Directory::new("interrupted");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    fs::write(directory.file("entry").with_extension("new"), "toaccen1 half").unwrap();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
    store.write(id, entry(2, "y"), MINUTE).await.unwrap();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(2, "y")));
    assert!(!directory.file("entry").with_extension("new").exists());
}

/// The process that finds the damage acquires without the store. The next one acquires for all.
#[tokio::test]
async fn a_fleet_recovers_from_a_damaged_file() {
    let directory = Directory::new("damaged-fleet");
    let requests = Arc::new(AtomicU32::new(0));
    let key = SealingKey::from_bytes(b"not a real key, just an example.").unwrap();
    let process = || {
        let requests = Arc::clone(&requests);
        let source = move |_: AcquireContext| {
            let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ok(Token::bearer(format!("t{number}"))?.with_lifetime(60 * MINUTE)) }
        };
        let shared = Shared::builder(source, directory.store())
            .sealed_with([key.clone()])
            .namespace("test")
            .store_timeout(PATIENCE);
        TokenCache::new(shared.build().unwrap())
    };
    let token = async || process().get().await.unwrap().secret().to_owned();
    assert_eq!((token().await, token().await), ("t1".to_owned(), "t1".to_owned()));
    let path = directory.file("entry");
    fs::write(&path, &fs::read(&path).unwrap()[..100]).unwrap();
    let tokens = [token().await, token().await, token().await, token().await];
    assert_eq!(tokens, ["t2", "t3", "t3", "t3"]);
}
