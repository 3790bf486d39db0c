//! Authlib: another implementation of the same RFCs, over plain HTTP on loopback.

use std::time::Duration;

use http::StatusCode;
use tower_oauth2_client_credentials::{ClientCredentials, endpoint::ClientCredentialsBuilder};

use crate::{
    canaries,
    support::{acquire, cache, client, get, post, run, secret, variable},
    tap::Tap,
};

pub(crate) fn server() -> String {
    variable("INTEROP_AUTHLIB")
}

pub(crate) fn builder(tap: &Tap) -> ClientCredentialsBuilder {
    ClientCredentials::builder(server() + "/oauth/token").transport(tap.clone()).attempts(1)
}

pub(crate) async fn introspect(token: &str) -> serde_json::Value {
    let (status, answer) = operator("/oauth/introspect", token).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn operator(path: &str, token: &str) -> (StatusCode, serde_json::Value) {
    let id = percent_encoded("basic:client/1");
    let secret = percent_encoded(&secret("secret.basic"));
    post(&(server() + path), (&id, &secret), &format!("token={token}")).await
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
#[ignore = "needs Authlib (run .ci/real-servers)"]
fn basic_and_post() {
    run(async {
        let tap = Tap::new();
        let basic = builder(&tap).client_secret_basic("basic:client/1", secret("secret.basic"));
        let post = builder(&tap).client_secret_post("post", secret("secret.post"));
        for (id, builder) in [("basic:client/1", basic), ("post", post)] {
            let token = acquire(builder.scope("api:read")).await.unwrap();
            assert_eq!(token.lifetime(), Some(Duration::from_secs(864_000)), "ten days");
            let answer = introspect(token.secret()).await;
            assert_eq!((&answer["active"], &answer["client_id"]), (&true.into(), &id.into()));
            assert_eq!(answer["scope"], "api:read");
        }
    });
}

#[test]
#[ignore = "needs Authlib (run .ci/real-servers)"]
fn a_wrong_secret_and_an_unknown_client() {
    run(async {
        let tap = Tap::new();
        let wrong = "not-the-secret-but-long-enough";
        canaries::secret(wrong);
        for id in ["post", "nobody"] {
            let error = acquire(builder(&tap).client_secret_post(id, wrong)).await.unwrap_err();
            assert_eq!(error.code(), "invalid_client");
            assert!(error.to_string().contains("does not accept these credentials"), "{error}");
        }
        assert_eq!(tap.statuses(), [401, 400], "this server knows two statuses for it");
    });
}

#[test]
#[ignore = "needs Authlib (run .ci/real-servers)"]
fn a_revoked_token_is_replaced_and_the_request_replayed() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let builder = builder(&tokens)
            .client_secret_basic("basic:client/1", secret("secret.basic"))
            .scope("api:read");
        let (cache, _) = cache(builder);
        let client = client(&cache, &server(), requests.clone());
        let url = server() + "/resource";
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        let (status, _) = operator("/oauth/revoke", cache.current().unwrap().secret()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        assert_eq!(requests.statuses(), [200, 401, 200], "exactly one replay");
        assert_eq!(get(&client, &(server() + "/scoped")).await.0, StatusCode::FORBIDDEN);
        assert_eq!((requests.count(), tokens.count()), (4, 2), "another token would not help");
    });
}
