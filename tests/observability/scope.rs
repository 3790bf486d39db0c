//! The event about a scope that is narrower than the requested one.

use std::sync::{Arc, Mutex};

use tower_oauth2_client_credentials::{event::EventKind, testing::MockResponse};

use super::*;

fn granted(scope: &str) -> MockResponse {
    let body = format!(
        r#"{{"access_token":"a","token_type":"Bearer","expires_in":60,"scope":"{scope}"}}"#
    );
    let response = http::Response::builder().header("content-type", "application/json");
    MockResponse::Raw(response.body(body.into()).unwrap())
}

/// A server that always grants a part of the scope causes one warning, rather than one per refresh.
#[tokio::test(start_paused = true)]
async fn a_narrowed_scope_is_reported_once_for_each_change() {
    let idp = server();
    let log = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&log);
    let source = source(&idp).scope("read write").build().unwrap();
    let tokens = TokenCache::builder(source)
        .observer(move |event| {
            if let EventKind::ScopeNarrowed { granted, .. } = event.kind() {
                events.lock().unwrap().push(granted.clone());
            }
        })
        .build();
    for scope in ["read", "write", "read write", "read"] {
        idp.always(granted(scope));
        for _ in 0..5 {
            tokens.clear();
            tokens.get().await.unwrap();
        }
    }
    assert_eq!(*log.lock().unwrap(), ["read", "write", "read"]);
}
