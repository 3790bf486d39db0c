//! The output of oauth-doctor.

use std::{process::Stdio, time::Duration};

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tokio::process::Command;
use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockResponse, ProtectedApi};

use crate::{
    capture::{Shown, canary, plain_canary},
    encodings::{encodings, form},
    journey::ID,
    peer::echoing,
};

const VARIABLE: &str = "CANARY_SECRET";

/// Runs the program, and keeps its output. `RUST_LOG` has no effect on it, and is set to prove that.
async fn run(shown: &Shown, secret: &str, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_oauth-doctor"))
        .args(["--client-id", ID, "--secret-env", VARIABLE])
        .args(arguments)
        .env_clear()
        // Windows needs it for sockets.
        .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
        .env(VARIABLE, secret)
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), output);
    let output = output.await.expect("the program hangs").expect("the program starts");
    let text = [output.stdout, output.stderr].concat();
    assert!(text.len() > 20, "the program printed nothing");
    shown.text(&String::from_utf8_lossy(&text));
}

#[tokio::test]
async fn the_doctor_shows_no_secret_in_any_encoding() {
    let (shown, secret) = (Shown::new(), canary("secret of the doctor"));
    shown.secret("secret of the doctor", ID, &secret);
    let token = plain_canary("token of the doctor");
    shown.secret("token of the doctor", ID, &token);
    let idp = AuthorizationServer::new();
    let server = idp.listen().await.unwrap();
    let issuer = server.issuer();
    // Each encoding, in each format, from a server that repeats it with the request.
    for (nth, encoded) in encodings(ID, &secret).into_iter().enumerate() {
        idp.on_request(move |request| {
            let field = request.header("authorization").unwrap_or_default();
            let body = String::from_utf8_lossy(&request.body);
            let said = format!("{encoded} {field} {body}");
            let body = json!({"error": "invalid_client", "error_description": said});
            let response = Response::builder().status(401).header("content-type", "text/plain");
            MockResponse::Raw(response.body(Bytes::from(body.to_string())).unwrap())
        });
        let method = ["client_secret_basic", "client_secret_post"][nth % 2];
        let format: &[&str] = if nth % 3 == 0 { &["--json"] } else { &[] };
        let arguments = ["--issuer", &issuer, "--auth-method", method];
        run(&shown, &secret, &[&arguments[..], format].concat()).await;
    }
    // A token, which the API repeats.
    let issued = token.clone();
    idp.on_request(move |_| MockResponse::Token(issued.clone()));
    let api = ProtectedApi::new(&idp);
    api.respond_with(|request| {
        let token = request.header("authorization")?.to_owned();
        let challenge = format!("Bearer error=\"{token}\"");
        let response = Response::builder().status(401).header("www-authenticate", challenge);
        response.body(Bytes::from(token)).ok()
    });
    let api_server = api.listen().await.unwrap();
    let url = api_server.url();
    for format in [&[][..], &["--json"], &["--thorough"]] {
        let arguments = ["--issuer", &issuer, "--api", &url];
        run(&shown, &secret, &[&arguments[..], format].concat()).await;
    }
    assert!(api.requests() >= 3);
    shown.contains("invalid_client");
    shown.check();
}

#[tokio::test]
async fn the_doctor_shows_no_password_of_a_url() {
    let (shown, password) = (Shown::new(), canary("password for the doctor"));
    shown.secret("password for the doctor", "user", &password);
    let encoded = form(&password, "%20", true);
    let proxy = echoing(|got| format!("HTTP/1.1 407 {got}\r\n\r\n{got}")).await;
    let secret = plain_canary("secret behind a proxy");
    shown.secret("secret behind a proxy", ID, &secret);
    for arguments in [
        [
            "--token-url",
            "https://idp.test/token",
            "--proxy",
            &format!("http://user:{encoded}@{proxy}"),
        ],
        [
            "--token-url",
            "https://idp.test/token",
            "--proxy",
            &format!("ftp://user:{encoded}@{proxy}"),
        ],
        ["--token-url", &format!("https://user:{encoded}@127.0.0.1:1/"), "--timeout", "1"],
        ["--issuer", &format!("https://user:{encoded}@127.0.0.1:1/"), "--timeout", "1"],
    ] {
        run(&shown, &secret, &arguments).await;
    }
    shown.check();
}
