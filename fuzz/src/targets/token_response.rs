//! P12, P8: any response of the token endpoint becomes the token that it names, valid in a header
//! field and bounded, or an error that shows no secret.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use tower::service_fn;
use tower_oauth2_client_credentials::ClientCredentials;

use crate::support::{
    SECRET, acquire, answer, check_error, response_with_secret, run as block_on, set_answer,
};

const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

thread_local! {
    static SOURCE: ClientCredentials = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_post("client", SECRET)
        .scope("read")
        .transport(service_fn(answer))
        .build()
        .expect("the settings are good");
}

pub fn run(data: &[u8]) {
    let Some(answer) = response_with_secret(data) else { return };
    set_answer(answer.clone());
    let token = match SOURCE.with(acquire) {
        Ok(token) => token,
        Err(error) => return check_error(&error),
    };
    assert!(answer.status().is_success());
    assert!(token.secret().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    assert!(token.header_value().is_sensitive());
    assert!(!format!("{token:?}").contains(token.secret()) || token.secret().len() < 8);
    assert!(token.lifetime().is_none_or(|lifetime| lifetime <= MAX_LIFETIME));
    assert!(token.scope().is_none_or(|scope| scope.len() <= 16 * 1024));
    if answer.headers().get(CONTENT_TYPE).is_none() {
        let body = block_on(answer.into_body().collect()).expect("it is in memory").to_bytes();
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        // Numbers may be too large for this parser.
        if let Ok(body) = serde_json::from_slice::<serde_json::Value>(body) {
            let named = body["access_token"].as_str().expect("the token is a string");
            assert_eq!(token.secret(), named.trim());
        }
    }
}
