//! Assertions from a file or a closure.

use std::{
    collections::VecDeque,
    error::Error as _,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, ErrorKind, TokenSource as _,
    event::EventKind,
    testing::{AuthorizationServer, MockResponse},
};

use super::support::{JWT_BEARER, Stage, traced};

struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("toacc-{}-{name}", std::process::id())))
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A JWT of a third party.
fn jwt(number: u32, expires_at: Option<u64>) -> String {
    let mut claims = json!({"sub": "system:serviceaccount:prod:biller", "n": number});
    if let Some(expires_at) = expires_at {
        claims["exp"] = expires_at.into();
    }
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({"alg": "RS256"}));
    format!("{header}.{}.{}", encode(claims), URL_SAFE_NO_PAD.encode([7; 256]))
}

/// Any assertion is accepted here.
fn stage() -> Stage {
    let stage = Stage::new(vec![]);
    Stage { idp: AuthorizationServer::new(), ..stage }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_and_trimmed() {
    let file = TempFile::new("projected-token");
    let stage = stage();
    let source = stage.client().client_assertion_file("me", &file.0).build().unwrap();
    let assertions = [jwt(1, None), jwt(2, None)];
    for assertion in &assertions {
        file.write(&format!(" {assertion}\r\n"));
        source.acquire(stage.acquire()).await.unwrap();
    }
    assert_eq!(stage.sent("client_assertion"), assertions.map(Some));
    assert_eq!(stage.sent("client_assertion_type"), vec![Some(JWT_BEARER.to_owned()); 2]);
    assert_eq!(stage.sent("client_id"), vec![Some("me".to_owned()); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_torn_empty_or_missing_file_is_bridged_until_the_last_good_one_expires() {
    let file = TempFile::new("torn-token");
    let stage = stage();
    let good = jwt(1, Some(stage.clock.seconds() + 100));
    let source = stage.client().client_assertion_file("me", &file.0).build().unwrap();

    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("torn-token"), "{error}");

    file.write(&good);
    source.acquire(stage.acquire()).await.unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let torn = [
        String::new(),
        " \n".into(),
        good[..20].into(),
        head.into(),
        format!("{head}."),
        format!("{head}.{}", &signature[..signature.len() - 4]),
        format!("{head}.{}", &signature[..100]),
        good.replacen('.', "", 1),
        format!("{good}.x"),
    ];
    for torn in &torn {
        file.write(torn);
        source.acquire(stage.acquire()).await.unwrap();
    }
    fs::remove_file(&file.0).unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    let sent = stage.sent("client_assertion");
    assert_eq!(sent, vec![Some(good.clone()); torn.len() + 2]);
    assert!(traced().contains("is used again"), "{}", traced());

    tokio::time::advance(Duration::from_secs(101)).await;
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.source().is_some() && error.is_retryable());
    assert_eq!(stage.sent("client_assertion").len(), sent.len());
    let shown = format!("{source:?} {error:?} {} {:?}", traced(), stage.events);
    for part in good.split('.').chain([head]) {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_good_assertion_is_sent_up_to_the_second_before_its_exp() {
    let file = TempFile::new("bridged-token");
    let stage = stage();
    file.write(&jwt(1, Some(stage.clock.seconds() + 100)));
    let source = stage.client().client_assertion_file("me", &file.0).attempts(1).build().unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    fs::remove_file(&file.0).unwrap();
    tokio::time::advance(Duration::from_secs(99)).await;
    source.acquire(stage.acquire()).await.unwrap();
    let kept: Vec<_> = std::mem::take(&mut *stage.events.lock().unwrap());
    let [EventKind::StaleCredentialUsed { from, error, .. }] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(*from, file.0.display().to_string());
    assert!(error.to_string().contains("bridged-token"), "{error}");
    tokio::time::advance(Duration::from_secs(1)).await;
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(stage.sent("client_assertion").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_is_not_part_of_an_assertion() {
    let file = TempFile::new("marked-token");
    let stage = stage();
    let assertion = jwt(1, None);
    file.write(&format!("\u{feff}{assertion}\n"));
    let from_file = stage.client().client_assertion_file("me", &file.0);
    let marked = format!("\u{feff}{assertion}");
    let from_closure =
        stage.client().client_assertion_fn(None, move || std::future::ready(Ok(marked.clone())));
    for builder in [from_file, from_closure] {
        builder.build().unwrap().acquire(stage.acquire()).await.unwrap();
    }
    assert_eq!(stage.sent("client_assertion"), vec![Some(assertion); 2]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_assertion_is_for_the_server_to_judge() {
    let file = TempFile::new("expired-token");
    let stage = stage();
    let expired = jwt(1, Some(stage.clock.seconds() - 10));
    file.write(&expired);
    let source = stage.client().client_assertion_file("me", &file.0).build().unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    assert_eq!(stage.sent("client_assertion"), [Some(expired)]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_called_for_each_attempt() {
    let stage = stage();
    let svids = [jwt(1, None), jwt(2, None)];
    let next = Arc::new(Mutex::new(VecDeque::from(svids.clone())));
    let source = stage
        .client()
        .client_assertion_fn(None, move || {
            let next = Arc::clone(&next);
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                next.lock().unwrap().pop_front().ok_or_else(|| BoxError::from("no agent"))
            }
        })
        .client_assertion_type("urn:ietf:params:oauth:client-assertion-type:jwt-spiffe")
        .build()
        .unwrap();
    stage.idp.script([MockResponse::Status(503)]);
    source.acquire(stage.acquire()).await.unwrap();
    assert_eq!(stage.sent("client_assertion"), svids.clone().map(Some));
    assert_eq!(stage.sent("client_id"), [None, None]);
    assert!(stage.sent("client_assertion_type")[0].as_ref().unwrap().ends_with(":jwt-spiffe"));
    // The closure fails, and the last assertion has no `exp`.
    source.acquire(stage.acquire()).await.unwrap();
    assert_eq!(stage.sent("client_assertion")[2].as_ref(), Some(&svids[1]));
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_hangs_is_bounded_by_the_attempt() {
    let stage = stage();
    let source = stage
        .client()
        .client_assertion_fn(Some("me"), std::future::pending::<Result<String, BoxError>>)
        .attempts(1)
        .build()
        .unwrap();
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AcquisitionTimeout);
    assert_eq!(stage.idp.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_is_not_a_jwt_is_sent_unchecked() {
    let stage = stage();
    let source = stage
        .client()
        .client_assertion_fn(Some("me"), || async { Ok(" PHNhbWw+ ".to_owned()) })
        .client_assertion_type("urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
        .build()
        .unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    assert_eq!(stage.sent("client_assertion"), [Some("PHNhbWw+".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_echoes_the_assertion_does_not_get_it_into_a_log() {
    let stage = stage();
    let svid = jwt(1, None);
    stage.idp.on_request(|request| {
        let assertion = request.form_value("client_assertion").unwrap().to_owned();
        let body = json!({"error": assertion, "error_description": assertion}).to_string();
        MockResponse::Raw(Response::builder().status(400).body(Bytes::from(body)).unwrap())
    });
    let provided = svid.clone();
    let source = stage
        .client()
        .client_assertion_fn(Some("me"), move || std::future::ready(Ok(provided.clone())))
        .build()
        .unwrap();
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    let shown = format!("{source:?} {error} {error:?}");
    assert!(shown.contains("repeats part of a secret"), "{shown}");
    // Messages are truncated, so the test searches for the beginning of each part.
    for part in svid.split('.') {
        assert!(!shown.contains(&part[..10]), "{shown}");
    }
}

#[test]
fn an_empty_client_id_is_a_config_error() {
    let builder = || ClientCredentials::builder("https://idp.test/token");
    for builder in [
        builder().client_assertion_file("", "/run/token"),
        builder().client_assertion_fn(Some(""), || async { Ok(String::new()) }),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Config);
    }
}
