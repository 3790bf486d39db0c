//! No proof, token or key appears in any output, in any failure.

use std::{
    io,
    sync::{Mutex, Once},
};

use bytes::Bytes;
use http::Response;
use tower_oauth2_client_credentials::{
    TokenSource as _,
    dpop::DpopKey,
    jose::{SigningAlgorithm, SigningKey},
    testing::MockResponse,
};

use crate::support::{Stage, get, probe};

static TRACED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Traced;

impl io::Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TRACED.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records all traces from here on, of every level and every test. Each test begins with it,
/// because the first thread that reaches a callsite decides for the whole process whether it is
/// enabled.
pub(crate) fn listen() {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Traced)
            .init();
    });
}

const KEY: &str = include_str!("../credentials/signing_keys/rfc7517_a2.json");

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_shown_or_traced() {
    let stage = Stage::new();
    stage.at_idp.require_nonce(true);
    stage.at_api.require_nonce(true);
    let key = SigningKey::from_jwk_as(SigningAlgorithm::Rs256, KEY).unwrap();
    let builder = stage.builder().dpop(key.clone());
    let mut shown = format!("{key:?} {:?} {builder:?}", DpopKey::from(key.clone()));
    let source = builder.build().unwrap();
    // A server that echoes the request.
    stage.idp.on_request(|request| {
        let proof = request.header("dpop").unwrap();
        let body = format!(r#"{{"error":"invalid_dpop_proof","error_description":"{proof}"}}"#);
        MockResponse::Raw(Response::builder().status(400).body(Bytes::from(body)).unwrap())
    });
    let error = source.acquire(probe()).await.unwrap_err();
    assert!(error.to_string().contains("repeats part of a secret"), "{error}");
    shown += &format!("{error} {error:?} {error:#?}");
    stage.idp.on_request(|_| MockResponse::Issue);
    let tokens = source.clone().into_cache();
    let client = stage.client_of(tokens.clone());
    let response = client.send(get("https://api.test/?q")).await.unwrap();
    let token = tokens.get().await.unwrap();
    shown += &format!("{source:?} {tokens:?} {token:?} {:?} {:?}", client.layer, response);
    shown += &format!("{:?} {:?} {:?}", stage.at_idp, stage.idp.requests(), stage.api.recorded());
    let header = token.header_value();
    shown += &format!("{header:?}");

    let key: serde_json::Value = serde_json::from_str(KEY).unwrap();
    let requests = [stage.idp.requests(), stage.api.recorded()].concat();
    let proofs = requests.iter().filter_map(|request| request.header("dpop"));
    let parts = proofs.flat_map(|proof| proof.split('.').skip(1));
    let secrets: Vec<_> =
        parts.chain([token.secret(), key["d"].as_str().unwrap(), "s3cret"]).collect();
    assert_eq!(secrets.len(), 2 * 5 + 3, "three token requests, and two to the API");
    shown += std::str::from_utf8(&TRACED.lock().unwrap()).unwrap();
    assert!(shown.contains("access token acquired"), "traces were kept");
    for secret in secrets {
        assert!(!shown.contains(&secret[..secret.len().min(24)]), "a secret shows");
    }
}
