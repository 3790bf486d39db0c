//! Client assertions and proofs.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tower_oauth2_client_credentials::{
    ErrorKind,
    jose::{SigningAlgorithm, SigningKey},
};

use crate::stage::{Stage, Variant, acquire};

fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(jwt: &str) -> Value {
    part(jwt, 1)
}

#[tokio::test]
async fn fapi_the_audience_is_the_issuer_as_a_string() {
    for variant in [Variant::KEY_AND_DPOP, Variant::KEY_AND_MTLS] {
        let stage = Stage::new(variant).await;
        // The alias is another address. The audience is still the issuer.
        acquire(stage.builder()).await.unwrap();
        let assertions = stage.assertions.lock().unwrap();
        assert_eq!(assertions[0]["aud"], Value::String(stage.front.issuer()), "{variant:?}");
    }
}

/// `jti` of assertions and of proofs, also of those that answer a nonce challenge.
#[tokio::test]
async fn fapi_no_assertion_and_no_proof_is_sent_twice() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    stage.at_idp.require_nonce(true);
    stage.at_api.require_nonce(true);
    let tokens = stage.builder().build().unwrap().into_cache();
    for _ in 0..3 {
        tokens.force_refresh().await.unwrap();
        assert_eq!(stage.call(&tokens).await.unwrap(), 200);
    }
    let (to_idp, to_api) = (stage.idp.requests(), stage.api.recorded());
    let assertions = to_idp.iter().map(|it| it.form_value("client_assertion").unwrap());
    let proofs = to_idp.iter().chain(&to_api).map(|it| it.header("dpop").unwrap());
    let jwts: Vec<_> = assertions.chain(proofs).collect();
    let ids: HashSet<_> = jwts.iter().map(|jwt| claims(jwt)["jti"].to_string()).collect();
    assert_eq!((jwts.len(), ids.len()), (4 + 4 + 4, 12));
    // Both are short-lived, and only the assertion has an end.
    for jwt in &jwts {
        let claims = claims(jwt);
        let lifetime = claims["exp"].as_u64().map(|exp| exp - claims["iat"].as_u64().unwrap());
        assert!(lifetime.is_none_or(|seconds| seconds <= 60), "{claims}");
    }
}

/// PS256, ES256 and EdDSA with Ed25519 (§5.4.1).
#[tokio::test]
async fn fapi_each_algorithm_of_the_profile_signs() {
    for algorithm in [SigningAlgorithm::Ps256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap();
        let stage = Stage::with_key(Variant::KEY_AND_DPOP, key.clone()).await;
        acquire(stage.builder()).await.unwrap();
        // The same for proofs. A separate key, because an API can read a proof's public key.
        let for_proofs = SigningKey::generate(algorithm).unwrap();
        acquire(stage.builder().dpop(for_proofs)).await.unwrap();
        let request = stage.idp.requests().pop().unwrap();
        let proof = part(request.header("dpop").unwrap(), 0);
        let assertion = part(request.form_value("client_assertion").unwrap(), 0);
        assert_eq!((&proof["alg"], &assertion["alg"]), (&algorithm.as_str().into(), &proof["alg"]));
        assert!(proof["jwk"].is_object() && proof["jwk"]["d"].is_null());
    }
}

/// RSA keys have 2048 bits or more (§5.4.1). P-521 and other curves have no algorithm of the
/// profile.
#[test]
fn fapi_a_short_rsa_key_is_refused() {
    let pem = include_str!("../credentials/signing_keys/rsa1024-pkcs8.pem");
    let error = SigningKey::from_pem(SigningAlgorithm::Ps256, pem).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("below 2048 bits"), "{error}");
}

/// A server that lists only the algorithms of the profile gets no assertion with another one.
#[tokio::test]
async fn fapi_an_algorithm_that_is_not_listed_is_not_sent() {
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es384] {
        let key = SigningKey::generate(algorithm).unwrap();
        let stage = Stage::with_key(Variant::KEY_AND_DPOP, key).await;
        let error = stage.refused(stage.builder()).await;
        assert_eq!(error.code(), "unsupported_auth_method");
        assert!(error.to_string().contains(algorithm.as_str()), "{error}");
        assert_eq!(stage.idp.token_requests(), 0);
    }
}
