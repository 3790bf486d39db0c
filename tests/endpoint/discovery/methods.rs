//! Every client authentication method and signing algorithm, against metadata that lists it and
//! metadata that does not.

use std::path::PathBuf;

use serde_json::Value;
use tower_oauth2_client_credentials::{
    client_auth::AssertionAudience,
    endpoint::SignedJwt,
    event::EventKind,
    jose::{HmacAlgorithm, SigningAlgorithm, SigningKey, SigningKeySource},
};

use super::*;

const METHODS: &str = "token_endpoint_auth_methods_supported";
const ALGORITHMS: &str = "token_endpoint_auth_signing_alg_values_supported";
const OTHER_GRANT: &str = "urn:example:grant";

/// A server that accepts any client.
fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .verify_assertion(|_| Ok(()))
        .extension_grant(OTHER_GRANT, |_| Ok(()))
        .build()
}

type Choose = fn(ClientCredentialsBuilder) -> ClientCredentialsBuilder;

/// Each method, with its registered name if it has one.
const EACH_METHOD: &[(&str, Option<&str>, Choose)] = &[
    ("basic", Some("client_secret_basic"), |it| it.client_secret_basic("id", "s3cret")),
    ("basic, raw", Some("client_secret_basic"), |it| it.client_secret_basic_raw("id", "s3cret")),
    ("post", Some("client_secret_post"), |it| it.client_secret_post("id", "s3cret")),
    ("secret JWT", Some("client_secret_jwt"), |it| {
        let (secret, audience) = ("s3cret".repeat(10), AssertionAudience::discovered_issuer());
        it.client_secret_jwt("id", secret, HmacAlgorithm::Hs256, audience)
    }),
    ("private key JWT", Some("private_key_jwt"), |it| {
        let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
        it.private_key_jwt("id", key, AssertionAudience::discovered_issuer())
    }),
    ("certificate", Some("tls_client_auth"), |it| it.tls_client_auth("id")),
    ("own certificate", Some("self_signed_tls_client_auth"), |it| {
        it.self_signed_tls_client_auth("id")
    }),
    ("public", Some("none"), |it| it.public_client("id")),
    ("no client", Some("none"), |it| it.no_client_authentication().grant_type(OTHER_GRANT)),
    ("provided assertion", None, |it| {
        it.client_assertion_type("urn:example:opaque")
            .client_assertion_fn(Some("id"), || async { Ok("an assertion".to_owned()) })
    }),
];

/// With one list of the metadata replaced: the result in the strict mode, and the members that the
/// lenient mode warns about.
async fn judged(
    choose: impl Fn(ClientCredentialsBuilder) -> ClientCredentialsBuilder,
    member: &str,
    listed: Value,
) -> (Result<(), String>, Vec<(&'static str, String)>) {
    let idp = server();
    idp.set_metadata(METHODS, Value::Null);
    idp.set_metadata(member, listed);
    let builder = || {
        let builder = ClientCredentials::discover(idp.issuer()).transport(idp.service());
        choose(builder).attempts(1)
    };
    let strict = acquire(&builder().strict_metadata(true).build().unwrap()).await;
    assert_eq!(idp.token_requests(), u64::from(strict.is_ok()));
    let strict = strict.map(drop).map_err(|error| {
        assert_eq!(error.code(), "unsupported_auth_method");
        assert!(error.is_permanent() && !error.is_retryable());
        error.to_string()
    });
    let (observing, events) = observed();
    builder().build().unwrap().acquire(observing).await.unwrap();
    let events = events.lock().unwrap();
    let warned = events.iter().map(|event| match event {
        EventKind::MetadataMismatch { member, used, .. } => (*member, used.clone()),
        other => panic!("{other:?}"),
    });
    (strict, warned.collect())
}

#[tokio::test(start_paused = true)]
async fn every_client_authentication_method_is_compared_with_the_metadata() {
    for (label, method, choose) in EACH_METHOD {
        let all = EACH_METHOD.iter().filter_map(|(_, method, _)| *method);
        let others: Vec<_> = all.filter(|other| Some(*other) != *method).collect();
        let (strict, warned) = judged(choose, METHODS, json!(others)).await;
        match method {
            Some(method) => {
                let why = strict.expect_err(label);
                assert!(why.contains(&format!("lists no {method} but ")), "{label}: {why}");
                assert!(why.contains(&format!("({METHODS})")), "{label}: {why}");
                assert_eq!(warned, [(METHODS, (*method).to_owned())], "{label}");
            }
            // A method without a registered name can't be compared.
            None => assert_eq!((strict, warned), (Ok(()), vec![]), "{label}"),
        }
        for fits in [json!([method.unwrap_or("x"), "y"]), json!([]), json!(null)] {
            let judged = judged(choose, METHODS, fits.clone()).await;
            assert_eq!(judged, (Ok(()), vec![]), "{label}: {fits}");
        }
        // A list of algorithms applies to methods that sign.
        let (strict, _) = judged(choose, ALGORITHMS, json!(["XX999"])).await;
        let signs = matches!(*method, Some("private_key_jwt" | "client_secret_jwt"));
        assert_eq!(strict.is_err(), signs, "{label}");
    }
}

type Signing = Box<dyn Fn(ClientCredentialsBuilder) -> ClientCredentialsBuilder>;

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/credentials/signing_keys").join(name)
}

#[tokio::test(start_paused = true)]
async fn every_signing_algorithm_is_compared_with_the_metadata() {
    use HmacAlgorithm as Hmac;
    use SigningAlgorithm as Alg;
    let rsa = key_file("rsa2048-pkcs8.pem");
    let ec256 = key_file("ec256-pkcs8.pem");
    let (ec384, ed) = (key_file("ec384-sec1.pem"), key_file("ed25519-pkcs8.pem"));
    let keys = [
        (Alg::Rs256, &rsa, "RS256"),
        (Alg::Rs384, &rsa, "RS384"),
        (Alg::Rs512, &rsa, "RS512"),
        (Alg::Ps256, &rsa, "PS256"),
        (Alg::Ps384, &rsa, "PS384"),
        (Alg::Ps512, &rsa, "PS512"),
        (Alg::Es256, &ec256, "ES256"),
        (Alg::Es384, &ec384, "ES384"),
        (Alg::EdDsa, &ed, "EdDSA"),
    ];
    let secrets = [(Hmac::Hs256, "HS256"), (Hmac::Hs384, "HS384"), (Hmac::Hs512, "HS512")];
    let issuer = AssertionAudience::discovered_issuer;
    let mut signing: Vec<(&str, Signing)> = Vec::new();
    for (algorithm, file, name) in keys {
        let pem = std::fs::read(file).unwrap();
        let key = SigningKey::from_pem(algorithm, pem).unwrap();
        signing.push((name, Box::new(move |it| it.private_key_jwt("id", key.clone(), issuer()))));
        // With a file the algorithm is known before the key is read.
        let source = SigningKeySource::from_pem_file(algorithm, file);
        signing
            .push((name, Box::new(move |it| it.private_key_jwt("id", source.clone(), issuer()))));
    }
    for (algorithm, name) in secrets {
        signing.push((
            name,
            Box::new(move |it| {
                it.client_secret_jwt("id", "s3cret".repeat(11), algorithm, issuer())
            }),
        ));
    }
    for (name, choose) in &signing {
        let others: Vec<_> = signing.iter().map(|it| it.0).filter(|it| it != name).collect();
        let (strict, warned) = judged(choose, ALGORITHMS, json!(others)).await;
        let why = strict.expect_err(name);
        assert!(why.contains(&format!("lists no {name} but ")), "{name}: {why}");
        assert_eq!(warned, [(ALGORITHMS, (*name).to_owned())]);
        for fits in [json!([name]), json!(["XX999", name]), json!([]), json!(null)] {
            let judged = judged(choose, ALGORITHMS, fits.clone()).await;
            assert_eq!(judged, (Ok(()), vec![]), "{name}: {fits}");
        }
    }
    // The algorithm of a JWK is known when it is read, so it is not compared.
    let jwk = SigningKeySource::from_fn(|| Ok(SigningKey::generate(Alg::Es256)?));
    let choose = |it: ClientCredentialsBuilder| it.private_key_jwt("id", jwk.clone(), issuer());
    assert_eq!(judged(choose, ALGORITHMS, json!(["XX999"])).await, (Ok(()), vec![]));
    // The key of a grant's JWT does not authenticate the client either.
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let choose = |it: ClientCredentialsBuilder| {
        it.client_secret_post("id", "s3cret")
            .grant_type(OTHER_GRANT)
            .parameter("assertion", SignedJwt::new(key.clone()))
    };
    assert_eq!(judged(choose, ALGORITHMS, json!(["XX999"])).await, (Ok(()), vec![]));
}

/// A message shows 12 of the names, and says that there are more.
#[tokio::test(start_paused = true)]
async fn a_message_shows_no_more_than_twelve_listed_names() {
    for (count, more) in [(1, false), (12, false), (13, true), (5000, true)] {
        let names: Vec<_> = (1..=count).map(|nth| format!("method{nth}")).collect();
        let choose = |it: ClientCredentialsBuilder| it.client_secret_post("id", "s3cret");
        let why = judged(choose, METHODS, json!(names)).await.0.unwrap_err();
        let shown = names[..count.min(12)].join(", ");
        let expected = format!("client_secret_post but {shown}{} (", if more { ", …" } else { "" });
        assert!(why.contains(&expected), "{count}: {why}");
    }
}
