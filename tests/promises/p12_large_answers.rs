//! P12: a response of maximum size costs little more memory than its own bytes, leaves almost
//! nothing, and makes no long log line.
//!
//! A separate binary, because `allocation_counter` brings a counting allocator.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, Token, TokenSource as _,
    event::{AcquisitionReason, Observer},
    source::AcquireContext,
    transport::TokenRequest,
};

const MIB: usize = 1024 * 1024;

/// The result and the output of one acquisition.
struct Outcome {
    result: Result<Token, Error>,
    events: String,
}

/// Discovers the token endpoint through one document, and requests a token.
async fn acquire(document: Bytes, answer: Bytes) -> Outcome {
    let transport = tower::service_fn(move |request: TokenRequest| {
        let body = if request.method() == Method::GET { document.clone() } else { answer.clone() };
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    let source = ClientCredentials::discover("https://idp.example")
        .transport(transport)
        .client_secret_basic("svc", "not-to-be-seen")
        .scope("requested")
        .build()
        .unwrap();
    let events = Arc::new(Mutex::new(String::new()));
    let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
    acquire.observer = {
        let events = Arc::clone(&events);
        Observer::new(move |event| events.lock().unwrap().push_str(&format!("{event:?}\n")))
    };
    let result = source.acquire(acquire).await;
    let events = events.lock().unwrap().clone();
    Outcome { result, events }
}

fn run(document: &Bytes, answer: &Bytes) -> (Outcome, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut outcome = None;
    let measured = measure(|| {
        outcome = Some(runtime.block_on(acquire(document.clone(), answer.clone())));
    });
    (outcome.unwrap(), usize::try_from(measured.bytes_max).unwrap())
}

fn document(more: &str) -> Bytes {
    let text = format!(
        r#"{{"issuer":"https://idp.example",{more}"token_endpoint":"https://idp.example/token"}}"#
    );
    assert!(text.len() <= MIB, "above the body cap");
    text.into()
}

/// A list or object filled up to almost 1 MiB.
fn filled(unit: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 0.. {
        let next = unit(n);
        if text.len() + next.len() > MIB - 300 {
            break;
        }
        text += &next;
    }
    text
}

const TOKEN: &str = r#"{"access_token":"abc","token_type":"Bearer"}"#;

#[test]
fn p12_a_megabyte_of_metadata_costs_little_more_than_its_bytes() {
    let names = |member: &str, list: String| format!("\"{member}\":[{list}\"none\"],");
    let short = filled(|n| format!("\"m{}\",", n % 10));
    let different = filled(|n| format!("\"{n:x}\","));
    for (what, more) in [
        ("members", filled(|n| format!("\"x{n}\":{{}},"))),
        ("one member", filled(|_| "\"x\":0,".into())),
        ("an unread list", names("x", different.clone())),
        ("methods", names("token_endpoint_auth_methods_supported", different)),
        ("the same methods", names("token_endpoint_auth_methods_supported", short)),
        ("grant types", names("grant_types_supported", filled(|n| format!("\"{n:0150}\",")))),
        ("a nested one", format!("\"x\":{}{},", "[".repeat(MIB / 3), "]".repeat(MIB / 3))),
    ] {
        let (outcome, most) = run(&document(&more), &TOKEN.into());
        assert!(outcome.result.is_ok(), "{what}: {:?}", outcome.result);
        assert!(most < 5 * MIB / 2, "{what}: {most} bytes");
        assert!(outcome.events.lines().all(|line| line.len() < 4000), "{what}");
        assert!(!what.contains("grant") || outcome.events.contains("MetadataMismatch"), "{what}");
    }
}

#[test]
fn p12_a_megabyte_of_a_token_answer_costs_little_more_than_its_bytes() {
    let long = "a".repeat(MIB - 300);
    let names = filled(|_| "\"a\",".into());
    for (what, answer) in [
        ("a scope", format!(r#"{{"access_token":"abc","scope":"{long}"}}"#)),
        ("a list of scopes", format!(r#"{{"access_token":"abc","scope":[{names}"b"]}}"#)),
        ("a description", format!(r#"{{"error":"x","error_description":"{long}"}}"#)),
        ("a code", format!(r#"{{"error":"{long}"}}"#)),
        ("a token type", format!(r#"{{"access_token":"abc","token_type":"{long}"}}"#)),
        ("a token", format!(r#"{{"access_token":"{long}","token_type":"mac"}}"#)),
        (
            "other members",
            format!(r#"{{{}"access_token":"abc"}}"#, filled(|n| format!("\"x{n}\":{{}},"))),
        ),
        ("a message", format!(r#"{{"message":"{long}"}}"#)),
        ("messages", format!(r#"{{{}"x":1}}"#, filled(|_| "\"message\":{},".into()))),
        ("a page", format!("<p>{long}")),
        ("not JSON", long.clone()),
    ] {
        let (outcome, most) = run(&document(""), &answer.into());
        assert!(most < 5 * MIB, "{what}: {most} bytes");
        assert!(outcome.events.lines().all(|line| line.len() < 1500), "{what}");
        match outcome.result {
            Ok(token) => assert!(token.scope().is_none_or(|it| it.len() < 20_000), "{what}"),
            Err(error) => assert!(format!("{error:?}").len() < 1500, "{what}: {error}"),
        }
    }
}
