//! P9: reasons besides the URI to withhold a token (`Host` fields, `TRACE`), and their event.

use std::sync::{Arc, Mutex};

use http::{Method, Request, header};
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Event, OAuthClientCredentialsLayer, Origins, TokenCache,
    event::{EventKind, WithheldReason},
    layer::{ExistingAuthorization, SkipToken, WithoutToken},
};

use crate::support::{API, Api, Body, Idp, secs};

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri)
}

fn layer(cache: &TokenCache) -> OAuthClientCredentialsLayer {
    let origins = Origins::parse([API, "https://b.example"]).unwrap();
    OAuthClientCredentialsLayer::new(cache.clone(), origins)
}

type Log = Arc<Mutex<Vec<(WithheldReason, String, bool)>>>;

/// A cache, and the reasons for which it withheld tokens.
fn logged(idp: &Idp) -> (TokenCache, Log) {
    let log = Log::default();
    let events = Arc::clone(&log);
    let observer = move |event: &Event| {
        if let EventKind::TokenWithheld { reason, origin, refused, .. } = event.kind() {
            events.lock().unwrap().push((*reason, origin.clone().unwrap_or_default(), *refused));
        }
    };
    (idp.builder().observer(observer).build(), log)
}

/// The result is the same whether a token is cached or not.
#[tokio::test(start_paused = true)]
async fn p9_a_host_field_that_names_another_origin_keeps_the_token_back() {
    for warm in [true, false] {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = idp.cache();
        if warm {
            cache.warm_up().await.unwrap();
        }
        let api = Api::ok();
        let client = layer(&cache).layer(api.clone());
        for hosts in [&["evil.example"][..], &["api.example.com", "evil.example"], &[""]] {
            let request = hosts.iter().fold(get(API), |it, host| it.header(header::HOST, *host));
            client.clone().oneshot(request.body(Body::default()).unwrap()).await.unwrap();
        }
        assert_eq!((api.tokens(), idp.count()), (vec!["-".to_owned(); 3], usize::from(warm)));
        for host in ["api.example.com", "API.example.com:443", "b.example"] {
            let request = get(API).header(header::HOST, host).body(Body::default()).unwrap();
            client.clone().oneshot(request).await.unwrap();
            assert_eq!(api.seen().pop().unwrap().token.as_deref(), Some("t1"), "{host}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p9_trace_carries_no_token_or_is_refused() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    let fixed = OAuthClientCredentialsLayer::new(cache.clone(), Origins::fixed_upstream());
    for (layer, uri) in [(layer(&cache), API), (fixed, "/v1")] {
        let trace = || get(uri).method(Method::TRACE).body(Body::default()).unwrap();
        let api = Api::ok();
        layer.layer(api.clone()).oneshot(trace()).await.unwrap();
        assert_eq!((api.tokens(), idp.count()), (vec!["-".to_owned()], 0));
        let refusing = layer.withheld(WithoutToken::Refuse).layer(api.clone());
        let error = refusing.oneshot(trace()).await.unwrap_err().downcast::<Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("TRACE"), "{error}");
        assert_eq!(api.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn p9_a_request_with_another_host_can_be_refused() {
    let idp = Idp::healthy(3600.0, 0.1);
    let (cache, log) = logged(&idp);
    let api = Api::ok();
    let client = layer(&cache).withheld(WithoutToken::Refuse).layer(api.clone());
    for (hosts, reason) in [(1, WithheldReason::OtherHost), (2, WithheldReason::SeveralHosts)] {
        let request = (0..hosts).fold(get(API), |it, _| it.header(header::HOST, "evil.example"));
        let request = request.body(Body::default()).unwrap();
        let error = client.clone().oneshot(request).await.unwrap_err();
        let error = error.downcast::<Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("Host field"), "{error}");
        let (logged, _, refused) = log.lock().unwrap().pop().unwrap();
        assert_eq!((logged, refused), (reason, true));
    }
    assert_eq!((api.seen().len(), idp.count()), (0, 0));
}

/// Once a minute for each reason and origin. The path does not matter.
#[tokio::test(start_paused = true)]
async fn p14_a_request_without_a_token_is_reported_with_its_origin() {
    let idp = Idp::healthy(3600.0, 0.1);
    let (cache, log) = logged(&idp);
    let client = layer(&cache).layer(Api::ok());
    let send = async |request: http::request::Builder| {
        client.clone().oneshot(request.body(Body::default()).unwrap()).await.unwrap();
        std::mem::take(&mut *log.lock().unwrap())
    };
    let other = WithheldReason::OtherOrigin;
    let elsewhere = [(other, "https://elsewhere.example".to_owned(), false)];
    assert_eq!(send(get("https://user:pw@elsewhere.example/a?b=c")).await, elsewhere);
    assert_eq!(send(get("https://elsewhere.example/b")).await, []);
    let plain = [(other, "http://elsewhere.example".to_owned(), false)];
    assert_eq!(send(get("http://elsewhere.example/")).await, plain);
    let host = |uri| get(uri).header(header::HOST, "evil.example");
    let evil = [(WithheldReason::OtherHost, "https://evil.example".to_owned(), false)];
    assert_eq!(send(host(API)).await, evil);
    assert_eq!(send(host("https://b.example/")).await, []);
    let trace = [(WithheldReason::Trace, "https://api.example.com".to_owned(), false)];
    assert_eq!(send(get(API).method("TRACE")).await, trace);
    tokio::time::advance(secs(60.0)).await;
    assert_eq!(send(get("https://elsewhere.example/b")).await, elsewhere);
}

/// Also if the request wants no token, at DEBUG: the reason says so.
#[tokio::test(start_paused = true)]
async fn p14_requests_that_want_no_token_are_reported_with_that_reason() {
    let idp = Idp::healthy(3600.0, 0.1);
    let (cache, log) = logged(&idp);
    let elsewhere = || get("https://elsewhere.example/");
    let own = |request: http::request::Builder| request.header(header::AUTHORIZATION, "Basic YTpi");
    let send = async |layer: OAuthClientCredentialsLayer, request: http::request::Builder| {
        // The layers share a limit of one event a minute for each reason and origin.
        tokio::time::advance(secs(60.0)).await;
        let request = request.body(Body::default()).unwrap();
        let is_sent = layer.layer(Api::ok()).oneshot(request).await.is_ok();
        let reasons = std::mem::take(&mut *log.lock().unwrap());
        (is_sent, reasons.into_iter().map(|(reason, ..)| reason).collect::<Vec<_>>())
    };
    let (skipped, kept) = (WithheldReason::Skipped, WithheldReason::ExistingAuthorization);
    // Whether a token is cached or not.
    for warm in [false, true] {
        if warm {
            cache.warm_up().await.unwrap();
        }
        let layer = || layer(&cache);
        assert_eq!(send(layer(), get(API).extension(SkipToken)).await, (true, vec![skipped]));
        assert_eq!(send(layer(), elsewhere().extension(SkipToken)).await, (true, vec![skipped]));
        assert_eq!(send(layer(), own(elsewhere())).await, (true, vec![kept]));
        assert_eq!(send(layer(), own(get(API))).await, (true, vec![kept]));
        let refusing = || layer().withheld(WithoutToken::Refuse);
        assert_eq!(send(refusing(), get(API).extension(SkipToken)).await, (true, vec![skipped]));
        let other = vec![WithheldReason::OtherOrigin];
        assert_eq!(send(refusing(), own(elsewhere())).await, (false, other));
        let refusing = layer().existing_authorization(ExistingAuthorization::Refuse);
        assert_eq!(send(refusing, own(get(API))).await, (false, vec![kept]));
    }
    assert_eq!(send(layer(&cache), get(API)).await, (true, vec![]));
    // Unless the layer replaces it.
    let replacing = layer(&cache).existing_authorization(ExistingAuthorization::Replace);
    let (is_sent, reasons) = send(replacing, own(elsewhere())).await;
    assert_eq!((is_sent, reasons), (true, vec![WithheldReason::OtherOrigin]));
}

/// A flood of origins causes 64 events a minute.
#[tokio::test(start_paused = true)]
async fn p12_reports_of_other_origins_are_bounded() {
    let idp = Idp::healthy(3600.0, 0.1);
    let (cache, log) = logged(&idp);
    let client = layer(&cache).layer(Api::ok());
    for n in 0..1000 {
        let request = get(&format!("https://{n}.example/")).body(Body::default()).unwrap();
        client.clone().oneshot(request).await.unwrap();
    }
    assert_eq!(log.lock().unwrap().len(), 64);
}
