//! The requests of `examples/traxes.rs` on the wire, field by field.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT,
};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;
use tower_oauth2_client_credentials::testing::RecordedRequest;

#[allow(dead_code, reason = "its main is not used here")]
#[path = "../examples/traxes.rs"]
mod traxes;

/// The sorted header fields, without the transport's own.
fn own_headers(request: &RecordedRequest) -> Vec<(&str, &str)> {
    let transport = [HOST, CONTENT_LENGTH, USER_AGENT];
    let mut own: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| !transport.contains(name))
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    own.sort_unstable();
    own
}

#[tokio::test]
async fn the_flow_is_as_documented() {
    let look_alike = traxes::LookAlike::start().await.unwrap();
    let response = traxes::entity_types(&look_alike.settings).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.body().starts_with(b"[{"));

    let [asked] = &look_alike.idp.requests()[..] else { panic!("one token request") };
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.uri, "/am/oauth2/realms/root/realms/difesp/access_token");
    assert_eq!(
        own_headers(asked),
        [
            (ACCEPT.as_str(), "application/json"),
            (ACCEPT_ENCODING.as_str(), "identity"),
            (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"),
        ]
    );
    let mut form: Vec<_> =
        asked.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form.sort_unstable();
    assert_eq!(
        form,
        [
            ("client_id", "der-connect demo"),
            ("client_secret", "not/a+secret & 100 %"),
            ("grant_type", "client_credentials"),
            ("scope", "esp"),
        ]
    );

    let [called] = &look_alike.api.recorded()[..] else { panic!("one API request") };
    assert_eq!(called.method, "GET");
    assert_eq!(called.uri, "/connect/v1/onboarding/types/entities");
    assert!(called.body.is_empty());
    let [(name, value)] = own_headers(called)[..] else { panic!("one header field") };
    let token = value.strip_prefix("Bearer ").expect("our own spelling of the scheme");
    assert_eq!(name, AUTHORIZATION.as_str());
    assert!(look_alike.idp.is_active(token));
    assert_eq!((look_alike.api.accepted(), look_alike.idp.tokens_issued()), (1, 1));
}

#[tokio::test]
async fn the_look_alike_answers_as_documented() {
    let look_alike = traxes::LookAlike::start().await.unwrap();
    traxes::entity_types(&look_alike.settings).await.unwrap();
    let asked = look_alike.idp.requests().remove(0);

    let mut again =
        http::Request::post(look_alike.idp.token_url()).body(Full::new(asked.body)).unwrap();
    *again.headers_mut() = asked.headers;
    let response = look_alike.idp.service().oneshot(again).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&body).unwrap();
    let keys: Vec<_> = answer.keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "expires_in", "token_type"]);
    assert_eq!(answer["expires_in"], 3599);
    assert_eq!(answer["token_type"], "Bearer");
}
