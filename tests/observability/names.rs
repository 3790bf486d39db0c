//! The name of a client is in its events, log lines and errors.

use std::sync::{Arc, Mutex};

use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, Token, event::EventKind, layer::WithoutToken,
    replay::NoReplay, source::AcquireContext, testing::MockResponse,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_second_client_of_a_name_has_a_number() {
    let idp = server();
    let [first, second] = [(); 2].map(|()| builder(&idp).name("same").build());
    assert_eq!([first.name(), second.name()], ["same", "same#2"]);
    let clone = first.clone();
    drop(first);
    assert_eq!(builder(&idp).name("same").build().name(), "same#3", "a clone is alive");
    drop(clone);
    assert_eq!(builder(&idp).name("same").build().name(), "same");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_caches_of_one_name_are_quick_to_name() {
    let idp = server();
    let source = source(&idp).build().unwrap();
    let build = || TokenCache::builder(source.clone()).name("many").build();
    let caches: Vec<_> = (0..10_000).map(|_| build()).collect();
    assert_eq!(caches.last().unwrap().name(), "many#10000");
    drop(caches);
    assert_eq!(build().name(), "many");
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_client() {
    let idp = server();
    idp.always(MockResponse::OAuthError { status: 401, code: "invalid_client" });
    let tokens = builder(&idp).name("orders-eu").build();
    let api = ProtectedApi::new(&idp);
    let message = call(&tokens, &api).await.unwrap_err();
    assert!(message.starts_with("client 'orders-eu': invalid_client: "), "{message}");
    // The remembered one too, and once.
    let message = call(&tokens, &api).await.unwrap_err();
    assert_eq!(message.matches("client 'orders-eu'").count(), 1, "{message}");
    let origins = Origins::parse([API]).unwrap();
    let layer = OAuthClientCredentialsLayer::new(tokens, origins).withheld(WithoutToken::Refuse);
    let request = Request::get("https://elsewhere.test").body(Full::<Bytes>::default()).unwrap();
    let error = layer.layer(api.service()).oneshot(request).await.unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert_eq!((error.kind(), error.client()), (ErrorKind::Refused, Some("orders-eu")));
    // A source outside of any cache has no name.
    let outside = refused();
    assert!(outside.client().is_none() && outside.to_string().starts_with("invalid_client: "));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_in_the_name_if_the_user_says_how() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let builder = || {
        KeyedTokenCache::builder(|key: &u32| {
            let answer = match key {
                1 => Err(refused()),
                _ => Token::bearer("abc"),
            };
            Ok(move |_: AcquireContext| std::future::ready(answer.clone()))
        })
        .name("tenants")
        .configure(move |_, cache| {
            let log = Arc::clone(&log);
            cache.observer(move |event| log.lock().unwrap().push(event.client().to_owned()))
        })
    };
    let tokens = builder().name_keys(|key| format!("t{key}\n")).build();
    assert_eq!(tokens.name(), "tenants");
    let error = tokens.get(&1).await.unwrap_err();
    assert!(error.to_string().starts_with("client 'tenants[t1?]': invalid_client: "), "{error}");
    tokens.get(&2).await.unwrap();
    let names = std::mem::take(&mut *events.lock().unwrap());
    assert!(names.contains(&"tenants[t1?]".to_owned()), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("tenants[t")), "{names:?}");
    drop(tokens);
    assert_eq!(events.lock().unwrap().len(), 2, "each cache reports its end");
}

#[tokio::test(start_paused = true)]
async fn keys_without_names_share_the_name_of_their_cache() {
    let build = || {
        let source = |_: AcquireContext| std::future::ready(Token::bearer("abc"));
        KeyedTokenCache::builder(move |_: &u32| Ok(source)).name("shared").build()
    };
    let [first, second] = [(); 2].map(|()| build());
    assert_eq!([first.name(), second.name()], ["shared", "shared#2"]);
    for key in 0..3 {
        assert_eq!((first.cache(&key).name(), second.cache(&key).name()), ("shared", "shared#2"));
    }
}

/// The API is named if the layer has one origin, or kept the request for a replay.
#[tokio::test(start_paused = true)]
async fn a_rejection_names_the_api() {
    let origins = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&origins);
    let idp = server();
    let tokens = builder(&idp).name("rejected").observer(move |event| {
        if let EventKind::Rejected { origin, .. } = event.kind() {
            log.lock().unwrap().push(origin.clone());
        }
    });
    let tokens = tokens.build();
    let api = ProtectedApi::new(&idp);
    let layer = |origins: &[&str]| {
        OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse(origins).unwrap())
    };
    tokens.get().await.unwrap();
    let two = [API, "https://b.test"];
    for (layer, origin) in
        [(layer(&two), Some("https://api.test")), (layer(&[API]), Some("https://api.test"))]
    {
        idp.revoke_all();
        let request = Request::get(format!("{API}/a")).body(Full::<Bytes>::default()).unwrap();
        assert_eq!(layer.layer(api.service()).oneshot(request).await.unwrap().status(), 200);
        assert_eq!(origins.lock().unwrap().pop().unwrap().as_deref(), origin);
    }
    // Nothing of the request is kept. With several origins the requests after a rejection keep theirs.
    tokio::time::sleep(HOUR).await;
    tokens.get().await.unwrap();
    let known = Some("https://api.test");
    for (layer, origin) in [(layer(&two), None), (layer(&two), known), (layer(&[API]), known)] {
        let layer = layer.replay(NoReplay);
        idp.revoke_all();
        let request = Request::get(format!("{API}/a")).body(Full::<Bytes>::default()).unwrap();
        assert_eq!(layer.layer(api.service()).oneshot(request).await.unwrap().status(), 401);
        assert_eq!(origins.lock().unwrap().pop().unwrap().as_deref(), origin);
        settle().await;
    }
}

/// Requests that gave up count as well.
#[tokio::test(start_paused = true)]
async fn an_event_says_how_many_requests_waited_and_how_long() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&waits);
    let idp = server();
    idp.set_delay(8 * S);
    let tokens = builder(&idp).name("slow").observer(move |event| {
        if let EventKind::Waited { requests, longest, total, .. } = event.kind() {
            log.lock().unwrap().push((*requests, *longest, *total));
        }
    });
    let tokens = tokens.build();
    let patient = tokio::spawn(tokens.get());
    tokio::time::timeout(3 * S, tokens.get()).await.unwrap_err();
    tokens.get().await.unwrap();
    patient.await.unwrap().unwrap();
    settle().await;
    assert_eq!(*waits.lock().unwrap(), [(3, 8 * S, 16 * S)]);
}

/// A request without a token is reported with the name of the client.
#[tokio::test(start_paused = true)]
async fn a_log_line_about_a_request_without_a_token_names_the_client() {
    let (log, _guard) = logged(tracing::Level::DEBUG);
    let idp = server();
    let tokens = builder(&idp).name("named").build();
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([API]).unwrap());
    let request = Request::get("https://elsewhere.test").body(Full::<Bytes>::default()).unwrap();
    layer.layer(ProtectedApi::new(&idp).service()).oneshot(request).await.unwrap();
    let lines = log.take();
    let line = lines.lines().find(|line| line.contains("request without a token")).unwrap();
    for part in ["client=\"named\"", "reason=\"other_origin\"", "https://elsewhere.test"] {
        assert!(line.contains(part), "{line}");
    }
}

/// A source's name is a log field, a label and the start of errors, as the one of the builder is.
#[tokio::test(start_paused = true)]
async fn the_name_of_a_source_is_sanitised() {
    struct Forging;
    impl tower_oauth2_client_credentials::TokenSource for Forging {
        async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
            Err(refused())
        }

        fn name(&self) -> String {
            format!("forging\nERROR forged\u{1b}[31m{}", "x".repeat(1000))
        }
    }
    let tokens = TokenCache::builder(Forging).build();
    let (name, error) = (tokens.name(), tokens.get().await.unwrap_err().to_string());
    assert!(name.starts_with("forging?ERROR forged?[31m"), "{name}");
    assert!(!name.contains(char::is_control) && name.len() < 300, "{name}");
    assert!(error.starts_with(&format!("client '{name}': ")), "{error}");
}

/// Its events have the name of the source, because the source's cache does not get them again.
#[tokio::test(start_paused = true)]
async fn reading_the_metadata_names_the_source() {
    let (log, _guard) = logged(tracing::Level::WARN);
    let idp = server();
    let source = ClientCredentials::discover("https://idp.test")
        .client_secret_post("orders", SECRET)
        .grant_type("urn:example:grant")
        .transport(idp.service())
        .build()
        .unwrap();
    source.server_metadata().await.unwrap();
    let log = log.take();
    assert!(log.contains("client=\"orders@idp.test\""), "{log}");
}
