//! Extension grants in the settings: a JWT with given claims, and secret parameters in files.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    TokenCache,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, MockResponse, RecordedRequest},
};

use crate::support::{TempFile, env_of, json, key_file, mistake};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

async fn sent(config: &ClientCredentialsConfig) -> RecordedRequest {
    let idp = AuthorizationServer::builder()
        .verify_assertion(|_| Ok(()))
        .extension_grant(JWT_BEARER, |_| Ok(()))
        .build();
    let source = config.source_builder().unwrap().transport(idp.service()).build().unwrap();
    TokenCache::new(source).get().await.unwrap();
    idp.requests().remove(0)
}

fn jwt(request: &RecordedRequest, parameter: &str) -> (Value, Value) {
    let jwt = request.form_value(parameter).unwrap();
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// As for a Google service account, from each kind of reader.
#[tokio::test(start_paused = true)]
async fn a_jwt_with_given_claims_is_signed() {
    let key = key_file("rsa2048-pkcs8.pem");
    let toml = format!(
        r#"
        token_url = "https://idp.test/token"
        auth_method = "none"
        grant_type = "{JWT_BEARER}"
        private_key_file = '{key}'
        signing_algorithm = "RS256"
        key_id = "k1"
        jwt_lifetime = "1h"
        [jwt_claims]
        iss = "svc@example.com"
        aud = "https://idp.test/token"
        scope = "a b"
        level = 3
        ratio = 0.5
        flags = [true, "x"]
        "#
    );
    let claims = r#"{"iss":"svc@example.com","aud":"https://idp.test/token","scope":"a b",
        "level":3,"ratio":0.5,"flags":[true,"x"]}"#;
    let env = [
        ("OAUTH_TOKEN_URL", "https://idp.test/token"),
        ("OAUTH_AUTH_METHOD", "none"),
        ("OAUTH_GRANT_TYPE", JWT_BEARER),
        ("OAUTH_PRIVATE_KEY_FILE", &key),
        ("OAUTH_SIGNING_ALGORITHM", "RS256"),
        ("OAUTH_KEY_ID", "k1"),
        ("OAUTH_JWT_LIFETIME", "3600"),
        ("OAUTH_JWT_CLAIMS", claims),
    ];
    for config in [toml::from_str(&toml).unwrap(), env_of(&env)] {
        let request = sent(&config).await;
        let names: Vec<_> = request.form.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["grant_type", "assertion"]);
        assert_eq!(request.form_value("grant_type"), Some(JWT_BEARER));
        let (header, mut claims) = jwt(&request, "assertion");
        assert_eq!(header, json!({"alg": "RS256", "kid": "k1", "typ": "JWT"}));
        let mut take = |name: &str| claims.as_object_mut().unwrap().remove(name).unwrap();
        let (issued_at, expires_at) = (take("iat").as_u64(), take("exp").as_u64());
        assert_eq!(expires_at.unwrap() - issued_at.unwrap(), 3600);
        assert_eq!(take("jti").as_str().unwrap().len(), 22);
        let expected = json!({
            "iss": "svc@example.com", "aud": "https://idp.test/token", "scope": "a b",
            "level": 3, "ratio": 0.5, "flags": [true, "x"],
        });
        assert_eq!(claims, expected);
    }
}

/// The key authenticates the client only if a setting says so. It then signs both.
#[tokio::test(start_paused = true)]
async fn the_key_of_a_grant_is_not_by_itself_the_clients() {
    let settings = |more: Value| {
        let mut settings = json!({
            "issuer": "https://idp.test", "client_id": "me", "grant_type": JWT_BEARER,
            "private_key_file": key_file("ec256-pkcs8.pem"), "signing_algorithm": "ES256",
            "jwt_claims": {"iss": "svc"},
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json(&settings)
    };
    let both = sent(&settings(json!({"auth_method": "private_key_jwt"}))).await;
    assert_eq!(jwt(&both, "client_assertion").1["iss"], "me");
    // The audience of both defaults to the issuer.
    for parameter in ["client_assertion", "assertion"] {
        assert_eq!(jwt(&both, parameter).1["aud"], "https://idp.test", "{parameter}");
    }
    let secret = sent(&settings(json!({"client_secret": "s3cret"}))).await;
    assert_eq!(secret.form_value("client_assertion"), None);
    assert!(secret.header("authorization").is_some());
    assert_eq!(jwt(&secret, "assertion").1["iss"], "svc");
    let text = mistake(&settings(json!({})));
    assert!(text.contains("not set; set one of them, or auth_method"), "{text}");

    for (more, expected) in [
        (json!({"private_key_file": ""}), "private_key_file: not set; jwt_claims needs it"),
        (json!({"jwt_claims": "[]"}), "jwt_claims: it must be a map of claims, or a JSON object"),
        (json!({"jwt_claims": "s3cret"}), "jwt_claims: it must be a map of claims"),
        (json!({"jwt_lifetime": 0}), "jwt_lifetime: it must be above zero"),
        (json!({"jwt_claims": {}}), "nothing uses it; set jwt_claims, or remove it"),
    ] {
        let mut settings = json!({
            "token_url": "https://idp.test/token", "grant_type": JWT_BEARER, "auth_method": "none",
            "private_key_file": key_file("ec256-pkcs8.pem"), "signing_algorithm": "ES256",
            "jwt_claims": {"iss": "svc"}, "jwt_lifetime": "1m",
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if settings["jwt_claims"] == json!({}) {
            for key in ["private_key_file", "signing_algorithm"] {
                settings[key] = Value::Null;
            }
        }
        let text = mistake(&json(&settings));
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_parameter_in_a_file_is_read_for_each_attempt() {
    let file = TempFile::new("first\n");
    let idp = AuthorizationServer::builder().extension_grant("x", |_| Ok(())).build();
    let config = env_of(&[
        ("OAUTH_TOKEN_URL", "https://idp.test/token"),
        ("OAUTH_AUTH_METHOD", "none"),
        ("OAUTH_GRANT_TYPE", "x"),
        ("OAUTH_PARAMETER_FILES", &format!("subject_token={}", file.path())),
    ]);
    let source = config.source_builder().unwrap().transport(idp.service()).build().unwrap();
    idp.script([MockResponse::Status(401)]);
    let error = TokenCache::new(source.clone()).get().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 401);
    std::fs::write(file.path(), "second").unwrap();
    TokenCache::new(source).get().await.unwrap();
    let sent: Vec<_> =
        idp.requests().iter().map(|it| it.form_value("subject_token").map(str::to_owned)).collect();
    assert_eq!(sent, [Some("first".to_owned()), Some("second".to_owned())]);
}
