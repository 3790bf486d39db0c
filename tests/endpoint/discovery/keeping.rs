//! A document is used for its maximum age, and longer if no newer one is available.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_document_serves_many_acquisitions_and_caches() {
    let idp = AuthorizationServer::builder().delay(S).build();
    let source = client(&idp).build().unwrap();
    let caches: Vec<_> = (0..50).map(|_| TokenCache::new(source.clone())).collect();
    let mut getting = tokio::task::JoinSet::new();
    for cache in &caches {
        getting.spawn(cache.get());
    }
    while let Some(got) = getting.join_next().await {
        got.unwrap().unwrap();
    }
    assert_eq!((asked(&idp).len(), idp.token_requests()), (1, 50));
    tokio::time::advance(23 * HOUR).await;
    acquire(&source).await.unwrap();
    assert_eq!(asked(&idp).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_share_a_failure_too() {
    let idp = AuthorizationServer::builder().delay(S).build();
    idp.serve_metadata(WellKnown::None);
    let source = client(&idp).build().unwrap();
    let mut getting = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let source = source.clone();
        getting.spawn(async move { acquire(&source).await.unwrap_err().kind() });
    }
    while let Some(kind) = getting.join_next().await {
        assert_eq!(kind.unwrap(), ErrorKind::Discovery);
    }
    assert_eq!(asked(&idp).len(), 2);
    idp.serve_metadata(WellKnown::Both);
    acquire(&source).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_that_is_not_driven_does_not_block_the_others_for_ever() {
    let idp = AuthorizationServer::new();
    idp.script_metadata([MockResponse::Hang]);
    let source = client(&idp).build().unwrap();
    let mut stalled = std::pin::pin!(acquire(&source));
    // Polled once and not again, as on a stalled runtime.
    tokio::time::timeout(S, &mut stalled).await.unwrap_err();
    let start = tokio::time::Instant::now();
    acquire(&source).await.unwrap();
    assert!(start.elapsed() <= 6 * S, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_location_that_never_answers_does_not_hide_the_other_one() {
    let idp = AuthorizationServer::new();
    let source = client(&idp).attempts(1).build().unwrap();
    idp.script_metadata([MockResponse::Hang, MockResponse::Hang]);
    let error = acquire(&source).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Discovery, true));
    let text = error.to_string();
    for location in [OAUTH, OPENID] {
        assert!(text.contains(&format!("https://idp.test{location}: no answer within")), "{text}");
    }
    idp.script_metadata([MockResponse::Hang]);
    let start = tokio::time::Instant::now();
    acquire(&source).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(asked(&idp).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_document_is_read_again_after_its_time_and_kept_if_there_is_no_newer_one() {
    let idp = AuthorizationServer::new();
    let source = client(&idp).build().unwrap();
    acquire(&source).await.unwrap();
    tokio::time::advance(24 * HOUR - S).await;
    acquire(&source).await.unwrap();
    assert_eq!(asked(&idp).len(), 1);

    tokio::time::advance(S).await;
    idp.serve_metadata(WellKnown::None);
    let (observing, events) = observed();
    source.acquire(observing.clone()).await.unwrap();
    assert_eq!(asked(&idp).len(), 3);
    assert!(matches!(
        &events.lock().unwrap()[..],
        [EventKind::StaleMetadataUsed { age, error, .. }]
            if *age == 24 * HOUR && error.kind() == ErrorKind::Discovery
    ));
    // Not for each acquisition.
    tokio::time::advance(299 * S).await;
    source.acquire(observing.clone()).await.unwrap();
    assert_eq!((asked(&idp).len(), events.lock().unwrap().len()), (3, 1));

    // A server that hangs costs at most half of the attempt's time.
    tokio::time::advance(S).await;
    idp.script_metadata([MockResponse::Hang, MockResponse::Hang]);
    let start = tokio::time::Instant::now();
    source.acquire(observing.clone()).await.unwrap();
    assert!(start.elapsed() <= 5 * S, "{:?}", start.elapsed());
    assert_eq!((asked(&idp).len(), events.lock().unwrap().len()), (5, 2));

    tokio::time::advance(300 * S).await;
    idp.serve_metadata(WellKnown::Both);
    acquire(&source).await.unwrap();
    acquire(&source).await.unwrap();
    assert_eq!((asked(&idp).len(), idp.token_requests()), (6, 7));
}

#[tokio::test(start_paused = true)]
async fn the_age_is_a_setting() {
    let idp = AuthorizationServer::new();
    for (max_age, requests) in [(60 * S, 2), (Duration::MAX, 1)] {
        let before = asked(&idp).len();
        let source = client(&idp).metadata_max_age(max_age).build().unwrap();
        acquire(&source).await.unwrap();
        tokio::time::advance(60 * S).await;
        acquire(&source).await.unwrap();
        assert_eq!(asked(&idp).len() - before, requests, "{max_age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_moved_is_found_before_the_document_is_old() {
    let html = "<html>Not Found</html>";
    let spring = r#"{"status":404,"error":"Not Found","path":"/gone"}"#;
    let registered = r#"{"error":"invalid_request"}"#;
    for (status, body) in [(404, html), (404, spring), (405, spring), (410, registered)] {
        let idp = AuthorizationServer::new();
        let source = client(&idp).build().unwrap();
        acquire(&source).await.unwrap();
        // As if the endpoint had moved.
        idp.script([raw(status, &[], body), raw(status, &[], body)]);
        acquire(&source).await.unwrap_err();
        // The document is read at most every 5 min, for any traffic.
        tokio::time::advance(299 * S).await;
        acquire(&source).await.unwrap_err();
        assert_eq!(asked(&idp).len(), 1, "{status} {body}");
        tokio::time::advance(S).await;
        acquire(&source).await.unwrap();
        assert_eq!(asked(&idp).len(), 2, "{status} {body}");
    }
}

/// An error that reads the metadata when it is dropped, as code of the user may.
struct ReadsMetadata(Arc<OnceLock<ClientCredentials>>);

impl Drop for ReadsMetadata {
    fn drop(&mut self) {
        let mut reading = std::pin::pin!(self.0.get().unwrap().server_metadata());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = reading.as_mut().poll(&mut context);
    }
}

impl std::fmt::Debug for ReadsMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadsMetadata")
    }
}

impl std::fmt::Display for ReadsMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no network")
    }
}

impl std::error::Error for ReadsMetadata {}

#[test]
fn the_error_of_a_transport_is_dropped_without_the_lock() {
    let (done, is_done) = std::sync::mpsc::channel();
    // On another thread, because a deadlock would block the test for good.
    std::thread::spawn(move || {
        let source = Arc::<OnceLock<ClientCredentials>>::default();
        let shared = Arc::clone(&source);
        let transport = service_fn(move |_: TokenRequest| {
            let error = ReadsMetadata(Arc::clone(&shared));
            async move { Err::<Response<Full<Bytes>>, _>(error) }
        });
        let builder = ClientCredentials::discover("https://idp.test").client_secret_basic("a", "b");
        source.set(builder.transport(transport).attempts(1).build().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                acquire(source.get().unwrap()).await.unwrap_err();
            }
        });
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("a destructor ran under the lock");
}
