//! The effect of settings on the token request and the cache.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_oauth2_client_credentials::{
    ErrorKind, TokenCache,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, MockResponse, RecordedRequest, RegisteredClient, WellKnown},
};

use crate::support::{App, TempFile, app, env_of, json, key_file, token_request};

const TOML: &str = r#"
    port = 8080
    [oauth]
    token_url = "https://idp.test/token"
    client_id = "my-service"
    client_secret = "s3cret"
    auth_method = "client_secret_post"
    scope = ["invoices:read", "invoices:write"]
    audience = "https://api.test"
    resource = ["https://a.test", "https://b.test"]
    authorization_details = '[{"type":"invoice"}]'
    [oauth.parameters]
    tenant = "blue & green"
    organization = "acme"
"#;

const YAML: &str = r#"
port: 8080
oauth:
  token_url: https://idp.test/token
  client_id: my-service
  client_secret: |
    s3cret
  auth_method: client_secret_post
  scope: invoices:read invoices:write
  audience: https://api.test
  resource: [https://a.test, https://b.test]
  authorization_details: '[{"type":"invoice"}]'
  parameters: {tenant: blue & green, organization: acme}
  leeway:
"#;

const JSON: &str = r#"{"port": 8080, "oauth": {
    "token_url": "https://idp.test/token", "client_id": "my-service", "client_secret": "s3cret",
    "auth_method": "client_secret_post", "scope": ["invoices:read invoices:write"],
    "audience": "https://api.test", "resource": "https://a.test https://b.test",
    "authorization_details": "[{\"type\":\"invoice\"}]", "issuer": null, "key_id": "",
    "parameters": {"tenant": "blue & green", "organization": "acme"}
}}"#;

const ENV: [(&str, &str); 14] = [
    ("PATH", "not ours"),
    ("OAUTH_TOKEN_URL", " https://idp.test/token\n"),
    ("OAUTH_ISSUER", ""),
    ("OAUTH_CLIENT_ID", "my-service"),
    ("OAUTH_CLIENT_SECRET", "s3cret\r\n"),
    ("OAUTH_CLIENT_SECRET_FILE", " "),
    ("OAUTH_AUTH_METHOD", "client_secret_post"),
    ("OAUTH_SCOPE", "invoices:read  invoices:write"),
    ("OAUTH_AUDIENCE", "https://api.test"),
    ("OAUTH_RESOURCE", "https://a.test https://b.test"),
    ("OAUTH_AUTHORIZATION_DETAILS", "[{\"type\":\"invoice\"}]"),
    ("OAUTH_PARAMETERS", "tenant=blue+%26+green&organization=acme"),
    ("OAUTH_ATTEMPTS", "1"),
    ("HOME", "not this either"),
];

#[tokio::test(start_paused = true)]
async fn every_reader_leads_to_the_same_request() {
    let configs = [
        app(toml::from_str::<App>(TOML)),
        app(yaml_serde::from_str::<App>(YAML)),
        app(serde_json::from_str::<App>(JSON)),
        env_of(&ENV),
    ];
    for config in configs {
        let request = token_request(&config).await;
        for (name, value) in [
            ("grant_type", "client_credentials"),
            ("client_id", "my-service"),
            ("client_secret", "s3cret"),
            ("scope", "invoices:read invoices:write"),
            ("audience", "https://api.test"),
            ("authorization_details", r#"[{"type":"invoice"}]"#),
            ("tenant", "blue & green"),
            ("organization", "acme"),
        ] {
            assert_eq!(request.form_value(name), Some(value), "{name}, {config:?}");
        }
        let resources: Vec<_> = request.form.iter().filter(|it| it.0 == "resource").collect();
        assert_eq!(resources.len(), 2);
        assert_eq!((&*resources[0].1, &*resources[1].1), ("https://a.test", "https://b.test"));
    }
}

/// As a part of other settings too, at their level.
#[tokio::test(start_paused = true)]
async fn it_can_be_flattened() {
    #[derive(Deserialize)]
    struct Flat {
        port: u16,
        #[serde(flatten)]
        oauth: ClientCredentialsConfig,
    }
    let flat = TOML.replace("[oauth]", "").replace("oauth.", "");
    let Flat { port, oauth } = toml::from_str(&flat).unwrap();
    assert_eq!(port, 8080);
    assert_eq!(token_request(&oauth).await.form_value("organization"), Some("acme"));
}

fn basic() -> Value {
    json!({"token_url": "https://idp.test/token", "client_id": "my-service"})
}

fn with(more: Value) -> ClientCredentialsConfig {
    let mut settings = basic();
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json(&settings)
}

#[tokio::test(start_paused = true)]
async fn the_credential_decides_how_the_client_authenticates() {
    let file = TempFile::new("s3cret\n");
    let by_file = json!({"client_secret_file": file.path()});
    for more in [json!({"client_secret": "s3cret"}), by_file] {
        let request = token_request(&with(more)).await;
        // my-service:s3cret
        assert_eq!(request.header("authorization"), Some("Basic bXktc2VydmljZTpzM2NyZXQ="));
    }
    let public = with(json!({"client_id": "nobody", "auth_method": "none"}));
    let request = token_request(&public).await;
    assert_eq!(
        (request.form_value("client_id"), request.header("authorization")),
        (Some("nobody"), None)
    );

    // An assertion that is not a JWT, with a matching type.
    let file = TempFile::new("an-assertion\n");
    let request = token_request(&with(json!({
        "client_assertion_file": file.path(),
        "client_assertion_type": "urn:example:opaque",
    })))
    .await;
    assert_eq!(request.form_value("client_assertion"), Some("an-assertion"));
    assert_eq!(request.form_value("client_assertion_type"), Some("urn:example:opaque"));
    assert_eq!(request.form_value("client_id"), Some("my-service"));

    for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
        // The transport has the certificate.
        let config = with(json!({"auth_method": method, "client_id": "nobody"}));
        assert_eq!(token_request(&config).await.form_value("client_id"), Some("nobody"));
    }
}

fn jwt_parts(request: &RecordedRequest) -> (Value, Value) {
    let jwt = request.form_value("client_assertion").unwrap();
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

#[tokio::test(start_paused = true)]
async fn assertions_are_signed_as_the_settings_say() {
    let pem = key_file("ec256-pkcs8.pem");
    let request = token_request(&with(json!({
        "private_key_file": pem,
        "signing_algorithm": "ES256",
        "key_id": "2026-11",
        "assertion_audience": "https://idp.test",
    })))
    .await;
    let (header, claims) = jwt_parts(&request);
    assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("2026-11")));
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("my-service"), &json!("https://idp.test"))
    );

    // A JWK contains its algorithm.
    let jwk = std::fs::read_to_string(key_file("rfc7515_a2.json")).unwrap();
    let jwk = TempFile::new(&jwk.replacen('{', r#"{"alg": "RS256", "#, 1));
    let request = token_request(&with(json!({
        "auth_method": "private_key_jwt",
        "private_key_file": jwk.path(),
        "assertion_audience": "https://idp.test/token",
    })))
    .await;
    assert_eq!(jwt_parts(&request).0["alg"], "RS256");

    for (more, algorithm) in
        [(json!({}), "HS256"), (json!({"signing_algorithm": "HS512"}), "HS512")]
    {
        let mut settings = json!({
            "auth_method": "client_secret_jwt",
            "client_secret": "s3cret",
            "assertion_audience": "https://idp.test",
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = token_request(&with(settings)).await;
        assert_eq!(jwt_parts(&request).0["alg"], algorithm);
        assert_eq!(request.form_value("client_secret"), None);
    }
}

/// With an issuer the endpoint is discovered, and the issuer is the audience of a client assertion.
#[tokio::test(start_paused = true)]
async fn an_issuer_is_discovered() {
    let idp = AuthorizationServer::builder().verify_assertion(|_| Ok(())).build();
    idp.serve_metadata(WellKnown::OAuth);
    let pem = key_file("ec256-pkcs8.pem");
    let config = env_of(&[
        ("OAUTH_ISSUER", &idp.issuer()),
        ("OAUTH_CLIENT_ID", "my-service"),
        ("OAUTH_PRIVATE_KEY_FILE", &pem),
        ("OAUTH_SIGNING_ALGORITHM", "ES256"),
    ]);
    let source = config.source_builder().unwrap().transport(idp.service()).build().unwrap();
    TokenCache::new(source).get().await.unwrap();
    assert_eq!(jwt_parts(&idp.requests()[0]).1["aud"], idp.issuer());
}

/// Each setting with a duration, in one of its notations.
#[tokio::test(start_paused = true)]
async fn durations_and_counts_are_what_the_builders_take() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let config = with(json!({
        "client_secret": "s3cret", "attempts": 2, "attempt_timeout": 1.5, "lifetime_cap": "1h",
        "acquisition_timeout": "20s", "wait_timeout": "500ms", "leeway": 5, "default_lifetime": "2m",
        "keep_warm": false,
    }));
    let tokens = || {
        let source = config.source_builder().unwrap().transport(idp.service()).build().unwrap();
        config.cache_builder(source).unwrap().build()
    };
    idp.always(MockResponse::Hang);
    let start = Instant::now();
    let error = tokens().get().await.unwrap_err();
    assert_eq!(
        (error.kind(), start.elapsed()),
        (ErrorKind::WaitTimeout, Duration::from_millis(500))
    );
    // Two attempts of 1.5 s and the backoff between them.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((idp.token_requests(), idp.in_flight()), (2, 0));
    idp.recover();
    idp.set_lifetime(Duration::from_secs(24 * 3600));
    let token = tokens().get().await.unwrap();
    assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
}

/// serde_json produces such numbers if any crate turns on `arbitrary_precision`.
#[test]
fn a_number_of_arbitrary_precision_is_one() {
    let number = |digits: &str| json!({"$serde_json::private::Number": digits});
    let good = json!({"client_secret": "b", "attempts": number("2"), "leeway": number("0.5")});
    let _ = with(good).source_builder().unwrap();
    for digits in ["1.5", "two"] {
        let text = crate::support::mistake(&with(json!({
            "client_secret": "b", "attempts": number(digits),
        })));
        assert_eq!(text, "attempts: it must be a whole number above zero");
    }
}

/// The default transport gets the certificate. An error in its files is reported by its settings.
#[cfg(feature = "hyper-transport")]
#[test]
fn a_certificate_is_read_with_its_key() {
    let files = |key: &str| {
        with(json!({
            "auth_method": "tls_client_auth",
            "client_certificate_file": key_file("ec256-certificate.pem"),
            "client_key_file": key_file(key),
        }))
    };
    // It would not build without a certificate.
    files("ec256-pkcs8.pem").source_builder().unwrap().build().unwrap();
    let error = crate::support::refused(&files("ec384-sec1.pem"));
    let (text, cause) = (error.to_string(), std::error::Error::source(&error).unwrap());
    assert!(text.contains("; client_certificate_file, client_key_file: no certificate"), "{text}");
    assert!(!text.contains(".pem"), "{text}");
    assert!(cause.to_string().contains("does not belong to the first certificate"), "{cause}");
}

/// Over sockets, from the file to the API.
#[cfg(feature = "hyper-transport")]
#[tokio::test]
async fn from_the_settings_to_an_authorized_call() {
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    use tower::{ServiceBuilder, ServiceExt};
    use tower_oauth2_client_credentials::{
        OAuthClientCredentialsLayer, Origins, testing::ProtectedApi,
    };

    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await.unwrap(), api.listen().await.unwrap());
    let secret = TempFile::new("s3cret\n");
    let (token_url, url) = (token_server.token_url(), api_server.url());
    let config = ClientCredentialsConfig::from_vars(
        "BILLING_OAUTH_",
        [
            ("OAUTH_TOKEN_URL", "of somebody else"),
            ("BILLING_OAUTH_TOKEN_URL", &token_url),
            ("BILLING_OAUTH_CLIENT_ID", "my-service"),
            ("BILLING_OAUTH_CLIENT_SECRET_FILE", secret.path()),
        ],
    );
    let layer = OAuthClientCredentialsLayer::new(
        config.into_cache().unwrap(),
        Origins::parse([url.as_str()]).unwrap(),
    );
    let http = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let client = ServiceBuilder::new().layer(layer).service(http);
    let request = http::Request::get(format!("{url}/things")).body(Empty::new()).unwrap();
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    assert_eq!((idp.token_requests(), api.accepted()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_cache_over_another_transport_needs_no_default_one() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let vars = [
        ("OAUTH_TOKEN_URL", "https://idp.test/token"),
        ("OAUTH_CLIENT_ID", "my-service"),
        ("OAUTH_CLIENT_SECRET", "s3cret"),
    ];
    let tokens = env_of(&vars).into_cache_with(idp.service()).unwrap();
    tokens.get().await.unwrap();
    assert_eq!(idp.token_requests(), 1);
    // That transport would ignore these.
    for (setting, value) in [("OAUTH_CA_FILE", "ca.pem"), ("OAUTH_PROXY", "none")] {
        let config = env_of(&[&vars[..], &[(setting, value)]].concat());
        let text = config.into_cache_with(idp.service()).unwrap_err().to_string();
        assert!(text.contains(&format!("{setting}: it is a setting of the default")), "{text}");
        assert!(text.contains("set it on that transport"), "{text}");
    }
    // As `into_cache`, it reports settings that nothing can complete.
    let error = env_of(&vars[..2]).into_cache_with(idp.service()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
