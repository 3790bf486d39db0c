//! Credentials of the client, and secret parameters of the token request.

use std::{fs, path::PathBuf, sync::Arc};

use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    ClientCredentials,
    client_auth::Secret,
    endpoint::{ClientCredentialsBuilder, ParameterValue, SignedJwt},
    jose::{HmacAlgorithm, SigningAlgorithm, SigningKey, SigningKeySource},
    testing::AuthorizationServer,
};

use crate::{
    capture::{Shown, canary, plain_canary},
    journey::{Build, ID, failures, success},
};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWK: &str = include_str!("../credentials/signing_keys/rfc7517_a2.json");
const PEM: &str = include_str!("../credentials/signing_keys/ec256-pkcs8.pem");

fn server(raw_basic: bool) -> AuthorizationServer {
    AuthorizationServer::builder()
        .raw_basic(raw_basic)
        .verify_assertion(|_| Ok(()))
        .extension_grant(TOKEN_EXCHANGE, |_| Ok(()))
        .extension_grant(JWT_BEARER, |_| Ok(()))
        .extension_grant("password", |_| Ok(()))
        .build()
}

fn client() -> ClientCredentialsBuilder {
    ClientCredentials::builder("https://idp.test/token").attempts(1)
}

/// The whole life of a client with this secret.
async fn lives(shown: &Arc<Shown>, kind: &str, secret: &str, build: Build<'_>) {
    shown.secret(kind, ID, secret);
    let idp = server(kind.ends_with("raw basic"));
    success(shown, &idp, build).await;
    failures(shown, &idp, secret, build).await;
    shown.check();
}

/// A file that is removed at the end.
struct TempFile(PathBuf);

impl TempFile {
    fn new(kind: &str, content: &str) -> Self {
        let name = format!("canaries-{}-{kind}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_in_every_method() {
    type Method = fn(ClientCredentialsBuilder, Secret) -> ClientCredentialsBuilder;
    let methods: [(&str, Method); 4] = [
        ("basic", |builder, secret| builder.client_secret_basic(ID, secret)),
        ("raw basic", |builder, secret| builder.client_secret_basic_raw(ID, secret)),
        ("post", |builder, secret| builder.client_secret_post(ID, secret)),
        ("jwt", |builder, secret| {
            builder.client_secret_jwt(ID, secret, HmacAlgorithm::Hs256, "https://idp.test")
        }),
    ];
    for (method, set) in methods {
        let kind = format!("client secret, {method}");
        let (shown, secret) = (Arc::new(Shown::new()), canary(&kind));
        lives(&shown, &kind, &secret, &|| set(client(), Secret::from(&secret))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_from_a_closure() {
    let (shown, secret) = (Arc::new(Shown::new()), canary("secret of a closure"));
    let build = || {
        let secret = secret.clone();
        client().client_secret_post(ID, Secret::from_fn(move || Ok(secret.clone())))
    };
    lives(&shown, "secret of a closure", &secret, &build).await;
}

#[tokio::test]
async fn a_client_secret_in_a_file() {
    let (shown, secret) = (Arc::new(Shown::new()), canary("secret in a file"));
    let file = TempFile::new("secret", &secret);
    let build = || client().client_secret_basic(ID, Secret::from_file(&file.0));
    shown.debug(&Secret::from_file(&file.0));
    lives(&shown, "secret in a file", &secret, &build).await;
}

#[tokio::test(start_paused = true)]
async fn private_keys_as_jwk_and_as_pem() {
    let jwk: Value = serde_json::from_str(JWK).unwrap();
    for (kind, key) in [
        ("JWK", SigningKey::from_jwk_as(SigningAlgorithm::Rs256, JWK).unwrap()),
        ("PEM", SigningKey::from_pem(SigningAlgorithm::Es256, PEM).unwrap()),
    ] {
        let shown = Arc::new(Shown::new());
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            shown.secret(&format!("{member} of the JWK"), ID, jwk[member].as_str().unwrap());
        }
        shown.pem("lines of the PEM", PEM);
        shown.debug(&key);
        let source = SigningKeySource::from(key.clone());
        shown.debug(&source);
        let secret = match kind {
            "JWK" => jwk["d"].as_str().unwrap(),
            _ => PEM.lines().nth(1).unwrap(),
        };
        let build = || client().private_key_jwt(ID, source.clone(), "https://idp.test");
        lives(&shown, kind, secret, &build).await;
    }
}

/// A key that cannot be read is an error that shows nothing of it.
#[test]
fn keys_that_cannot_be_read() {
    let shown = Shown::new();
    shown.pem("lines of the PEM", PEM);
    let secret = plain_canary("broken JWK");
    shown.secret("broken JWK", ID, &secret);
    let jwks = [
        json!({"kty": "EC", "crv": "P-256", "d": secret, "x": "a", "y": "b"}).to_string(),
        json!({"kty": "oct", "k": secret}).to_string(),
        json!({"kty": secret}).to_string(),
        format!("{{\"kty\": \"RSA\", \"d\": {secret}"),
        secret.clone(),
    ];
    for jwk in &jwks {
        shown.error(&SigningKey::from_jwk(jwk).unwrap_err());
        shown.error(&SigningKey::from_jwk_as(SigningAlgorithm::Ps256, jwk).unwrap_err());
        shown.error(&SigningKey::from_pem(SigningAlgorithm::Es256, jwk).unwrap_err());
    }
    for pem in [
        PEM.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        PEM.replace("-----END", "----END"),
        PEM.replacen('M', "!", 1),
        PEM.replace("BEGIN PRIVATE", "BEGIN PUBLIC"),
    ] {
        shown.result(SigningKey::from_pem(SigningAlgorithm::Es256, &pem));
        shown.result(SigningKey::from_pem(SigningAlgorithm::Rs256, &pem));
    }
    shown.contains("signing key");
    shown.check();
}

#[tokio::test(start_paused = true)]
async fn an_assertion_of_another_program() {
    let (shown, secret) = (Arc::new(Shown::new()), plain_canary("assertion"));
    let assertion = format!("eyJhbGciOiJFUzI1NiJ9.{secret}.{}", plain_canary("signature"));
    shown.secret("signature of the assertion", ID, &plain_canary("signature"));
    let build = || {
        let assertion = assertion.clone();
        client().client_assertion_type("urn:example:opaque").client_assertion_fn(
            Some(ID),
            move || {
                let assertion = assertion.clone();
                async move { Ok(assertion) }
            },
        )
    };
    lives(&shown, "assertion", &secret, &build).await;
}

#[tokio::test(start_paused = true)]
async fn secret_parameters_of_every_source() {
    type Value = Box<dyn Fn(&str) -> ParameterValue>;
    let values: [(&str, Value); 3] = [
        ("text", Box::new(|secret| ParameterValue::from(secret))),
        ("secret", Box::new(|secret| ParameterValue::from(Secret::from(secret)))),
        (
            "closure",
            Box::new(|secret| {
                let secret = secret.to_owned();
                ParameterValue::from_fn(move || {
                    let secret = secret.clone();
                    async move { Ok(secret) }
                })
            }),
        ),
    ];
    for (source, value) in values {
        let kind = format!("SAS in a {source}");
        let (shown, secret) = (Arc::new(Shown::new()), canary(&kind));
        let build = || client().public_client(ID).parameter("sas", value(&secret));
        shown.debug(&value(&secret));
        lives(&shown, &kind, &secret, &build).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_token_and_the_password_grant() {
    let (shown, secret) = (Arc::new(Shown::new()), plain_canary("subject token"));
    let build = || {
        client()
            .public_client(ID)
            .grant_type(TOKEN_EXCHANGE)
            .parameter("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .parameter("subject_token", Secret::from(&secret))
    };
    lives(&shown, "subject token", &secret, &build).await;

    let (shown, secret) = (Arc::new(Shown::new()), canary("password"));
    let build = || {
        client()
            .public_client(ID)
            .grant_type("password")
            .parameter("username", "alice")
            .parameter("password", Secret::from(&secret))
    };
    lives(&shown, "password", &secret, &build).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_a_signed_parameter() {
    let (shown, secret) = (Arc::new(Shown::new()), canary("claim"));
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let jwt = SignedJwt::new(key).issuer(ID).audience("https://idp.test").claim("pin", &secret);
    shown.debug(&jwt);
    let build = || {
        let builder = client().no_client_authentication().grant_type(JWT_BEARER);
        builder.parameter("assertion", jwt.clone())
    };
    lives(&shown, "claim", &secret, &build).await;
}
