//! P7: for any responses of an API, a request is sent at most twice, costs at most two
//! acquisitions, and gets a response.
#![no_main]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use support::{response, run};
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
};

fuzz_target!(|data: &[u8]| {
    let Some(answer) = response(data) else { return };
    let (sent, acquired) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tokens = TokenCache::new({
        let acquired = acquired.clone();
        move |_: AcquireContext| {
            let serial = acquired.fetch_add(1, Ordering::Relaxed);
            async move { Token::bearer(format!("t{serial}")) }
        }
    });
    let api = service_fn({
        let (sent, status) = (sent.clone(), answer.status());
        move |request: Request<Full<Bytes>>| {
            let serial = sent.fetch_add(1, Ordering::Relaxed);
            assert_eq!(request.headers()[AUTHORIZATION], format!("Bearer t{serial}"));
            assert!(serial == 0 || !status.is_success());
            let answer = answer.clone();
            async move { Ok::<_, Infallible>(answer) }
        }
    });
    let origins = Origins::parse(["https://api.example.com"]).expect("it is an origin");
    let client = OAuthClientCredentialsLayer::new(tokens, origins).layer(api);
    let request =
        Request::get("https://api.example.com/").body(Full::default()).expect("a request");
    run(client.oneshot(request)).expect("the caller gets the answer");
    assert!(sent.load(Ordering::Relaxed) <= 2 && acquired.load(Ordering::Relaxed) <= 2);
});
