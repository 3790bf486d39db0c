//! A value in a log line names its type, and what tells it from another one.

use std::fmt::Debug;

use bytes::Bytes;
use http_body_util::Full;
use tower::Service as _;
use tower_oauth2_client_credentials::{
    KeyedTokenCache, OAuthClientCredentialsLayer, Origins, Token, client_auth::Secret,
    endpoint::ParameterValue, layer::RejectionPolicy, source::AcquireContext,
    testing::ProtectedApi,
};

use super::{API, builder, server};

fn assert_begins(value: impl Debug, begin: &str) {
    let text = format!("{value:?}");
    assert!(text.starts_with(begin), "{text} does not begin with {begin}");
}

#[test]
fn settings_name_themselves() {
    assert_begins(ParameterValue::from("a"), "ParameterValue([redacted])");
    assert_begins(ParameterValue::from(Secret::from("a")), "ParameterValue(");
    assert_begins(ParameterValue::from_fn(async || Ok(String::new())), "ParameterValue(closure)");
    assert_begins(RejectionPolicy::by_challenge(), "RejectionPolicy::by_challenge");
    assert_begins(RejectionPolicy::any_scheme(), "RejectionPolicy::any_scheme");
    assert_begins(RejectionPolicy::never(), "RejectionPolicy::never");
    assert_begins(RejectionPolicy::when(|_, _| true), "RejectionPolicy::when(..)");
}

#[tokio::test(start_paused = true)]
async fn caches_services_and_futures_name_themselves() {
    let idp = server();
    assert_begins(builder(&idp), "TokenCacheBuilder {");
    let tokens = builder(&idp).name("orders-api").build();
    let keyed = KeyedTokenCache::builder(|_: &u8| {
        Ok(|_: AcquireContext| std::future::ready(Token::bearer("a")))
    });
    assert_begins(keyed.name("tenants").build(), "KeyedTokenCache { name: \"tenants\"");
    let api = ProtectedApi::builder(&idp).build();
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([API]).unwrap());
    let mut service = tower::Layer::layer(&layer, api.service());
    let request = http::Request::get(API).body(Full::<Bytes>::default()).unwrap();
    assert_begins(service.call(request), "ResponseFuture");
}

#[cfg(feature = "store")]
#[test]
fn stores_name_themselves_and_show_no_entry() {
    use tower_oauth2_client_credentials::store::{
        Announcer, EntryId, MemoryStore, SealingKey, Shared, StoredEntry,
    };
    let idp = server();
    let (announcements, receiver) = Announcer::channel(EntryId::new([7; 32]));
    assert_begins(announcements, "Announcer { id: EntryId(0707");
    assert_begins(receiver, "AnnouncementReceiver");
    assert_begins(MemoryStore::new(), "MemoryStore");
    let entry = StoredEntry::new(7, Bytes::from_static(b"sealed"));
    assert_begins(entry, "StoredEntry(generation 7, 6 bytes)");
    let source = super::source(&idp).build().unwrap();
    let shared = Shared::builder(source, MemoryStore::new())
        .sealed_with([
            SealingKey::from_bytes(std::array::from_fn::<u8, 32, _>(|at| at as u8)).unwrap()
        ])
        .namespace("orders");
    assert_begins(&shared, "SharedBuilder {");
    assert_begins(shared.build().unwrap(), "Shared {");
}

#[cfg(feature = "redis")]
#[test]
fn a_store_in_redis_shows_its_address_without_the_password() {
    use tower_oauth2_client_credentials::store::RedisStore;
    let builder = RedisStore::builder("redis://127.0.0.1:1").password("hunter2");
    let text = format!("{builder:?}");
    assert!(text.starts_with("RedisStoreBuilder {") && text.contains("127.0.0.1:1"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let text = format!("{:?}", builder.build().unwrap());
    assert!(text.starts_with("RedisStore {") && text.contains("127.0.0.1:1"), "{text}");
}
