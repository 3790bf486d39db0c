//! Shared tokens: the password of Redis, sealing keys, and the bytes of an entry.

use std::{fs, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tower_oauth2_client_credentials::{
    ClientCredentials, TokenCache, TokenSource,
    client_auth::Secret,
    store::{FileStore, MemoryStore, RedisStore, SealingKey, Shared, Store},
    testing::{AuthorizationServer, RegisteredClient},
};

use crate::{
    capture::{Shown, canary, plain_canary},
    encodings::form,
    journey::ID,
    peer::echoing,
    tls::bounded,
};

fn source(idp: &AuthorizationServer, secret: &str) -> impl TokenSource {
    ClientCredentials::builder(idp.token_url())
        .client_secret_basic(ID, secret)
        .transport(idp.service())
        .build()
        .unwrap()
}

/// A server that repeats the password in its error.
#[tokio::test]
async fn the_password_of_redis() {
    let (shown, password) = (Shown::new(), canary("Redis password"));
    shown.secret("Redis password", "tokens", &password);
    let encoded = form(&password, "%20", true);
    let redis = echoing(|got| format!("-WRONGPASS no such login: {got}\r\n")).await;
    let silent = echoing(|_| String::new()).await;
    for address in [redis, silent] {
        for builder in [
            RedisStore::builder(format!("redis://tokens:{encoded}@{address}")),
            RedisStore::builder(format!("redis://{address}")).password(Secret::from(&password)),
            RedisStore::builder(format!("rediss://tokens:{encoded}@{address}")),
        ] {
            shown.debug(&builder);
            let store = builder.build().unwrap();
            shown.debug(&store);
            let id = tower_oauth2_client_credentials::store::EntryId::new([7; 32]);
            shown.error(&bounded(store.read(id)).await.unwrap_err());
            let idp = AuthorizationServer::new();
            let shared = Shared::builder(source(&idp, "s3cret-of-the-client"), store).plain_text();
            shown.debug(&shared);
            let tokens = TokenCache::new(shared.build().unwrap());
            shown.result(bounded(tokens.get()).await);
            shown.debug(&tokens);
        }
    }
    for url in [
        format!("redis://tokens:{password}@127.0.0.1"),
        format!("http://tokens:{encoded}@127.0.0.1"),
        format!("redis://tokens:{encoded}@127.0.0.1/database"),
        format!("redis://tokens:{encoded}@127.0.0.1#fragment"),
        format!("redis://127.0.0.1?password={encoded}"),
    ] {
        shown.debug(&RedisStore::builder(&url));
        shown.result(RedisStore::new(&url));
    }
    shown.check();
}

fn sealing_key(shown: &Shown) -> SealingKey {
    let bytes = plain_canary("sealing key");
    shown.secret("sealing key", ID, &bytes);
    let key = SealingKey::from_base64(STANDARD.encode(&bytes)).unwrap();
    shown.debug(&key);
    key
}

#[test]
fn a_sealing_key_that_cannot_be_read() {
    let shown = Shown::new();
    let secret = plain_canary("sealing key");
    sealing_key(&shown);
    for text in [secret.clone(), STANDARD.encode(&secret[1..]), format!("{secret}!")] {
        shown.error(&SealingKey::from_base64(&text).unwrap_err());
    }
    shown.error(&SealingKey::from_bytes(&secret[..31]).unwrap_err());
    let path = std::env::temp_dir().join(format!("canaries-{}-sealing", std::process::id()));
    fs::write(&path, &secret).unwrap();
    shown.error(&SealingKey::from_file(&path).unwrap_err());
    fs::remove_file(path).unwrap();
    shown.check();
}

/// The bytes of a sealed entry contain no token, secret or key.
#[tokio::test(start_paused = true)]
async fn an_entry_in_memory() {
    let (shown, secret) = (Arc::new(Shown::new()), canary("secret of a fleet"));
    shown.secret("secret of a fleet", ID, &secret);
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new(ID).secret(&secret)).build();
    let store = MemoryStore::new();
    let process = |key: SealingKey| {
        let shared = Shared::builder(source(&idp, &secret), store.clone()).sealed_with([key]);
        shown.debug(&shared);
        let shared = shared.build().unwrap();
        shown.debug(&shared);
        let events = Arc::clone(&shown);
        TokenCache::builder(shared).observer(move |event| events.debug(event)).build()
    };
    let key = sealing_key(&shown);
    for tokens in [process(key.clone()), process(key)] {
        let token = tokens.get().await.unwrap();
        shown.secret("shared token", ID, token.secret());
        shown.debug(&(&tokens, &token));
    }
    assert_eq!(idp.token_requests(), 1);
    for id in store.entry_ids() {
        let entry = Store::read(&store, id).await.unwrap().unwrap();
        shown.text(&String::from_utf8_lossy(&entry.value));
        shown.debug(&(id, &entry));
    }
    // A process with another key reports the entry, and shows nothing of it.
    let other = process(SealingKey::from_bytes(plain_canary("other sealing key")).unwrap());
    shown.secret("other sealing key", ID, &plain_canary("other sealing key"));
    let token = other.get().await.unwrap();
    shown.secret("token of the other process", ID, token.secret());
    shown.debug(&(&store, &other));
    shown.contains("entry sealed by another key");
    shown.check();
}

#[tokio::test]
async fn an_entry_in_a_file() {
    let (shown, secret) = (Shown::new(), canary("secret of programs"));
    shown.secret("secret of programs", ID, &secret);
    let directory = std::env::temp_dir().join(format!("canaries-{}-store", std::process::id()));
    let idp = AuthorizationServer::new();
    let store = FileStore::new(&directory);
    let shared = Shared::builder(source(&idp, &secret), store.clone());
    let shared = shared.sealed_with([sealing_key(&shown)]).build().unwrap();
    let token = bounded(TokenCache::new(shared).get()).await.unwrap();
    shown.secret("token in a file", ID, token.secret());
    shown.debug(&store);
    // The lease is released in the background.
    let has_lease = || {
        let mut files = fs::read_dir(&directory).unwrap();
        files.any(|file| file.unwrap().path().extension().is_some_and(|it| it == "lease"))
    };
    let released = async {
        while has_lease() {
            tokio::task::yield_now().await;
        }
    };
    bounded(released).await;
    let mut files = 0;
    for file in fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        shown.debug(&path);
        shown.text(&String::from_utf8_lossy(&fs::read(path).unwrap()));
        files += 1;
    }
    fs::remove_dir_all(directory).unwrap();
    assert!(files >= 2, "an entry and a lock, not {files}");
    shown.check();
}
