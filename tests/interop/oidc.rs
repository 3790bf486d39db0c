//! oidc-provider: client secrets, scopes, resource indicators.

use std::time::Duration;

use http::{StatusCode, Version};
use tower_oauth2_client_credentials::{
    ClientCredentials, endpoint::ClientCredentialsBuilder, event::EventKind, token::TokenType,
};

use crate::{
    canaries,
    support::{acquire, cache, client, get, post, run, secret, variable},
    tap::Tap,
};

pub(crate) fn issuer() -> String {
    variable("INTEROP_OIDC_ISSUER")
}

pub(crate) fn api() -> String {
    variable("INTEROP_OIDC_API")
}

/// The token endpoint, through a recording transport.
pub(crate) fn builder(tap: &Tap) -> ClientCredentialsBuilder {
    ClientCredentials::builder(issuer() + "/token").transport(tap.clone()).attempts(1)
}

/// The server's introspection of a token.
pub(crate) async fn introspect(token: &str) -> serde_json::Value {
    let url = issuer() + "/token/introspection";
    let (status, answer) =
        post(&url, ("introspector", &secret("secret.introspector")), &format!("token={token}"))
            .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn basic_carries_every_visible_character() {
    run(async {
        let tap = Tap::new();
        let builder = builder(&tap)
            .client_secret_basic("basic:client/1", secret("secret.basic"))
            .scope("api:read");
        let token = acquire(builder).await.unwrap();
        assert_eq!(token.token_type(), TokenType::Bearer);
        assert_eq!(token.lifetime(), Some(Duration::from_secs(600)));
        assert_eq!(token.scope(), Some("api:read"));
        assert_eq!(tap.exchanges()[0].version, Version::HTTP_2, "by ALPN");
        let answer = introspect(token.secret()).await;
        assert_eq!(answer["active"], true);
        assert_eq!(answer["client_id"], "basic:client/1");
        assert_eq!(answer["scope"], "api:read");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn basic_raw_is_refused_where_the_server_decodes() {
    run(async {
        let tap = Tap::new();
        let plain =
            || builder(&tap).client_secret_basic_raw("introspector", secret("secret.introspector"));
        acquire(plain()).await.unwrap();
        // `%2F` is decoded, so another secret arrives.
        let special = builder(&tap).client_secret_basic_raw("narrow", secret("secret.basic"));
        let error = acquire(special).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn post_and_public() {
    run(async {
        let tap = Tap::new();
        let builders = [
            ("post", builder(&tap).client_secret_post("post", secret("secret.post"))),
            ("public", builder(&tap).public_client("public")),
        ];
        for (id, builder) in builders {
            let token = acquire(builder).await.unwrap();
            let answer = introspect(token.secret()).await;
            assert_eq!((&answer["active"], &answer["client_id"]), (&true.into(), &id.into()));
        }
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_wrong_secret_is_named_and_remembered() {
    run(async {
        let tap = Tap::new();
        let wrong = "not-the-secret-but-long-enough";
        canaries::secret(wrong);
        let (cache, _) = cache(builder(&tap).client_secret_basic("introspector", wrong));
        let client = client(&cache, &api(), Tap::new());
        let url = api() + "/resource";
        for _ in 0..20 {
            let request = http::Request::get(&url).body(Default::default()).unwrap();
            let error = tower::ServiceExt::oneshot(client.clone(), request).await.unwrap_err();
            canaries::shown_error(&*error);
            let error = error.downcast::<tower_oauth2_client_credentials::Error>().unwrap();
            assert_eq!(error.code(), "invalid_client");
            assert_eq!(error.oauth_code(), Some("invalid_client"));
            assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
            assert!(error.is_permanent() && !error.is_retryable());
            assert!(error.to_string().contains("does not accept these credentials"), "{error}");
        }
        assert_eq!(tap.count(), 1, "a failure is remembered");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_way_to_authenticate_that_is_not_the_registered_one() {
    run(async {
        let tap = Tap::new();
        let builder = builder(&tap).public_client("post");
        let error = acquire(builder).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
        assert!(error.to_string().contains("another way"), "{error}");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_scope_that_the_server_drops_silently_is_an_event() {
    run(async {
        let tap = Tap::new();
        let builder = builder(&tap)
            .client_secret_post("post", secret("secret.post"))
            .scope("api:read no:such");
        let (cache, events) = cache(builder);
        let token = cache.get().await.unwrap();
        assert_eq!(token.scope(), Some("api:read"));
        let events = events.lock().unwrap().clone();
        let narrowed = events.iter().any(
            |event| matches!(event.kind(), EventKind::ScopeNarrowed { granted, .. } if granted == "api:read"),
        );
        assert!(narrowed, "{events:?}");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_scope_that_the_client_may_not_have_and_one_that_the_api_misses() {
    run(async {
        let tap = Tap::new();
        let narrow = || builder(&tap).client_secret_post("narrow", secret("secret.post"));
        let error = acquire(narrow().scope("api:write")).await.unwrap_err();
        assert_eq!(error.code(), "invalid_scope");

        let before = tap.count();
        let (cache, _) = cache(narrow().scope("api:read"));
        let requests = Tap::new();
        let client = client(&cache, &api(), requests.clone());
        assert_eq!(get(&client, &(api() + "/scoped/api:read")).await.0, StatusCode::OK);
        assert_eq!(get(&client, &(api() + "/scoped/api:write")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(requests.statuses(), [200, 403], "another token would not help");
        assert_eq!(tap.count() - before, 1);
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn resource_indicators() {
    run(async {
        let tap = Tap::new();
        let post = || builder(&tap).client_secret_post("post", secret("secret.post"));
        let opaque = api() + "/";
        let token = acquire(post().resource(&opaque).scope("api:write")).await.unwrap();
        let answer = introspect(token.secret()).await;
        assert_eq!(
            (&answer["aud"], &answer["scope"]),
            (&opaque.clone().into(), &"api:write".into())
        );

        let jwt = acquire(post().resource("urn:interop:jwt").scope("api:read")).await.unwrap();
        assert_eq!(jwt.secret().split('.').count(), 3, "a JWT access token (RFC 9068)");

        let unknown = acquire(post().resource("urn:interop:none")).await.unwrap_err();
        assert_eq!(unknown.code(), "invalid_target");
        // The client sends both; this server accepts one.
        let two = post().resource(&opaque).resource("urn:interop:jwt");
        assert_eq!(acquire(two).await.unwrap_err().code(), "invalid_target");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_client_whose_tokens_must_be_bound_gets_none_unbound() {
    run(async {
        let tap = Tap::new();
        for id in ["bound", "dpop"] {
            let builder = builder(&tap).client_secret_basic(id, secret(&format!("secret.{id}")));
            let error = acquire(builder).await.unwrap_err();
            // The code is not `invalid_dpop_proof`, and nothing else says what is missing.
            assert_eq!(error.code(), "invalid_grant");
        }
    });
}
