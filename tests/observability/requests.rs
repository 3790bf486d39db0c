//! Events about requests without a token.

use std::sync::{Arc, Mutex};

use tower_oauth2_client_credentials::{
    Event, KeyedTokenCache, Token,
    event::{EventKind, WithheldReason},
    layer::{RequestHead, SkipToken},
    source::AcquireContext,
};

use super::*;

type Withheld = Arc<Mutex<Vec<(String, WithheldReason, Option<String>)>>>;

fn observer(log: &Withheld) -> impl Fn(&Event) + Send + Sync + use<> {
    let log = Arc::clone(log);
    move |event| {
        if let EventKind::TokenWithheld { reason, origin, .. } = event.kind() {
            log.lock().unwrap().push((event.client().to_owned(), *reason, origin.clone()));
        }
    }
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_layers_of_a_cache_report_a_request_to_another_origin_once_a_minute() {
    let idp = server();
    let api = ProtectedApi::new(&idp);
    let log = Withheld::default();
    let tokens = builder(&idp).name("orders").observer(observer(&log)).build();
    let send = || async {
        for _ in 0..10 {
            let layer =
                OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([API]).unwrap());
            layer.layer(api.service()).oneshot(get("https://other.test/")).await.unwrap();
        }
    };
    send().await;
    let origin = Some("https://other.test".to_owned());
    let expected = ("orders".to_owned(), WithheldReason::OtherOrigin, origin);
    assert_eq!(*log.lock().unwrap(), [expected]);
    tokio::time::sleep(60 * S).await;
    send().await;
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_observer_of_a_keyed_cache_sees_requests_without_a_key() {
    let log = Withheld::default();
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let (seen, withheld) = (Arc::clone(&kinds), observer(&log));
    let tokens = KeyedTokenCache::builder(|_: &u32| {
        Ok(|_: AcquireContext| std::future::ready(Token::bearer("abc")))
    })
    .name("tenants")
    .name_keys(u32::to_string)
    .observer(move |event| {
        withheld(event);
        seen.lock().unwrap().push((event.client().to_owned(), event.kind().as_str()));
    })
    .build();
    let layer = OAuthClientCredentialsLayer::keyed(
        tokens.clone(),
        Origins::parse([API]).unwrap(),
        |head: &RequestHead<'_>| head.headers().get("tenant").map(|_| 7),
    );
    let service = layer.layer(ProtectedApi::new(&server()).service());
    let mut skipped = get(API);
    skipped.extensions_mut().insert(SkipToken);
    for request in [get(API), get("https://other.test"), skipped] {
        service.clone().oneshot(request).await.unwrap();
    }
    let withheld = |reason, origin: &str| ("tenants".to_owned(), reason, Some(origin.to_owned()));
    assert_eq!(
        *log.lock().unwrap(),
        [
            withheld(WithheldReason::NoKey, API),
            withheld(WithheldReason::OtherOrigin, "https://other.test"),
            withheld(WithheldReason::Skipped, API),
        ]
    );
    tokens.get(&7).await.unwrap();
    settle().await;
    let acquired = ("tenants[7]".to_owned(), "acquired");
    assert!(kinds.lock().unwrap().contains(&acquired), "{kinds:?}");
}

/// Its requests have no authority.
#[tokio::test(start_paused = true)]
async fn a_fixed_upstream_has_no_origin() {
    let idp = server();
    let log = Withheld::default();
    let tokens = builder(&idp).name("fixed").observer(observer(&log)).build();
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream());
    let mut request = get("/orders");
    request.extensions_mut().insert(SkipToken);
    layer.layer(ProtectedApi::new(&idp).service()).oneshot(request).await.unwrap();
    assert_eq!(*log.lock().unwrap(), [("fixed".to_owned(), WithheldReason::Skipped, None)]);
}
