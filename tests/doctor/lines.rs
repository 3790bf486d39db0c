//! The Rust lines and the environment variables. The files in `lines/` are compiled here, and each is
//! exactly what the program prints.

use std::collections::HashMap;

use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tower_oauth2_client_credentials::{
    BoxError, OAuthClientCredentialsLayer, TokenCache,
    config::ClientCredentialsConfig,
    testing::{
        AuthorizationServer, AuthorizationServerBuilder, DpopVerifier, MockResponse,
        RegisteredClient,
    },
};

use crate::support::{Authority, ID, PLAIN_SECRET, SECRET, TempFile, VARIABLE, doctor, server};

#[path = "lines/all.rs"]
#[rustfmt::skip]
mod all;
#[path = "lines/assertion_file.rs"]
#[rustfmt::skip]
mod assertion_file;
#[path = "lines/basic.rs"]
#[rustfmt::skip]
mod basic;
#[path = "lines/basic_raw.rs"]
#[rustfmt::skip]
mod basic_raw;
#[path = "lines/certificate.rs"]
#[rustfmt::skip]
mod certificate;
#[path = "lines/jwk.rs"]
#[rustfmt::skip]
mod jwk;
#[path = "lines/override_type.rs"]
#[rustfmt::skip]
mod override_type;
#[path = "lines/pem.rs"]
#[rustfmt::skip]
mod pem;
#[path = "lines/post.rs"]
#[rustfmt::skip]
mod post;
#[path = "lines/public.rs"]
#[rustfmt::skip]
mod public;
#[path = "lines/secret_jwt.rs"]
#[rustfmt::skip]
mod secret_jwt;

type Tokens = fn() -> Result<TokenCache, BoxError>;

/// Runs the program, and compares what it prints with a file. Addresses and paths of the test are
/// replaced. Then gets a token with the printed environment.
async fn check(
    (compiled, expected): (Tokens, &str),
    arguments: &[&str],
    replaced: &[(&str, &str)],
) -> Value {
    // It is compiled. The addresses are examples, so it is not called.
    let _ = compiled;
    let run = doctor(&[arguments, &["--json", "--client-id", ID]].concat()).await;
    let report = run.json();
    // An API is not called with a token of an unknown type.
    let code = if report["token"]["unknown_type"].is_string() && arguments.contains(&"--api") {
        5
    } else {
        0
    };
    assert_eq!(run.code, code, "{}", run.stdout);
    let mut rust = report["rust"].as_str().unwrap().to_owned();
    for (of_test, example) in replaced {
        // A path of Windows is escaped.
        let of_test = format!("{of_test:?}");
        let of_test = of_test.trim_matches('"');
        assert!(rust.contains(of_test), "{of_test}: {rust}");
        rust = rust.replace(of_test, example);
    }
    assert_eq!(rust, expected);
    report
}

/// A token with exactly the printed variables.
async fn get_with_environment(report: &Value) {
    let variables: HashMap<String, String> =
        serde_json::from_value(report["environment"].clone()).unwrap();
    let variables = variables.into_iter().map(|(name, value)| match &*value {
        "$BILLING_SECRET" => (name, SECRET.to_owned()),
        _ => (name, value),
    });
    let config = ClientCredentialsConfig::from_vars("OAUTH_", variables);
    config.check().unwrap();
    config.into_cache().unwrap().get().await.unwrap();
}

fn accepting_assertions() -> AuthorizationServerBuilder {
    AuthorizationServer::builder().verify_assertion(|request| {
        let is_jwt = |jwt: &str| jwt.split('.').count() == 3;
        let assertion = request.form_value("client_assertion");
        if assertion.is_some_and(is_jwt) { Ok(()) } else { Err("invalid_client") }
    })
}

macro_rules! lines {
    ($name:ident) => {
        ($name::tokens as Tokens, include_str!(concat!("lines/", stringify!($name), ".rs")))
    };
}

#[tokio::test]
async fn basic() {
    let (_idp, listening) = server(SECRET).await;
    let issuer = listening.issuer();
    let secret = ["--secret-env", VARIABLE, "--scope", "invoices:read invoices:write"];
    let arguments = [&secret[..], &["--issuer", &issuer]].concat();
    let replaced = [(&*issuer, "https://idp.example.com")];
    let report = check(lines!(basic), &arguments, &replaced).await;
    assert_eq!(report["environment"]["OAUTH_CLIENT_SECRET"], "$BILLING_SECRET");
    assert_eq!(report["environment"]["OAUTH_SCOPE"], "invoices:read invoices:write");
    assert_eq!(report["cargo"], "tower-oauth2-client-credentials = \"0.1\"");
    get_with_environment(&report).await;

    // In the text for a person, the variables are quoted for a shell.
    let run = doctor(&[&arguments[..], &["--client-id", ID]].concat()).await;
    assert!(run.stdout.contains("\n  OAUTH_CLIENT_SECRET=\"$BILLING_SECRET\"\n"));
    assert!(run.stdout.contains("\n  OAUTH_SCOPE='invoices:read invoices:write'\n"));
    for line in lines!(basic).1.lines().filter(|line| !line.contains("example")) {
        assert!(run.stdout.contains(line), "{line}");
    }
}

#[tokio::test]
async fn basic_raw_and_post() {
    let client = || RegisteredClient::new(ID).secret(SECRET);
    let idp = AuthorizationServer::builder().client(client()).raw_basic(true).build();
    let listening = idp.listen().await.unwrap();
    let (url, file) = (listening.token_url(), TempFile::new("secret", SECRET));
    let shared = ["--secret-file", file.path(), "--token-url", &url];
    let replaced = [(&*url, "https://idp.example.com/token"), (file.path(), "/run/secrets/idp")];
    let arguments = [&shared[..], &["--auth-method", "client_secret_basic_raw"]].concat();
    get_with_environment(&check(lines!(basic_raw), &arguments, &replaced).await).await;
    let arguments = [&shared[..], &["--auth-method", "client_secret_post"]].concat();
    get_with_environment(&check(lines!(post), &arguments, &replaced).await).await;
}

#[tokio::test]
async fn public_client() {
    let idp = AuthorizationServer::builder().client(RegisteredClient::new(ID)).build();
    let listening = idp.listen().await.unwrap();
    let url = listening.token_url();
    let arguments = ["--token-url", &url, "--auth-method", "none"];
    let replaced = [(&*url, "https://idp.example.com/token")];
    get_with_environment(&check(lines!(public), &arguments, &replaced).await).await;
}

#[tokio::test]
async fn client_secret_jwt() {
    let listening = accepting_assertions().build().listen().await.unwrap();
    let issuer = listening.issuer();
    let arguments =
        ["--secret-env", VARIABLE, "--issuer", &issuer, "--auth-method", "client_secret_jwt"];
    let replaced = [(&*issuer, "https://idp.example.com")];
    let report = check(lines!(secret_jwt), &arguments, &replaced).await;
    assert_eq!(
        report["cargo"],
        "tower-oauth2-client-credentials = { version = \"0.1\", features = [\"jwt\"] }"
    );
    get_with_environment(&report).await;
}

#[tokio::test]
async fn private_key_jwt() {
    let listening = accepting_assertions().build().listen().await.unwrap();
    let (issuer, url) = (listening.issuer(), listening.token_url());
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/credentials/signing_keys");
    let pem = format!("{keys}/ec256-sec1.pem");
    let arguments = ["--key-file", &pem, "--key-id", "2026-11", "--issuer", &issuer];
    let replaced = [(&*issuer, "https://idp.example.com"), (&*pem, "/run/secrets/key.pem")];
    let report = check(lines!(pem), &arguments, &replaced).await;
    assert_eq!(report["environment"]["OAUTH_SIGNING_ALGORITHM"], "ES256");
    get_with_environment(&report).await;

    let generated = jwk();
    let arguments = ["--key-file", generated.path(), "--token-url", &url];
    let replaced =
        [(&*url, "https://idp.example.com/token"), (generated.path(), "/run/secrets/key.json")];
    get_with_environment(&check(lines!(jwk), &arguments, &replaced).await).await;
}

/// A private key as JWK, of RFC 7515 A.3.
fn jwk() -> TempFile {
    let jwk = serde_json::json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });
    TempFile::new("key.json", jwk.to_string())
}

#[tokio::test]
async fn assertion_file() {
    let listening = accepting_assertions().build().listen().await.unwrap();
    let url = listening.token_url();
    let file = TempFile::new("assertion", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.c2ln\n");
    let arguments = ["--assertion-file", file.path(), "--token-url", &url];
    let replaced = [(&*url, "https://idp.example.com/token"), (file.path(), "/run/secrets/token")];
    get_with_environment(&check(lines!(assertion_file), &arguments, &replaced).await).await;
}

#[tokio::test]
async fn certificate() {
    let authority = Authority::new();
    let (chain, key) = authority.certify("my-service.test", false);
    let der = rustls_pki_types::CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    let client = RegisteredClient::new(ID).certificate(der.to_vec().into());
    let idp = AuthorizationServer::builder().client(client).build();
    let listening = idp.listen_tls(authority.tls(false)).await.unwrap();
    let (issuer, ca) = (listening.issuer(), authority.pem.path());
    let (chain, key) = (TempFile::new("tls.crt", chain), TempFile::new("tls.key", key));
    let arguments =
        ["--issuer", &issuer, "--ca-file", ca, "--cert", chain.path(), "--cert-key", key.path()];
    let replaced = [
        (&*issuer, "https://idp.example.com"),
        (ca, "/etc/ssl/private-ca.pem"),
        (chain.path(), "/run/tls/tls.crt"),
        (key.path(), "/run/tls/tls.key"),
    ];
    let report = check(lines!(certificate), &arguments, &replaced).await;
    assert_eq!(report["connection"]["tls"], true);
    assert_eq!(report["connection"]["tls_version"], "TLS 1.3");
    assert_eq!(report["discovery"]["mtls_offered"], true);
    get_with_environment(&report).await;
}

#[tokio::test]
async fn dpop_and_all_other_settings() {
    // The test's server does not verify signatures.
    let verifier = DpopVerifier::new(|_, _| Some("thumbprint".to_owned()));
    verifier.require_nonce(true);
    let client = RegisteredClient::new(ID).secret(SECRET);
    let idp = AuthorizationServer::builder().client(client).dpop(verifier.clone()).build();
    let listening = idp.listen().await.unwrap();
    let url = listening.token_url();
    let arguments = [
        "--secret-env",
        VARIABLE,
        "--token-url",
        &format!("{url}?key=canary-in-query"),
        "--scope",
        "a",
        "--audience",
        "https://api.example.com",
        "--resource",
        "urn:a",
        "--resource",
        "urn:b",
        "--proxy",
        "http://user:canary-of-proxy@proxy.example.com:3128",
        "--allow-plain-http",
        "--dpop",
    ];
    let replaced = [(&*url, "https://idp.example.com/token")];
    let report = check(lines!(all), &arguments, &replaced).await;
    assert!(!report.to_string().contains("canary"), "{report}");
    assert_eq!(report["dpop"]["bound"], true);
    assert_eq!(report["dpop"]["nonce_required"], true);
    assert_eq!(idp.token_requests(), 2, "the nonce costs one");
    assert_eq!(report["environment"]["OAUTH_RESOURCE"], "urn:a urn:b");
    assert_eq!(report["environment"]["OAUTH_PROXY"], "http://proxy.example.com:3128");
    let notes = report["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(notes[0].as_str().unwrap().contains("dpop(DpopKey::generate())"));
}

#[tokio::test]
async fn an_unknown_token_type_and_the_layer() {
    let (idp, listening) = server(PLAIN_SECRET).await;
    let body = r#"{"access_token":"canary-token","token_type":"Application Access Token","expires_in":"7200"}"#;
    let response = http::Response::builder().header("content-type", "application/json");
    idp.always(MockResponse::Raw(
        response.body(bytes::Bytes::from_static(body.as_bytes())).unwrap(),
    ));
    let url = listening.token_url();
    let arguments =
        ["--secret-env", VARIABLE, "--token-url", &url, "--api", "https://api.example.com/v1"];
    let replaced = [(&*url, "https://idp.example.com/token")];
    let report = check(lines!(override_type), &arguments, &replaced).await;
    let _: fn(TokenCache) -> Result<OAuthClientCredentialsLayer, BoxError> = override_type::layer;
    assert_eq!(report["token"]["unknown_type"], "Application Access Token");
    assert!(report["api"]["status"].is_null(), "the token is not sent");
    let findings = report["findings"].to_string();
    assert!(findings.contains("the API was not called"), "{findings}");
}
