//! Every response in `cases/token_responses.json`, over a real socket.

#[path = "../support/mod.rs"]
mod support;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tower::ServiceBuilder;
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, Token, TokenSource as _,
    dpop::DpopKey,
    endpoint::ClientCredentialsBuilder,
    event::{AcquisitionReason, EventKind, Observer},
    source::AcquireContext,
    token::TokenType,
    transport::TokenRequest,
};

/// The implemented `variants`.
fn variant(option: &str, builder: ClientCredentialsBuilder) -> Option<ClientCredentialsBuilder> {
    if option == "token_type_override=Bearer" {
        return Some(builder.token_type_override(TokenType::Bearer));
    }
    let seconds = option.strip_prefix("lifetime_cap_secs=")?;
    Some(builder.lifetime_cap(Duration::from_secs(seconds.parse().unwrap())))
}

#[tokio::test]
async fn every_token_response_case() {
    let cases: Value = serde_json::from_str(include_str!("../cases/token_responses.json")).unwrap();
    let cases = cases.as_array().unwrap();
    let (mut failures, mut variants) = (Vec::new(), 0);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let mut found = problems(case, &case["expect"], run(case, |builder| builder).await);
        for variant_case in case["variants"].as_array().into_iter().flatten() {
            let option = variant_case["option"].as_str().unwrap();
            if variant(option, ClientCredentials::builder("")).is_none() {
                continue;
            }
            variants += 1;
            let outcome = run(case, |builder| variant(option, builder).unwrap()).await;
            let of_variant = problems(case, &variant_case["expect"], outcome);
            found.extend(of_variant.into_iter().map(|problem| format!("[{option}] {problem}")));
        }
        failures.extend(found.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    assert!(cases.len() >= 117 && variants == 2, "{} cases, {variants} variants", cases.len());
    assert!(failures.is_empty(), "{} problems:\n{}", failures.len(), failures.join("\n"));
}

struct Outcome {
    result: Result<Token, Error>,
    narrowed: bool,
    /// The nonce of each request's DPoP proof.
    nonces: Vec<Option<String>>,
}

async fn run(
    case: &Value,
    set: impl FnOnce(ClientCredentialsBuilder) -> ClientCredentialsBuilder,
) -> Outcome {
    let address = support::serve(case).await;
    let nonces = Arc::<Mutex<Vec<_>>>::default();
    let seen = Arc::clone(&nonces);
    let transport = ServiceBuilder::new()
        .map_request(move |request: TokenRequest| {
            seen.lock().unwrap().push(request.headers().get("dpop").and_then(nonce));
            request
        })
        // The server answers once per connection.
        .service(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http());
    let mut builder = ClientCredentials::builder(format!("http://{address}/token"))
        .client_secret_post("client", "not-to-be-seen")
        .transport(transport);
    if case["context"]["dpop_configured"] == true {
        let required = case["context"]["dpop_required"] != false;
        builder = builder.dpop(DpopKey::generate()).dpop_optional(!required);
    }
    if let Some(scope) = case["context"]["requested_scope"].as_str() {
        builder = builder.scope(scope);
    }
    let now_unix = case.get("now_unix").or_else(|| case["context"].get("now_unix"));
    if let Some(now) = now_unix {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_u64().unwrap());
        builder = builder.wall_clock(move || now);
    }
    let events = Arc::new(Mutex::new(Vec::new()));
    let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
    acquire.single_attempt = true;
    acquire.observer = {
        let events = Arc::clone(&events);
        Observer::new(move |event| events.lock().unwrap().push(event.kind().clone()))
    };
    let result = set(builder).build().unwrap().acquire(acquire).await;
    let narrowed = matches!(events.lock().unwrap().as_slice(), [EventKind::ScopeNarrowed { .. }]);
    let nonces = nonces.lock().unwrap().clone();
    Outcome { result, narrowed, nonces }
}

fn nonce(proof: &HeaderValue) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(proof.to_str().unwrap().split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    claims["nonce"].as_str().map(str::to_owned)
}

fn problems(case: &Value, expect: &Value, outcome: Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    if outcome.narrowed {
        problems.push("no case narrows the scope".into());
    }
    let got = match &outcome.result {
        Ok(_) => "token",
        Err(_) => "error",
    };
    if expect["outcome"] != got {
        if !list(&expect["also_ok"]).contains(&got) {
            problems.push(format!("expected {}, got {:?}", expect["outcome"], outcome.result));
        }
        return problems;
    }
    let requests = match expect["retry_policy"].as_str() {
        Some("immediate_once_with_nonce") => 2,
        _ => 1,
    };
    if outcome.nonces.len() != requests {
        problems.push(format!("{} requests, expected {requests}", outcome.nonces.len()));
    }
    if let Some(nonce) = expect["new_dpop_nonce"].as_str()
        && outcome.nonces.last() != Some(&Some(nonce.to_owned()))
    {
        problems.push(format!("nonces: {:?}, expected {nonce} at last", outcome.nonces));
    }
    let mut compare = |what: &str, expected: &Value, got: Value| {
        if *expected != got {
            problems.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    match &outcome.result {
        Ok(token) => check_token(expect, token, &mut compare),
        Err(error) => {
            check_error(expect, error, &mut compare);
            compare("a leak", &Value::Null, leak(case, error).into());
        }
    }
    problems
}

fn check_token(expect: &Value, token: &Token, compare: &mut dyn FnMut(&str, &Value, Value)) {
    let secret = String::from_utf8(support::bytes(&expect["access_token"])).unwrap();
    compare("access_token", &secret.into(), token.secret().into());
    compare("token_type", &expect["token_type"], token.token_type().scheme().into());
    let lifetime = token.lifetime().map(|lifetime| lifetime.as_secs());
    match expect["lifetime_at_least_secs"].as_u64() {
        Some(least) => {
            compare("clamped lifetime", &true.into(), (lifetime >= Some(least)).into());
        }
        None => compare("lifetime_secs", &expect["lifetime_secs"], lifetime.into()),
    }
    compare("scope", &expect["scope"], token.scope().into());
    let refresh_in = token.refresh_in().map(|hint| hint.as_secs());
    compare("refresh_hint_secs", &expect["refresh_hint_secs"], refresh_in.into());
}

fn check_error(expect: &Value, error: &Error, compare: &mut dyn FnMut(&str, &Value, Value)) {
    let kind = error.code();
    if !list(&expect["also_ok_kinds"]).contains(&kind) {
        compare("error_kind", &expect["error_kind"], kind.into());
        compare("retryable", &expect["retryable"], error.is_retryable().into());
    }
    if let Some(code) = expect.get("oauth_error") {
        compare("oauth_error", code, error.oauth_code().into());
    }
    let retry_after = error.retry_after().map(|wait| wait.as_secs());
    compare("retry_after_secs", &expect["retry_after_secs"], retry_after.into());
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Finds a piece of the response's access token (or of the client's secret) in an error.
fn leak(case: &Value, error: &Error) -> Option<String> {
    let shown = format!("{error} {error:?} {error:#?}");
    let body = support::bytes(&case["body"]);
    let body = String::from_utf8_lossy(&body).into_owned();
    let after = body.split("\"access_token\":").skip(1);
    let tokens = after.map(|rest| {
        let rest = rest.trim_start().trim_start_matches('"');
        rest.split(['"', '\\', ',', '}']).next().unwrap_or_default().to_owned()
    });
    let secret = "not-to-be-seen".to_owned();
    tokens.chain([secret]).find(|token| token.len() >= 6 && shown.contains(token.as_str()))
}
