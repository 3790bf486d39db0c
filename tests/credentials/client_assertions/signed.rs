//! `private_key_jwt` and `client_secret_jwt`.

use std::{error::Error as _, fs, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use tower_oauth2_client_credentials::{
    BoxError, Error, ErrorKind, TokenSource as _,
    client_auth::{AssertionAudience, Secret},
    event::EventKind,
    jose::{HmacAlgorithm, SigningAlgorithm as Algorithm, SigningKey, SigningKeySource},
    testing::MockResponse,
};

use super::support::{ISSUER, JWT_BEARER, Known, Stage, traced};

const EC256: &str = include_str!("../signing_keys/ec256-pkcs8.pem");

fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_is_verified_by_another_library() {
    let rsa = include_str!("../signing_keys/rsa2048-pkcs8.pem");
    let rsa_public = include_bytes!("../signing_keys/rsa2048-public.pem");
    let ec384 = include_str!("../signing_keys/ec384-sec1.pem");
    for (algorithm, pem, public) in [
        (Algorithm::Rs256, rsa, DecodingKey::from_rsa_pem(rsa_public)),
        (Algorithm::Rs384, rsa, DecodingKey::from_rsa_pem(rsa_public)),
        (Algorithm::Rs512, rsa, DecodingKey::from_rsa_pem(rsa_public)),
        (Algorithm::Ps256, rsa, DecodingKey::from_rsa_pem(rsa_public)),
        (Algorithm::Ps384, rsa, DecodingKey::from_rsa_pem(rsa_public)),
        (Algorithm::Ps512, rsa, DecodingKey::from_rsa_pem(rsa_public)),
        (
            Algorithm::Es256,
            EC256,
            DecodingKey::from_ec_pem(include_bytes!("../signing_keys/ec256-public.pem")),
        ),
        (
            Algorithm::Es384,
            ec384,
            DecodingKey::from_ec_pem(include_bytes!("../signing_keys/ec384-public.pem")),
        ),
        (
            Algorithm::EdDsa,
            include_str!("../signing_keys/ed25519-pkcs8.pem"),
            DecodingKey::from_ed_pem(include_bytes!("../signing_keys/ed25519-public.pem")),
        ),
    ] {
        let known = Known {
            kid: None,
            algorithm: algorithm.as_str().parse().unwrap(),
            key: public.unwrap(),
        };
        let stage = Stage::new(vec![known]);
        let key = SigningKey::from_pem(algorithm, pem).unwrap();
        let source = stage.client().private_key_jwt("me", key, ISSUER).build().unwrap();
        source.acquire(stage.acquire()).await.unwrap();
        assert_eq!(stage.accepted.lock().unwrap().len(), 1, "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_secret_signs_without_being_sent() {
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for algorithm in [HmacAlgorithm::Hs256, HmacAlgorithm::Hs384, HmacAlgorithm::Hs512] {
        let known = Known {
            kid: None,
            algorithm: algorithm.as_str().parse().unwrap(),
            key: DecodingKey::from_secret(secret.as_bytes()),
        };
        let stage = Stage::new(vec![known]);
        let source = stage.client().client_secret_jwt("me", secret, algorithm, ISSUER);
        source.build().unwrap().acquire(stage.acquire()).await.unwrap();
        assert_eq!(stage.accepted.lock().unwrap().len(), 1, "{algorithm}");
        let request = &stage.idp.requests()[0];
        assert!(!request.body.windows(secret.len()).any(|window| window == secret.as_bytes()));
        assert!(request.header("authorization").is_none());

        let wrong = stage.client().client_secret_jwt("me", "wrong", algorithm, ISSUER);
        let error = wrong.build().unwrap().acquire(stage.acquire()).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
    }
}

/// RFC 7518 §3.2.
#[tokio::test(start_paused = true)]
async fn a_secret_that_is_shorter_than_the_hash_is_an_event_once() {
    let short = |stage: &Stage| {
        let events = stage.events.lock().unwrap();
        let short = events.iter().filter_map(|event| match event {
            EventKind::ShortSecret { algorithm, minimum, .. } => Some((*algorithm, *minimum)),
            _ => None,
        });
        short.collect::<Vec<_>>()
    };
    for (algorithm, minimum) in
        [(HmacAlgorithm::Hs256, 32), (HmacAlgorithm::Hs384, 48), (HmacAlgorithm::Hs512, 64)]
    {
        for length in [1, minimum - 1, minimum] {
            let stage = Stage::new(vec![]);
            let secret = "x".repeat(length);
            let source = stage.client().client_secret_jwt("me", secret, algorithm, ISSUER);
            let source = source.build().unwrap();
            for _ in 0..2 {
                source.acquire(stage.acquire()).await.unwrap_err();
            }
            let expected =
                if length < minimum { vec![(algorithm.as_str(), minimum)] } else { vec![] };
            assert_eq!(short(&stage), expected, "{length}");
        }
    }
    assert!(traced().is_empty() || !traced().contains("xxxxxxxx"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_secret_is_refused_by_every_method() {
    let build = |secret: fn() -> Secret| {
        let stage = Stage::new(vec![]);
        let builders = [
            stage.client().client_secret_jwt("me", secret(), HmacAlgorithm::Hs256, ISSUER),
            stage.client().client_secret_basic("me", secret()),
            stage.client().client_secret_basic_raw("me", secret()),
            stage.client().client_secret_post("me", secret()),
        ];
        (stage, builders)
    };
    for secret in [|| Secret::from(""), || Secret::from(" \n")] {
        for builder in build(secret).1 {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("client secret: it is empty; pass"), "{error}");
        }
    }
    let (stage, builders) = build(|| Secret::from_fn(|| Ok(String::new())));
    for builder in builders {
        let error = builder.build().unwrap().acquire(stage.acquire()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("closure returned an empty secret"), "{error}");
    }
    assert_eq!(stage.idp.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn header_claims_and_parameters_are_as_specified() {
    let certificate = include_str!("../signing_keys/ec256-certificate.pem");
    let key = SigningKey::from_pem(Algorithm::Es256, EC256)
        .unwrap()
        .with_key_id("2026-11")
        .x5t_s256_from_certificate_pem(certificate)
        .unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    let source = stage.client().private_key_jwt("me & co", key.clone(), ISSUER).scope("a b");
    source.build().unwrap().acquire(stage.acquire()).await.unwrap();
    let request = stage.idp.requests().remove(0);
    let names: Vec<_> = request.form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["grant_type", "client_id", "client_assertion_type", "client_assertion", "scope"]
    );
    assert_eq!(request.form_value("client_id"), Some("me & co"));
    assert_eq!(request.form_value("client_assertion_type"), Some(JWT_BEARER));
    let jwt = request.form_value("client_assertion").unwrap();
    let header = part(jwt, 0);
    // openssl x509 -in ec256-certificate.pem -fingerprint -sha256
    let thumbprint = include_str!("../signing_keys/ec256-certificate.x5t").trim();
    assert_eq!(
        header,
        serde_json::json!({
            "alg": "ES256",
            "kid": "2026-11",
            "typ": "client-authentication+jwt",
            "x5t#S256": thumbprint,
        })
    );
    let mut claims = part(jwt, 1);
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(jti.as_str().unwrap()).unwrap().len(), 16);
    let now = stage.clock.seconds();
    assert_eq!(
        claims,
        serde_json::json!({
            "iss": "me & co", "sub": "me & co", "aud": ISSUER, "iat": now, "exp": now + 60,
        })
    );

    let plain = SigningKey::from_pem(Algorithm::Es256, EC256).unwrap();
    let source = stage
        .client()
        .send_client_id(false)
        .send_assertion_typ(false)
        .assertion_lifetime(Duration::from_secs(300))
        .private_key_jwt("me", plain, ISSUER);
    // The key has no id, so this server does not know it.
    source.build().unwrap().acquire(stage.acquire()).await.unwrap_err();
    let request = stage.idp.requests().remove(1);
    assert_eq!(request.form_value("client_id"), None);
    let jwt = request.form_value("client_assertion").unwrap();
    assert_eq!(part(jwt, 0), serde_json::json!({"alg": "ES256"}));
    assert_eq!(part(jwt, 1)["exp"], now + 300);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_fresh_jti_and_date() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    let source = stage.client().private_key_jwt("me", key, ISSUER).build().unwrap();
    stage
        .idp
        .script([MockResponse::StatusRetryAfter(503, 7), MockResponse::StatusRetryAfter(429, 8)]);
    source.acquire(stage.acquire()).await.unwrap();
    let sent: Vec<_> = stage.sent("client_assertion").into_iter().flatten().collect();
    let claims: Vec<_> = sent.iter().map(|jwt| part(jwt, 1)).collect();
    assert_eq!(claims.len(), 3);
    assert!((0..3).all(|one| (0..one).all(|other| claims[one]["jti"] != claims[other]["jti"])));
    let times: Vec<_> = claims.iter().map(|claims| claims["iat"].as_u64().unwrap()).collect();
    assert!(times[1] >= times[0] + 7 && times[2] >= times[1] + 8, "{times:?}");

    // A second acquisition does not repeat a `jti` either: this server refuses known ones.
    source.acquire(stage.acquire()).await.unwrap();
    assert_eq!(stage.accepted.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_or_audience_is_refused_and_not_retried() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    for source in [
        stage.client().private_key_jwt("me", other, ISSUER),
        stage.client().private_key_jwt("me", key, "https://another.test"),
    ] {
        let before = stage.idp.token_requests();
        let error = source.build().unwrap().acquire(stage.acquire()).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
        assert_eq!(stage.idp.token_requests(), before + 1);
    }
}

#[test]
fn mistakes_are_config_errors_at_build() {
    let key = || SigningKey::generate(Algorithm::EdDsa).unwrap();
    let stage =
        || tower_oauth2_client_credentials::ClientCredentials::builder("https://idp.test/t");
    let second = Duration::from_secs(1);
    for (mistake, builder) in [
        ("client id", stage().private_key_jwt("", key(), ISSUER)),
        ("audience is empty", stage().private_key_jwt("me", key(), "")),
        ("audience is empty", stage().client_secret_jwt("me", "x", HmacAlgorithm::Hs256, "")),
        (
            "discovery is not used",
            stage().private_key_jwt("me", key(), AssertionAudience::discovered_issuer()),
        ),
        (
            "assertion_lifetime",
            stage().private_key_jwt("me", key(), ISSUER).assertion_lifetime(second / 2),
        ),
        (
            "client_assertion_type",
            stage().private_key_jwt("me", key(), ISSUER).client_assertion_type(""),
        ),
    ] {
        let error: Error = builder.build().expect_err(mistake);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(mistake), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_used_at_the_next_acquisition() {
    let path = std::env::temp_dir().join(format!("toacc-{}-rotated-key", std::process::id()));
    let pems = [EC256, include_str!("../signing_keys/ec384-sec1.pem")];
    let key = SigningKey::from_pem(Algorithm::Es256, EC256).unwrap();
    let jwk = r#"{"kty":"EC","crv":"P-256","kid":"new",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
    let rotated = SigningKey::from_jwk(jwk).unwrap();
    let thumbprint = key.thumbprint();
    let stage =
        Stage::new(vec![Known::of(&key.with_key_id(thumbprint.as_str())), Known::of(&rotated)]);

    fs::write(&path, pems[0]).unwrap();
    let pem = SigningKeySource::from_pem_file(Algorithm::Es256, &path)
        .and_then(|key| Ok(key.clone().with_key_id(key.thumbprint())));
    let source = stage.client().private_key_jwt("me", pem, ISSUER).build().unwrap();
    source.acquire(stage.acquire()).await.unwrap();

    // Half a file, as while it is written, and then a key of another curve.
    fs::write(&path, &pems[0][..80]).unwrap();
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("rotated-key"), "{error}");
    assert!(error.source().unwrap().to_string().contains("cut off"));
    fs::write(&path, pems[1]).unwrap();
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("P-384"));

    fs::write(&path, jwk).unwrap();
    let jwk = SigningKeySource::from_jwk_file(&path);
    let source = stage.client().private_key_jwt("me", jwk, ISSUER).build().unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    let kids: Vec<_> = {
        let accepted = stage.accepted.lock().unwrap();
        accepted.iter().map(|(header, _)| header.kid.clone().unwrap()).collect()
    };
    assert_eq!(kids, [thumbprint, "new".into()]);
    fs::remove_file(&path).unwrap();
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
}

#[tokio::test(start_paused = true)]
async fn a_closures_key_changes_without_a_restart() {
    let keys =
        [1, 2].map(|n| SigningKey::generate(Algorithm::EdDsa).unwrap().with_key_id(n.to_string()));
    let stage = Stage::new(keys.iter().map(Known::of).collect());
    let next = Arc::new(std::sync::Mutex::new(keys.to_vec()));
    let provider = SigningKeySource::from_fn(move || {
        let mut keys = next.lock().unwrap();
        if keys.is_empty() { Err(BoxError::from("no key left")) } else { Ok(keys.remove(0)) }
    });
    let source = stage.client().private_key_jwt("me", provider, ISSUER).attempts(1);
    let source = source.build().unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    let kids: Vec<_> = stage.accepted.lock().unwrap().iter().map(|a| a.0.kid.clone()).collect();
    assert_eq!(kids, [Some("1".into()), Some("2".into())]);
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
}

/// P8, for keys, secrets that sign, and assertions.
#[tokio::test(start_paused = true)]
async fn p8_no_key_secret_or_assertion_is_shown() {
    let secret = "hunter2-hunter2-hunter2-hunter2";
    let key = SigningKey::from_pem(Algorithm::Es256, EC256).unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    stage.idp.on_request(|request| {
        // A server that echoes its input.
        let assertion = request.form_value("client_assertion").unwrap();
        let body = serde_json::json!({
            "error": "invalid_client", "error_description": format!("bad assertion {assertion}"),
        });
        MockResponse::Raw(
            Response::builder().status(401).body(Bytes::from(body.to_string())).unwrap(),
        )
    });
    let mut shown = String::new();
    for builder in [
        stage.client().private_key_jwt("me", key.clone(), ISSUER),
        stage.client().private_key_jwt(
            "me",
            SigningKeySource::from_fn(move || Ok(key.clone())),
            ISSUER,
        ),
        stage.client().client_secret_jwt("me", Secret::from(secret), HmacAlgorithm::Hs256, ISSUER),
    ] {
        shown += &format!("{builder:?}");
        let source = builder.build().unwrap();
        let error = source.acquire(stage.acquire()).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
        shown += &format!("{source:?} {error} {error:?}");
    }
    assert_eq!(shown.matches("repeats part of a secret").count(), 6, "{shown}");
    shown += &format!("{:?} {:?}", stage.events.lock().unwrap(), stage.idp.requests());
    shown += &traced();
    // Messages are truncated, so the test searches for the beginning of each part.
    let assertions = stage.sent("client_assertion").into_iter().flatten();
    let assertions = assertions
        .flat_map(|jwt| jwt.split('.').map(|part| part[..30].to_owned()).collect::<Vec<_>>());
    let pem_lines = EC256.lines().filter(|line| !line.starts_with('-')).map(str::to_owned);
    for canary in assertions.chain(pem_lines).chain([secret.to_owned()]) {
        assert!(canary.len() > 20 && !shown.contains(&canary), "{canary}: {shown}");
    }
}
