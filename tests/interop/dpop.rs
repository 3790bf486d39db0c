//! DPoP (RFC 9449), with nonces required at the token endpoint and at the API.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, Token,
    dpop::DpopKey,
    endpoint::ClientCredentialsBuilder,
    jose::{SigningAlgorithm, SigningKey},
    token::TokenType,
    transport::{TokenRequest, TokenRequestBody},
};

use crate::{
    canaries,
    oidc::{self, api, builder},
    support::{acquire, again, build, cache, client, get, post, run, secret},
    tap::Tap,
};

fn generated() -> DpopKey {
    let key = DpopKey::generate();
    canaries::shown(&key);
    key
}

fn basic(tap: &Tap, key: impl Into<DpopKey>) -> ClientCredentialsBuilder {
    builder(tap).client_secret_basic("dpop", secret("secret.dpop")).dpop(key)
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn both_servers_require_nonces_and_each_challenges_once() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let (cache, _) = cache(basic(&tokens, generated()).scope("api:read"));
        let client = client(&cache, &api(), requests.clone());
        for _ in 0..20 {
            let url = api() + "/resource?page=1";
            let (status, answer) = get(&client, &url).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            assert_eq!(answer["client_id"], "dpop");
        }
        assert_eq!(tokens.statuses(), [400, 200]);
        let mut expected = vec![200; 21];
        expected[0] = 401;
        // One nonce is not valid for so many requests. The new ones came with successful responses.
        assert_eq!(requests.statuses(), expected);
        let token = cache.current().unwrap();
        assert_eq!(token.token_type(), TokenType::Dpop);
        assert!(oidc::introspect(token.secret()).await["cnf"]["jkt"].is_string());
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn every_algorithm_and_the_key_that_the_token_is_bound_to() {
    run(async {
        for (algorithm, name) in [
            (SigningAlgorithm::Es256, "ec256"),
            (SigningAlgorithm::EdDsa, "ed25519"),
            (SigningAlgorithm::Ps256, "rsa"),
        ] {
            let pem = secret(&format!("{name}.pem"));
            let key = SigningKey::from_pem(algorithm, pem).unwrap();
            let (cache, _) = cache(basic(&Tap::new(), key.clone()));
            let client = client(&cache, &api(), Tap::new());
            assert_eq!(get(&client, &(api() + "/resource")).await.0, StatusCode::OK, "{algorithm}");
            let token = cache.current().unwrap();
            let answer = oidc::introspect(token.secret()).await;
            assert_eq!(answer["cnf"]["jkt"], key.thumbprint(), "{algorithm}");
            assert_eq!(answer["token_type"], "DPoP");
        }
    });
}

/// The server consumes the assertion with the challenge.
#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_new_client_assertion_is_made_with_the_nonce() {
    run(async {
        let tap = Tap::new();
        let key = SigningKey::from_pem(SigningAlgorithm::Es256, secret("ec256.pem")).unwrap();
        let builder = builder(&tap).private_key_jwt("dpop-key-jwt", key, oidc::issuer());
        let source = build(builder.dpop(generated()));
        again(&source).await.unwrap();
        again(&source).await.unwrap();
        assert_eq!(tap.statuses(), [400, 200, 200]);
        let assertions: HashSet<_> =
            tap.exchanges().into_iter().map(|exchange| exchange.assertion.unwrap()).collect();
        assert_eq!(assertions.len(), 3);
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_algorithm_is_chosen_from_the_metadata() {
    run(async {
        let discovering = || {
            ClientCredentials::discover(oidc::issuer())
                .client_secret_basic("dpop", secret("secret.dpop"))
                .transport(Tap::new())
                .attempts(1)
        };
        acquire(discovering().dpop(generated())).await.unwrap();
        let other = SigningKey::generate(SigningAlgorithm::Es384).unwrap();
        let error = acquire(discovering().dpop(other)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("PS256"), "{error}");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_revoked_token_is_replaced_and_the_request_replayed() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let (cache, _) = cache(basic(&tokens, generated()));
        let client = client(&cache, &api(), requests.clone());
        let url = api() + "/resource";
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        let form = format!("token={}", cache.current().unwrap().secret());
        let revocation = oidc::issuer() + "/token/revocation";
        let (status, _) = post(&revocation, ("dpop", &secret("secret.dpop")), &form).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        assert_eq!(requests.statuses(), [401, 200, 401, 200]);
        assert_eq!(tokens.statuses(), [400, 200, 200]);
    });
}

/// Sends a token with a proof, first without the nonce and then with it.
async fn present(token: &Token, prover: &Token, times: usize) -> Vec<(StatusCode, String)> {
    let (uri, tap) = ((api() + "/resource").parse::<Uri>().unwrap(), Tap::new());
    let request = |prover: &Token| {
        let mut request = Request::get(&uri).body(TokenRequestBody::default()).unwrap();
        let bound = Token::new(TokenType::Dpop, token.secret()).unwrap();
        let bound = bound.with_proof(Arc::clone(prover.proof().unwrap()));
        bound.authorize(&Method::GET, &uri, request.headers_mut()).unwrap();
        request
    };
    let challenge = tap.clone().oneshot(request(prover)).await.unwrap();
    prover.observe_response(&uri, challenge.headers());
    let proven = request(prover);
    let mut answers = Vec::new();
    for _ in 0..times {
        let response = tap.clone().oneshot(proven.clone()).await.unwrap();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        answers.push((response.status(), challenge));
    }
    answers
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_api_refuses_a_replayed_proof_another_key_and_the_bare_token() {
    run(async {
        let token = acquire(basic(&Tap::new(), generated())).await.unwrap();
        let answers = present(&token, &token, 2).await;
        assert_eq!(answers[0].0, StatusCode::OK);
        assert_eq!(answers[1].0, StatusCode::UNAUTHORIZED);
        assert!(answers[1].1.contains("error=\"invalid_dpop_proof\""), "{}", answers[1].1);

        let other = acquire(basic(&Tap::new(), generated())).await.unwrap();
        let answers = present(&token, &other, 1).await;
        assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
        assert!(answers[0].1.contains("error=\"invalid_token\""), "{}", answers[0].1);

        let mut bearer: HeaderValue = format!("Bearer {}", token.secret()).parse().unwrap();
        bearer.set_sensitive(true);
        let request = Request::get(api() + "/resource").header("authorization", bearer);
        let request = request.body(TokenRequestBody::default()).unwrap();
        let response = Tap::new().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_token_endpoint_refuses_a_replayed_proof_and_one_of_another_key() {
    run(async {
        // Sends the same proof again, or one with another key's signature.
        let (kept, forge) = (Arc::<Mutex<Option<HeaderValue>>>::default(), AtomicBool::new(false));
        let forge = Arc::new(forge);
        let (keeps, forges) = (Arc::clone(&kept), Arc::clone(&forge));
        let tap = Tap::new();
        let tampering = ServiceBuilder::new()
            .map_request(move |mut request: TokenRequest| {
                let proof = request.headers()["dpop"].clone();
                let mut kept = keeps.lock().unwrap();
                let sent = match &*kept {
                    Some(before) if forges.load(Ordering::Relaxed) => forged(&proof, before),
                    Some(before) => before.clone(),
                    None => proof.clone(),
                };
                if nonce(&proof).is_some() {
                    kept.get_or_insert(proof);
                }
                request.headers_mut().insert("dpop", sent);
                request
            })
            .service(tap.clone());
        let source = build(basic(&tap, generated()).transport(tampering));
        again(&source).await.unwrap();
        let error = again(&source).await.unwrap_err();
        // oidc-provider's code for that.
        assert_eq!(error.code(), "invalid_grant");
        forge.store(true, Ordering::Relaxed);
        let error = again(&source).await.unwrap_err();
        assert_eq!(error.code(), "invalid_dpop_proof");
        assert_eq!(tap.statuses(), [400, 200, 400, 400]);
    });
}

fn nonce(proof: &HeaderValue) -> Option<String> {
    let payload = proof.to_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["nonce"].as_str().map(str::to_owned)
}

/// The signature covers another text, as a foreign key's would.
fn forged(proof: &HeaderValue, before: &HeaderValue) -> HeaderValue {
    let (text, _) = proof.to_str().unwrap().rsplit_once('.').unwrap();
    let (_, signature) = before.to_str().unwrap().rsplit_once('.').unwrap();
    let mut forged: HeaderValue = format!("{text}.{signature}").parse().unwrap();
    forged.set_sensitive(true);
    forged
}
