//! P7, one rejection at a time: which requests wait, which are replayed, and which response the
//! caller gets.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, Service, ServiceExt};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins,
    replay::{CloneBodies, NoReplay},
};

use crate::support::{
    API, Answer, Api, Body, Idp, call, failure, layered, named, oauth, poll_once, rejection,
    request, secs, settle, since, token,
};

#[tokio::test(start_paused = true)]
async fn p7_a_thousand_requests_that_see_a_401_cost_one_acquisition() {
    let idp = Idp::healthy(3600.0, 0.3);
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    // The API answers later, so that all requests have been sent with the token by then.
    let api = Api::accepting(|token| token != "t1");
    let inner = api.clone();
    let slow = tower::service_fn(move |request: Request<Body>| {
        let answer = inner.clone().call(request);
        async move {
            tokio::time::sleep(secs(1.0)).await;
            answer.await
        }
    });
    let client = layered(&cache, slow);
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let client = client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    for status in calls.join_all().await {
        assert_eq!(status, 200);
    }
    assert_eq!((idp.count(), api.seen().len()), (2, 2000), "each was replayed once");
}

/// The responses arrive one by one, most of them long after the token was replaced.
#[tokio::test(start_paused = true)]
async fn p7_a_newer_token_is_used_without_an_acquisition() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    let (mock, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    handle.allow(100);
    let first = cache.get().await.unwrap();
    let mut client = layered(&cache, mock);
    let mut early = Vec::new();
    for _ in 0..10 {
        early.push(tokio::spawn(client.ready().await.unwrap().call(request())));
    }
    let mut respond = Vec::new();
    for _ in 0..10 {
        respond.push(handle.next_request().await.unwrap().1);
    }
    cache.invalidate(&first);
    tokio::time::sleep(secs(1.0)).await;
    assert_eq!((cache.current().unwrap().secret(), idp.count()), ("t2", 2));

    for late in respond {
        let start = Instant::now();
        late.send_response(rejection());
        let (again, respond) = handle.next_request().await.unwrap();
        assert_eq!(again.headers()["authorization"], "Bearer t2");
        assert_eq!(since(start), 0.0, "it need not wait");
        respond.send_response(Response::new(Body::default()));
    }
    for call in early {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    cache.invalidate(&first);
    settle().await;
    assert_eq!(idp.count(), 2, "a rejection of a token that is no longer current is ignored");
}

#[tokio::test(start_paused = true)]
async fn p7_a_request_is_replayed_at_most_once() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::new(|_| rejection());
    let cache = idp.cache();
    let client = layered(&cache, api.clone());
    assert_eq!(call(&client).await.unwrap(), 401);
    assert_eq!(api.tokens(), ["t1", "t2"]);
    // The second response rejects the second token, so the next request waits for the third.
    assert_eq!(call(&client).await.unwrap(), 401);
    assert_eq!(api.tokens(), ["t1", "t2", "t3", "t4"]);
    // The budget is used up.
    assert_eq!(call(&client).await.unwrap(), 401);
    settle().await;
    assert_eq!(api.tokens(), ["t1", "t2", "t3", "t4", "t4"]);
    assert_eq!(idp.count(), 4);
}

/// A header map limits the number of names, but not the number of values of one name.
#[tokio::test(start_paused = true)]
async fn p7_a_request_with_very_many_field_values_is_replayed() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::accepting(|token| token == "t2");
    let client = layered(&idp.cache(), api.clone());
    let mut request = request();
    for _ in 0..25_000 {
        request.headers_mut().append("x-one", HeaderValue::from_static("of many"));
    }
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(api.tokens(), ["t1", "t2"]);
}

/// A server that returns its cached token. The API would reject it again.
#[tokio::test(start_paused = true)]
async fn p7_the_same_bytes_after_a_rejection_are_not_replayed() {
    let idp = Idp::new(|_| named("same", 3600.0).after(0.2));
    let api = Api::new(|_| rejection());
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let client = layered(&cache, api.clone());
    let response = client.clone().oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rejected");
    assert_eq!((api.seen().len(), idp.count()), (1, 2));
    // The token stays rejected: its return does not refill the budget.
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(call(&client).await.unwrap(), 401);
        tokio::time::sleep(secs(0.1)).await;
    }
    assert!(since(start) < 10.5);
    assert_eq!(idp.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn p7_a_rejected_request_waits_up_to_its_deadline_and_gets_its_own_401_back() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        _ => Answer::never(),
    });
    let cache = idp.builder().acquisition_timeout(secs(100.0)).build();
    cache.warm_up().await.unwrap();
    let api = Api::new(|_| {
        let mut response = rejection();
        response.headers_mut().insert("x-request-id", "r-17".parse().unwrap());
        response
    });
    let client = layered(&cache, api.clone());
    let start = Instant::now();
    let response = client.oneshot(request()).await.unwrap();
    assert_eq!(since(start).round(), 30.0);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["x-request-id"], "r-17");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rejected");
    assert_eq!(api.seen().len(), 1);
}

/// A failure of the acquisition is not an error of the request, which has a response already.
#[tokio::test(start_paused = true)]
async fn p7_a_rejected_request_gets_its_401_and_not_the_acquisitions_error() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        _ => failure(oauth("invalid_client")).after(0.2),
    });
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let api = Api::new(|_| rejection());
    let client = layered(&cache, api.clone());
    for _ in 0..5 {
        assert_eq!(call(&client).await.unwrap(), 401);
    }
    assert_eq!((api.seen().len(), idp.count()), (5, 2));
    assert_eq!(cache.current().unwrap().secret(), "t1", "suspect, and not gone");
}

#[tokio::test(start_paused = true)]
async fn p7_others_use_the_rejected_token_within_a_second() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        nth => token(nth, 3600.0).after(5.0),
    });
    let cache = idp.cache();
    let first = cache.get().await.unwrap();
    cache.invalidate(&first);
    let api = Api::ok();
    let client = layered(&cache, api.clone());
    let start = Instant::now();
    assert_eq!(call(&client).await.unwrap(), 200);
    assert!((0.99..=1.001).contains(&since(start)), "{}", since(start));
    assert_eq!(call(&client).await.unwrap(), 200);
    assert!(since(start) <= 1.001);
    tokio::time::sleep(secs(5.0)).await;
    assert_eq!(call(&client).await.unwrap(), 200);
    assert_eq!(api.tokens(), ["t1", "t1", "t2"]);

    // A replacement that fails in the meantime is not their failure.
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        _ => failure(oauth("server_error")).after(0.4),
    });
    let cache = idp.cache();
    let first = cache.get().await.unwrap();
    cache.invalidate(&first);
    let start = Instant::now();
    assert_eq!(cache.get().await.unwrap().secret(), "t1");
    assert_eq!((since(start), idp.count()), (0.4, 2));

    // A replacement that arrives in time is awaited.
    let idp = Idp::healthy(3600.0, 0.4);
    let cache = idp.cache();
    let first = cache.get().await.unwrap();
    cache.invalidate(&first);
    assert_eq!(cache.get().await.unwrap().secret(), "t2");
}

/// A request that cannot be replayed gets its response at once, and its token is suspect for the
/// next one.
#[tokio::test(start_paused = true)]
async fn p7_a_request_that_cannot_be_replayed_gets_its_401_and_invalidates() {
    let body = || Request::post(API).body(Body::from(&b"order"[..])).unwrap();
    for policy_replays in [false, true] {
        let idp = Idp::healthy(3600.0, 0.2);
        let cache = idp.cache();
        cache.warm_up().await.unwrap();
        let api = Api::accepting(|token| token != "t1");
        let layer = OAuthClientCredentialsLayer::new(cache.clone(), Origins::any());
        let start = Instant::now();
        let status = if policy_replays {
            layer.replay(CloneBodies).layer(api.clone()).oneshot(body()).await.unwrap().status()
        } else {
            layer.clone().replay(NoReplay).layer(api.clone()).oneshot(request()).await.unwrap();
            // The policy for empty bodies, and a full body.
            layer.layer(api.clone()).oneshot(body()).await.unwrap().status()
        };
        if policy_replays {
            assert_eq!((status.as_u16(), api.tokens()), (200, vec!["t1".into(), "t2".into()]));
        } else {
            assert_eq!(api.tokens()[0], "t1");
            // The second request had to wait for the replacement.
            assert_eq!((since(start), status.as_u16()), (0.2, 200));
            assert_eq!(api.tokens(), ["t1", "t2"]);
        }
        assert_eq!(idp.count(), 2);
    }
}

/// A token that was expired on arrival is rejected. The next acquisition's token is sent, and no
/// third.
#[tokio::test(start_paused = true)]
async fn p7_a_rejected_token_that_was_expired_on_arrival_is_replaced_once() {
    let idp = Idp::healthy(0.0, 0.1);
    let api = Api::new(|_| rejection());
    let cache = idp.cache();
    let client = layered(&cache, api.clone());
    let called = tokio::time::timeout(secs(60.0), call(&client));
    assert_eq!(called.await.expect("it is replayed for ever").unwrap(), 401);
    assert_eq!(api.tokens(), ["t1", "t2"]);
}

#[tokio::test(start_paused = true)]
async fn p7_insufficient_scope_and_invalid_request_are_never_rejections() {
    for (status, challenge) in [
        (403, "Bearer error=\"insufficient_scope\", scope=\"admin\""),
        (401, "Bearer error=\"insufficient_scope\""),
        (400, "Bearer error=\"invalid_request\""),
        (401, "Bearer error=\"invalid_request\""),
        (401, "Basic realm=\"x\""),
        (403, ""),
        (500, "Bearer error=\"server_error\""),
    ] {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = idp.cache();
        cache.warm_up().await.unwrap();
        let api = Api::new(move |_| {
            let mut response = Response::new(Body::from(Bytes::from_static(b"no")));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if !challenge.is_empty() {
                response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
            }
            response
        });
        let client = layered(&cache, api.clone());
        assert_eq!(call(&client).await.unwrap(), status);
        settle().await;
        assert_eq!((api.seen().len(), idp.count()), (1, 1), "{status} {challenge}");
    }
}

/// Rejected, and all callers are dropped: the requested acquisition still happens.
#[tokio::test(start_paused = true)]
async fn p7_a_rejection_during_an_acquisition_without_a_result_is_followed_up() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    let first = cache.get().await.unwrap();
    let other = std::thread::spawn({
        let cache = cache.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            // Its runtime ends before the acquisition does.
            runtime.unwrap().block_on(async { cache.invalidate(&first) });
        }
    });
    other.join().unwrap();
    let mut get = Box::pin(cache.get());
    let _ = poll_once(&mut get).await;
    tokio::time::sleep(secs(0.2)).await;
    assert_eq!(cache.current().unwrap().secret(), "t2");
}
