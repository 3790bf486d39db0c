//! Tokens, further members of a response, and the key of proofs.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    ClientCredentials, Token, TokenCache, TokenSource as _,
    dpop::DpopKey,
    event::AcquisitionReason,
    jose::{SigningAlgorithm, SigningKey},
    source::AcquireContext,
    testing::{AuthorizationServer, MockResponse},
};

use crate::{
    capture::{Shown, canary, plain_canary},
    journey::ID,
};

const JWK: &str = include_str!("../credentials/signing_keys/rfc7517_a2.json");

fn raw(status: u16, body: &Value) -> MockResponse {
    let response = Response::builder().status(status).header("content-type", "application/json");
    MockResponse::Raw(response.body(Bytes::from(body.to_string())).unwrap())
}

/// Members that look like tokens, in good and in broken responses.
#[tokio::test(start_paused = true)]
async fn members_of_a_response() {
    let shown = Arc::new(Shown::new());
    let members = ["access_token", "refresh_token", "id_token", "device_secret", "api_key"];
    for member in members {
        shown.secret(member, ID, &plain_canary(member));
    }
    let body = |changes: &[(&str, Value)]| {
        let mut body = json!({"token_type": "Bearer", "expires_in": 60});
        for member in members {
            body[member] = plain_canary(member).into();
        }
        for (member, value) in changes {
            body[*member] = value.clone();
        }
        body
    };
    let repeated = members.map(plain_canary).join(" ");
    let idp = AuthorizationServer::new();
    for (status, body) in [
        (200, body(&[])),
        (200, body(&[("token_type", repeated.clone().into())])),
        (200, body(&[("expires_in", plain_canary("refresh_token").into())])),
        (200, body(&[("scope", plain_canary("id_token").into())])),
        (200, body(&[("access_token", json!([plain_canary("access_token")]))])),
        (200, body(&[("access_token", format!("{} é", plain_canary("access_token")).into())])),
        (200, body(&[("error", "oops".into()), ("error_description", repeated.clone().into())])),
        (400, body(&[("error", "invalid_grant".into()), ("error_description", repeated.into())])),
        (500, body(&[("message", plain_canary("access_token").into())])),
    ] {
        idp.always(raw(status, &body));
        let source = ClientCredentials::builder(idp.token_url())
            .public_client(ID)
            .attempts(1)
            .transport(idp.service());
        let events = Arc::clone(&shown);
        let tokens = TokenCache::builder(source.build().unwrap())
            .observer(move |event| events.debug(event))
            .build();
        shown.result(tokens.get().await);
        shown.debug(&(&tokens, tokens.readiness()));
    }
    shown.contains("access token acquired");
    shown.check();
}

/// A token of the user's source, and one that is refused.
#[tokio::test(start_paused = true)]
async fn tokens_of_a_source() {
    let (shown, secret) = (Shown::new(), plain_canary("token of a source"));
    shown.secret("token of a source", ID, &secret);
    let token = Token::bearer(&secret).unwrap();
    shown.debug(&token);
    let tokens = TokenCache::new(move |_: AcquireContext| {
        let token = token.clone();
        async move { Ok::<_, tower_oauth2_client_credentials::Error>(token) }
    });
    tokens.get().await.unwrap();
    shown.debug(&tokens);
    let refused = canary("refused token");
    shown.secret("refused token", ID, &refused);
    shown.error(&Token::bearer(&refused).unwrap_err());
    shown.error(&Token::bearer(format!("{refused}\r\nx: y")).unwrap_err());
    shown.check();
}

#[tokio::test(start_paused = true)]
async fn the_key_of_proofs() {
    let jwk: Value = serde_json::from_str(JWK).unwrap();
    let shown = Arc::new(Shown::new());
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        shown.secret(&format!("{member} of the JWK"), ID, jwk[member].as_str().unwrap());
    }
    let key = SigningKey::from_jwk_as(SigningAlgorithm::Rs256, JWK).unwrap();
    let key = DpopKey::from(key);
    shown.debug(&key);
    let idp = AuthorizationServer::new();
    let token = plain_canary("bound token");
    shown.secret("bound token", ID, &token);
    idp.on_request(move |request| {
        let proof = request.header("dpop").unwrap();
        raw(400, &json!({"error": "invalid_dpop_proof", "error_description": proof}))
    });
    let builder = ClientCredentials::builder(idp.token_url())
        .public_client(ID)
        .attempts(1)
        .dpop(key)
        .transport(idp.service());
    shown.debug(&builder);
    let source = builder.build().unwrap();
    let context = || AcquireContext::new(AcquisitionReason::Missing);
    shown.error(&source.acquire(context()).await.unwrap_err());
    idp.on_request(move |_| raw(200, &json!({"access_token": token, "token_type": "DPoP"})));
    let bound = source.acquire(context()).await.unwrap();
    shown.debug(&(&source, &bound, bound.proof().is_some()));
    let requests = idp.requests();
    shown.debug(&requests);
    assert!(requests.iter().all(|request| request.header("dpop").is_some()));
    shown.sent(&requests);
    shown.check();
}
