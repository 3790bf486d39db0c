//! The nonce of a response (RFC 9449 §8) is in the next proof as it was sent, if there is one and it
//! is well-formed. Any other is ignored, and a server that always asks for a nonce gets two requests.

use std::{cell::RefCell, convert::Infallible};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use tower::service_fn;
use tower_oauth2_client_credentials::{
    ClientCredentials,
    jose::{SigningAlgorithm, SigningKey},
    transport::TokenRequest,
};

use crate::support::{SECRET, acquire, check_error, field_value};

thread_local! {
    static KEY: SigningKey = SigningKey::generate(SigningAlgorithm::EdDsa).expect("random numbers");
    static FIELDS: RefCell<HeaderMap> = RefCell::default();
    /// The nonces of the proofs.
    static SENT: RefCell<Vec<Option<String>>> = RefCell::default();
}

pub fn run(data: &[u8]) {
    let values = data.split(|byte| *byte == b'\n').filter_map(field_value);
    let fields: HeaderMap =
        values.map(|value| ("dpop-nonce".parse().expect("a name"), value)).collect();
    let values: Vec<_> = fields.values().map(|value| value.as_bytes()).collect();
    let is_nqchar = |byte: &u8| *byte == b'!' || matches!(byte, b'#'..=b'[' | b']'..=b'~');
    let expected = match values[..] {
        [nonce] if (1..=512).contains(&nonce.len()) && nonce.iter().all(is_nqchar) => {
            vec![None, Some(String::from_utf8(nonce.to_vec()).expect("ASCII"))]
        }
        _ => vec![None],
    };
    FIELDS.set(fields);
    SENT.take();
    let source = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_post("client", SECRET)
        .dpop(KEY.with(Clone::clone))
        .transport(service_fn(answer))
        .build();
    let error = acquire(&source.expect("the settings are good")).expect_err("there is no token");
    check_error(&error);
    assert_eq!(SENT.take(), expected);
}

async fn answer(request: TokenRequest) -> Result<Response<Full<Bytes>>, Infallible> {
    let proof = request.headers()["dpop"].to_str().expect("base64url and dots");
    let claims = URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).expect("three parts"));
    let claims: serde_json::Value =
        serde_json::from_slice(&claims.expect("base64url")).expect("claims");
    SENT.with_borrow_mut(|sent| sent.push(claims["nonce"].as_str().map(str::to_owned)));
    let mut response = Response::new(Full::from(r#"{"error":"use_dpop_nonce"}"#));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    *response.headers_mut() = FIELDS.with_borrow(Clone::clone);
    Ok(response)
}
