//! Facts and quirks: what the report says about answers that differ from the RFCs.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_oauth2_client_credentials::testing::{
    AuthorizationServer, AuthorizationServerBuilder, MockResponse, RegisteredClient, WellKnown,
};

use crate::support::{ID, SECRET, doctor, server, with_secret};

async fn report(idp: &AuthorizationServer, more: &[&str]) -> Value {
    let listening = idp.listen().await.unwrap();
    let issuer = listening.issuer();
    let run = doctor(&with_secret(&[&["--issuer", &issuer, "--json"], more].concat())).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    run.json()
}

fn builder() -> AuthorizationServerBuilder {
    AuthorizationServer::builder().client(RegisteredClient::new(ID).secret(SECRET))
}

fn token(body: Value) -> MockResponse {
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("cache-control", "no-store");
    MockResponse::Raw(response.body(Bytes::from(body.to_string())).unwrap())
}

#[tokio::test]
async fn a_server_without_quirks() {
    let report = report(&builder().build(), &["--scope", "a b"]).await;
    assert_eq!(report["quirks"]["found"], json!([]));
    assert_eq!(report["token"]["lifetime_seconds"], 3600.0);
    assert_eq!(report["token"]["lifetime_form"], "a number");
    assert_eq!(report["token"]["refresh_in_seconds"], Value::Null);
    assert_eq!(report["token"]["scope_asked"], "a b");
    assert_eq!(report["token"]["scope_granted"], "a b");
    assert_eq!(report["clock"]["skew_seconds"].as_i64().unwrap().abs() / 2, 0);
    assert_eq!(report["discovery"]["issuer_matches"], true);
    assert_eq!(report["client_authentication"]["basic_is_decoded"], true);
    assert_eq!(report["client_authentication"]["offered"][0], "client_secret_basic");
}

#[tokio::test]
async fn each_quirk_has_a_name_and_a_line() {
    let normal =
        json!({"access_token": "canary-token", "token_type": "Bearer", "expires_in": 3600});
    let with = |name: &str, value: Value| {
        let mut body = normal.clone();
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
            value => body[name] = value,
        }
        body
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let payload = URL_SAFE_NO_PAD.encode(json!({"iat": now, "exp": now + 300}).to_string());
    let expired = URL_SAFE_NO_PAD.encode(json!({"iat": now - 7200, "exp": now - 3600}).to_string());
    for (body, name, line) in [
        (with("expires_in", Value::Null), "no_expires_in", "OAUTH_DEFAULT_LIFETIME"),
        (with("expires_in", "3600".into()), "expires_in_text", "it is read anyway"),
        (with("expires_in", "abc".into()), "expires_in_unusable", "OAUTH_TOKEN_LIFETIME"),
        (with("expires_in", (-5).into()), "expires_in_unusable", "OAUTH_TOKEN_LIFETIME"),
        (with("expires_in", 1e30.into()), "long_lifetime", "OAUTH_LIFETIME_CAP"),
        (with("token_type", "".into()), "empty_token_type", "operator to state Bearer"),
        (with("expires_in", 0.into()), "zero_lifetime", "OAUTH_TOKEN_LIFETIME"),
        (with("expires_in", 20.into()), "short_lifetime", "operator to raise the lifetime"),
        (with("expires_in", 3_600_000_000_u64.into()), "long_lifetime", "OAUTH_LIFETIME_CAP"),
        (
            with("access_token", format!("e30.{payload}.c2ln").into()),
            "jwt_expires_earlier",
            "300 s",
        ),
        (
            with("access_token", format!("e30.{expired}.c2ln").into()),
            "jwt_expired",
            "check the clocks",
        ),
        (with("refresh_token", "canary-refresh".into()), "refresh_token", "it is not used"),
        (with("token_type", Value::Null), "no_token_type", "it is taken as Bearer"),
        (with("scope", "a".into()), "scope_narrowed", "do not ask for it"),
    ] {
        let idp = builder().build();
        idp.always(token(body.clone()));
        let report = report(&idp, &["--scope", "a b"]).await;
        assert_eq!(report["quirks"]["found"], json!([name]), "{body}");
        let findings = report["findings"].to_string();
        assert!(findings.contains(line), "{name}: {findings}");
        assert!(!report.to_string().contains("canary"), "{report}");
    }
    let idp = builder().build();
    let plain = Response::builder().status(201).header("content-type", "text/plain");
    idp.always(MockResponse::Raw(plain.body(Bytes::from(normal.to_string())).unwrap()));
    let report = report(&idp, &[]).await;
    assert_eq!(report["quirks"]["found"], json!(["content_type", "no_cache_control", "status"]));
}

#[tokio::test]
async fn a_hint_to_refresh_is_shown() {
    let idp = builder().build();
    idp.always(token(json!({
        "access_token": "a-token", "token_type": "Bearer", "expires_in": 3600, "refresh_in": 1800,
    })));
    assert_eq!(report(&idp, &[]).await["token"]["refresh_in_seconds"], 1800.0);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_shown() {
    let idp = builder().build();
    for (ahead, now) in [
        (100, SystemTime::now() + Duration::from_secs(100)),
        (-100, SystemTime::now() - Duration::from_secs(100)),
    ] {
        let body = json!({"access_token": "a-token", "token_type": "Bearer", "expires_in": 3600});
        let date = httpdate::fmt_http_date(now);
        let response = Response::builder().header("date", date).body(Bytes::from(body.to_string()));
        idp.always(MockResponse::Raw(response.unwrap()));
        let report = report(&idp, &[]).await;
        let skew = report["clock"]["skew_seconds"].as_i64().unwrap();
        assert!((skew - ahead).abs() <= 5, "{skew}");
        let findings = report["findings"].to_string();
        assert!(findings.contains("synchronize both clocks (NTP)"), "{findings}");
    }
}

#[tokio::test]
async fn the_method_is_chosen_by_the_metadata_and_the_document_is_named() {
    let idp = builder().issuer_path("/realms/a").build();
    idp.serve_metadata(WellKnown::OpenId);
    idp.set_metadata(
        "token_endpoint_auth_methods_supported",
        json!(["client_secret_post", "none"]),
    );
    let chosen = report(&idp, &[]).await;
    assert_eq!(chosen["client_authentication"]["method"], "client_secret_post");
    let document = chosen["discovery"]["document"].as_str().unwrap();
    assert!(document.ends_with("/realms/a/.well-known/openid-configuration"), "{document}");
    // A stated method is used anyway.
    let stated = report(&idp, &["--auth-method", "client_secret_basic"]).await;
    assert_eq!(stated["client_authentication"]["method"], "client_secret_basic");
    assert!(stated["findings"].to_string().contains("keep strict_metadata off"));
}

#[tokio::test]
async fn metadata_without_the_grant_and_with_dpop_and_certificates() {
    let (idp, listening) = server(SECRET).await;
    idp.set_metadata("grant_types_supported", json!(["authorization_code"]));
    idp.set_metadata("dpop_signing_alg_values_supported", json!(["ES256"]));
    idp.set_metadata("token_endpoint_auth_methods_supported", json!(["tls_client_auth"]));
    idp.always(MockResponse::OAuthError { status: 400, code: "unauthorized_client" });
    let run = doctor(&with_secret(&["--issuer", &listening.issuer()])).await;
    let problem = run.problem(1);
    assert!(problem.contains("have the grant client_credentials enabled"), "{problem}");
    assert!(run.findings("warning")[0].contains("does not list the grant client_credentials"));
    assert!(run.findings("note").iter().any(|it| it.contains("give --cert")), "{}", run.stdout);
    assert!(run.stdout.contains("DPoP offered             yes"), "{}", run.stdout);
    assert!(run.stdout.contains("mTLS offered             yes"), "{}", run.stdout);
}
