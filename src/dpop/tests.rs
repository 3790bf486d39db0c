//! Proofs, compared with the examples of RFC 9449.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, Uri};

use serde_json::{Value, json};

use super::*;
use crate::{
    clock::WallClock,
    error::Problem,
    jose::{SigningAlgorithm, SigningKey},
    skew::Skew,
    token::{ProofOfPossession as _, Token, TokenType},
};

fn prover(clock: impl WallClock) -> Prover {
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap().with_key_id("mine");
    Prover::new(key, Arc::default(), Arc::new(clock), Skew::default())
}

fn part(jws: &str, index: usize) -> Value {
    let part = jws.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn decoded(proof: &HeaderValue) -> (Value, Value) {
    assert!(proof.is_sensitive());
    let proof = proof.to_str().unwrap();
    (part(proof, 0), part(proof, 1))
}

fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// 2019-10-31, when the RFC's examples were made.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_572_544_800)
}

/// §4.1: what a proof for a token request has in it, and no more.
#[test]
fn a_token_requests_proof_is_like_rfc_9449_section_4_1() {
    let rfc = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4d\
               EZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX28\
               2NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiIt\
               QndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbG\
               UuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.signature";
    let uri = Uri::from_static("https://server.example.com/token?tenant=1");
    let prover = prover(then);
    let proof = prover.prove_token_request(&Method::POST, &uri, None).unwrap();
    let (header, claims) = decoded(&proof);
    assert_eq!((names(&header), names(&claims)), (names(&part(rfc, 0)), names(&part(rfc, 1))));
    assert_eq!(names(&header["jwk"]), names(&part(rfc, 0)["jwk"]));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("POST"), &part(rfc, 1)["htu"]));
    assert_eq!(claims["iat"], 1_572_544_800);
    let again = prover.prove_token_request(&Method::POST, &uri, Some("n.1")).unwrap();
    let (_, again) = decoded(&again);
    assert_ne!(again["jti"], claims["jti"]);
    assert_eq!(again["nonce"], "n.1");
}

/// §7.1: the same token, and so the same `ath`.
#[test]
fn ath_of_rfc_9449_section_7_1() {
    let secret = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let token = Token::new(TokenType::Dpop, secret).unwrap();
    let uri = Uri::from_static("https://resource.example.org/protectedresource");
    let proof = prover(then).prove(&Method::GET, &uri, &token).unwrap();
    let (_, claims) = decoded(&proof);
    assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("GET"), &json!(uri.to_string())));
    assert_eq!(names(&claims), ["ath", "htm", "htu", "iat", "jti"]);
}

#[test]
fn odd_uris_are_escaped_or_refused() {
    let token = Token::new(TokenType::Dpop, "abc").unwrap();
    let prover = prover(then);
    let uri: Uri = "https://a.example/b\"{c}".parse().unwrap();
    let proof = prover.prove(&Method::GET, &uri, &token).unwrap();
    assert_eq!(decoded(&proof).1["htu"], "https://a.example/b\"{c}");
    let error = prover.prove(&Method::GET, &Uri::from_static("/b"), &token).unwrap_err();
    assert_eq!(error.problem(), Problem::Refused);
    assert!(error.to_string().contains("no scheme and host"), "{error}");
}

#[test]
fn time_is_the_servers_and_never_before_1970() {
    let mut headers = HeaderMap::new();
    headers.insert("date", "Thu, 31 Oct 2019 18:00:00 GMT".parse().unwrap());
    let behind = || then() - Duration::from_secs(3600);
    let prover = prover(behind);
    prover.skew.observe(&headers, behind(), behind()).unwrap();
    let uri = Uri::from_static("https://a.example/");
    let proof = prover.prove_token_request(&Method::POST, &uri, None).unwrap();
    assert_eq!(decoded(&proof).1["iat"], 1_572_544_800);
    let broken = super::tests::prover(|| UNIX_EPOCH - Duration::from_secs(1));
    let error = broken.prove_token_request(&Method::POST, &uri, None).unwrap_err();
    assert_eq!(error.problem(), Problem::Credentials);
}

/// The authorization server's clock may be wrong, and says nothing about an API's.
#[test]
fn an_api_is_proved_to_by_its_own_time() {
    let prover = prover(then);
    let mut headers = HeaderMap::new();
    headers.insert("date", "Sat, 02 Nov 2019 17:00:00 GMT".parse().unwrap());
    prover.skew.observe(&headers, then(), then()).unwrap();
    let token = Token::new(TokenType::Dpop, "abc").unwrap();
    let uri = Uri::from_static("https://a.example/");
    let issued_at = || {
        let proof = prover.prove(&Method::GET, &uri, &token).unwrap();
        decoded(&proof).1["iat"].as_u64().unwrap()
    };
    assert_eq!(issued_at(), 1_572_544_800);
    headers.insert("date", "Thu, 31 Oct 2019 19:00:00 GMT".parse().unwrap());
    assert!(!prover.observe(&uri, &headers), "it brought no nonce");
    assert_eq!(issued_at(), 1_572_544_800 + 3600);
}
