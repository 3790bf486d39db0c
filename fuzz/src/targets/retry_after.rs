//! `Retry-After` (RFC 9110 §10.2.3) is read as seconds or a date, and otherwise ignored. No value
//! keeps a client away from the server for longer than its cap.

use std::time::Duration;

use http::{Response, StatusCode, header::RETRY_AFTER};
use tower::service_fn;
use tower_oauth2_client_credentials::{ClientCredentials, TokenCache};

use crate::planted::now;
use crate::support::{
    SECRET, acquire, answer, check_error, field_value, run as block_on, set_answer,
};

const TEN_YEARS: u64 = 10 * 365 * 24 * 60 * 60;
/// The cap without a token, and its random part.
const MAX_COOLDOWN: Duration = Duration::from_secs(5 * 60 * 5 / 4);

thread_local! {
    static SOURCE: ClientCredentials = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_post("client", SECRET)
        .attempts(1)
        .wall_clock(now)
        .transport(service_fn(answer))
        .build()
        .expect("the settings are good");
}

pub fn run(data: &[u8]) {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let values = data.split(|byte| *byte == b'\n').filter_map(field_value);
    for value in values {
        response.headers_mut().append(RETRY_AFTER, value);
    }
    let values = response.headers().get_all(RETRY_AFTER).iter();
    let expected = values.filter_map(|value| expected(value.to_str().ok()?)).max();
    set_answer(response);
    let error = SOURCE.with(acquire).expect_err("the server is unavailable");
    check_error(&error);
    assert_eq!(error.retry_after(), expected);
    if expected > Some(Duration::from_secs(1)) {
        let tokens = TokenCache::new(SOURCE.with(Clone::clone));
        let error = block_on(tokens.get()).expect_err("the server is unavailable");
        assert!(error.next_attempt_in().is_some_and(|next| next <= MAX_COOLDOWN), "{error}");
    }
}

fn expected(value: &str) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(TEN_YEARS).min(TEN_YEARS);
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let shown = httpdate::fmt_http_date(date);
    assert!(httpdate::parse_http_date(&shown).is_ok_and(|again| again == date), "{shown}");
    Some(date.duration_since(now()).unwrap_or_default())
}
