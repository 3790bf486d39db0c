//! P7: for any responses of an API, a request is sent at most twice, costs at most two
//! acquisitions, and gets a response.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
};

use crate::support::{response, run as block_on};

thread_local! {
    static ORIGINS: Origins = Origins::parse(["https://api.example.com"]).expect("an origin");
}

pub fn run(data: &[u8]) {
    let Some(answer) = response(data) else { return };
    let (sent, acquired) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tokens = TokenCache::new({
        let acquired = acquired.clone();
        move |_: AcquireContext| {
            let serial = acquired.fetch_add(1, Relaxed);
            async move { Token::bearer(format!("t{serial}")) }
        }
    });
    let api = service_fn({
        let (sent, status) = (sent.clone(), answer.status());
        move |request: Request<Full<Bytes>>| {
            let serial = sent.fetch_add(1, Relaxed);
            assert_eq!(request.headers()[AUTHORIZATION], format!("Bearer t{serial}"));
            assert!(serial == 0 || !status.is_success());
            let answer = answer.clone();
            async move { Ok::<_, Infallible>(answer) }
        }
    });
    let client = OAuthClientCredentialsLayer::new(tokens, ORIGINS.with(Clone::clone)).layer(api);
    let mut request = Request::new(Full::default());
    *request.uri_mut() = "https://api.example.com/".parse().expect("a URI");
    block_on(client.oneshot(request)).expect("the caller gets the answer");
    assert!(sent.load(Relaxed) <= 2 && acquired.load(Relaxed) <= 2);
}
