//! `--thorough`, and the limits of every run.

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tower_oauth2_client_credentials::testing::{
    AuthorizationServer, DpopVerifier, MockResponse, ProtectedApi, RegisteredClient,
};

use crate::support::{
    ID, PLAIN_SECRET, Run, SECRET, VARIABLE, doctor, doctor_with, server, with_secret,
};

async fn thorough(server: &[&str], secret: &str) -> Run {
    let arguments = with_secret(&[server, &["--thorough", "--json"]].concat());
    doctor_with(&arguments, &[(VARIABLE, secret)]).await
}

/// The report for a person.
async fn thorough_text(issuer: &str) -> String {
    let arguments = with_secret(&["--issuer", issuer, "--thorough"]);
    doctor_with(&arguments, &[(VARIABLE, PLAIN_SECRET)]).await.stdout
}

fn client(secret: &str) -> RegisteredClient {
    RegisteredClient::new(ID).secret(secret)
}

fn texts(report: &Value, level: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let of_level = findings.filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn by_default_one_token_request_is_sent_whatever_the_answer() {
    let (idp, listening) = server(SECRET).await;
    let url = listening.token_url();
    let answers = [
        MockResponse::Issue,
        MockResponse::Status(503),
        MockResponse::Status(400),
        MockResponse::CloseConnection,
        MockResponse::OAuthError { status: 400, code: "temporarily_unavailable" },
        MockResponse::OAuthError { status: 400, code: "use_dpop_nonce" },
    ];
    for (sent, answer) in (1..).zip(answers) {
        idp.script([answer]);
        doctor(&with_secret(&["--token-url", &url])).await;
        assert_eq!(idp.token_requests(), sent);
    }
}

#[tokio::test]
async fn it_warns_first_and_sends_at_most_8_token_requests() {
    let verifier = DpopVerifier::new(|_, _| Some("thumbprint".to_owned()));
    verifier.require_nonce(true);
    let idp = AuthorizationServer::builder().client(client(PLAIN_SECRET)).dpop(verifier).build();
    let listening = idp.listen().await.unwrap();
    let url = listening.token_url();
    let run = thorough(&["--token-url", &url, "--dpop"], PLAIN_SECRET).await;
    assert!(run.stderr.contains("warning: --thorough sends up to 8 token requests"));
    assert!(run.stderr.contains("Failed logins may lock the account"), "{}", run.stderr);
    // Each source learns the nonce again, so each method costs two.
    assert_eq!(idp.token_requests(), 8);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(run.json()["requests"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn it_tells_what_a_second_token_does_and_whether_dpop_and_other_methods_work() {
    for (single, same) in [(false, false), (true, false), (false, true)] {
        let builder = AuthorizationServer::builder().client(client(PLAIN_SECRET));
        let idp = builder.single_token(single).same_token(same).build();
        let listening = idp.listen().await.unwrap();
        let api = ProtectedApi::new(&idp).listen().await.unwrap();
        let (issuer, url) = (listening.issuer(), api.url());
        let run = thorough(&["--issuer", &issuer, "--api", &url], PLAIN_SECRET).await;
        let report = run.json();
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert_eq!(report["token"]["same_on_second_request"], same);
        let ended = &report["token"]["second_ends_first"];
        assert_eq!(*ended, if same { Value::Null } else { single.into() });
        let warned = texts(&report, "warning").iter().any(|it| it.contains("give each instance"));
        assert_eq!(warned, single);
        assert_eq!(report["dpop"]["works"], false);
        assert_eq!(report["other_methods"]["client_secret_post"], true);
        assert_eq!(report["client_authentication"]["basic_is_decoded"], true);
        assert_eq!(idp.token_requests(), 5);
    }
}

/// No login fails for nothing.
#[tokio::test]
async fn a_run_whose_first_method_works_has_no_failed_login() {
    let (idp, listening) = server(SECRET).await;
    let run = thorough(&["--issuer", &listening.issuer()], SECRET).await;
    let report = run.json();
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(report["client_authentication"]["basic_is_decoded"], true);
    let requests = report["requests"].as_array().unwrap();
    assert!(requests.iter().all(|request| request["status"] == 200), "{requests:?}");
    assert_eq!(idp.token_requests(), 4);
}

#[tokio::test]
async fn it_finds_that_basic_is_not_decoded() {
    let build =
        |secret| AuthorizationServer::builder().client(client(secret)).raw_basic(true).build();
    // With characters that encoding changes, the first request fails.
    let idp = build(SECRET);
    let listening = idp.listen().await.unwrap();
    let run = thorough(&["--issuer", &listening.issuer()], SECRET).await;
    let report = run.json();
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(report["rust"].as_str().unwrap().contains(".client_secret_basic_raw("));
    assert_eq!(report["environment"]["OAUTH_AUTH_METHOD"], "client_secret_basic_raw");
    assert_eq!(report["client_authentication"]["basic_is_decoded"], false);
    let warning = texts(&report, "warning");
    let expected = "refuses client_secret_basic and accepts client_secret_basic_raw";
    assert!(warning.iter().any(|it| it.contains(expected)), "{warning:?}");
    // With other characters, an extra request tells.
    let idp = build(PLAIN_SECRET);
    let listening = idp.listen().await.unwrap();
    let run = thorough(&["--issuer", &listening.issuer()], PLAIN_SECRET).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    let report = run.json();
    assert!(report["rust"].as_str().unwrap().contains(".client_secret_basic("));
    assert_eq!(report["client_authentication"]["basic_is_decoded"], false);
}

#[tokio::test]
async fn it_finds_a_method_that_works() {
    let (idp, listening) = server(PLAIN_SECRET).await;
    idp.on_request(|request| match request.header("authorization") {
        Some(_) => MockResponse::OAuthError { status: 401, code: "invalid_client" },
        None => MockResponse::Issue,
    });
    let run = thorough(&["--issuer", &listening.issuer()], PLAIN_SECRET).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    let report = run.json();
    assert!(report["rust"].as_str().unwrap().contains(".client_secret_post("));
    assert!(texts(&report, "problem").is_empty(), "{}", run.stdout);
    let line = thorough_text(&listening.issuer()).await;
    assert!(
        line.contains("\n  client_secret_post "),
        "the name is a value of --auth-method: {line}"
    );
    assert_eq!(report["client_authentication"]["accepted"], false, "the first method");
    assert_eq!(report["token"]["type"], "Bearer");
}

#[tokio::test]
async fn it_finds_that_dpop_is_required() {
    let verifier = DpopVerifier::new(|_, _| Some("thumbprint".to_owned()));
    let idp = AuthorizationServer::builder().client(client(PLAIN_SECRET)).dpop(verifier).build();
    let listening = idp.listen().await.unwrap();
    let issuer = listening.issuer();
    let run = doctor(&with_secret(&["--issuer", &issuer])).await;
    assert_ne!(run.code, 0);
    let run = doctor_with(&with_secret(&["--issuer", &issuer]), &[(VARIABLE, PLAIN_SECRET)]).await;
    let problem = run.problem(1);
    assert!(problem.contains("the server wants DPoP: run again with --dpop"), "{problem}");
    let run = thorough(&["--issuer", &issuer], PLAIN_SECRET).await;
    let report = run.json();
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(
        (&report["dpop"]["required"], &report["dpop"]["bound"]),
        (&true.into(), &true.into())
    );
    assert!(report["rust"].as_str().unwrap().contains(".dpop(DpopKey::generate())"));
}

/// As oidc-provider does.
#[tokio::test]
async fn it_tries_dpop_if_the_server_offers_it_and_refuses_without_a_reason() {
    let verifier = DpopVerifier::new(|_, _| Some("thumbprint".to_owned()));
    let idp = AuthorizationServer::builder().client(client(PLAIN_SECRET)).dpop(verifier).build();
    idp.set_metadata("dpop_signing_alg_values_supported", "[\"ES256\"]");
    idp.on_request(|request| match request.header("dpop") {
        Some(_) => MockResponse::Issue,
        None => MockResponse::OAuthError { status: 400, code: "invalid_grant" },
    });
    let listening = idp.listen().await.unwrap();
    let issuer = listening.issuer();
    let run = doctor_with(&with_secret(&["--issuer", &issuer]), &[(VARIABLE, PLAIN_SECRET)]).await;
    let problem = run.problem(1);
    assert!(problem.contains("the server offers DPoP"), "{problem}");
    assert!(problem.ends_with("run again with --dpop"), "{problem}");
    let run = thorough(&["--issuer", &issuer], PLAIN_SECRET).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(run.json()["dpop"]["required"], true);
}

#[tokio::test]
async fn two_failed_logins_end_a_run() {
    for answer in [
        MockResponse::OAuthError { status: 401, code: "invalid_client" },
        MockResponse::OAuthError { status: 400, code: "invalid_client" },
        MockResponse::Status(401),
        MockResponse::OAuthError { status: 401, code: "unauthorized" },
        MockResponse::OAuthError { status: 400, code: "invalid_grant" },
        MockResponse::OAuthError { status: 400, code: "invalid_request" },
    ] {
        let (idp, listening) = server(SECRET).await;
        idp.always(answer);
        let run = thorough(&["--issuer", &listening.issuer()], SECRET).await;
        assert_eq!(run.code, 1, "{}", run.stdout);
        assert_eq!(idp.token_requests(), 2);
        let notes = texts(&run.json(), "note");
        assert!(notes.iter().any(|it| it.contains("two logins failed")), "{notes:?}");
    }
}

#[tokio::test]
async fn a_429_a_403_and_a_retry_after_end_a_run() {
    let with_pause = Response::builder().header("retry-after", "7").status(400);
    let with_pause = with_pause.body(Bytes::from_static(b"{\"error\":\"invalid_scope\"}")).unwrap();
    for (answer, expected) in [
        (MockResponse::Status(429), "the server throttles (429); wait before"),
        (MockResponse::StatusRetryAfter(429, 9), "run again in 9 s"),
        (MockResponse::StatusRetryAfter(503, 8), "run again in 8 s"),
        (MockResponse::Raw(with_pause), "run again in 7 s"),
        (MockResponse::Status(403), "check limits, firewall and allow-lists"),
        (MockResponse::OAuthError { status: 403, code: "invalid_client" }, "(403)"),
    ] {
        let (idp, listening) = server(SECRET).await;
        idp.script([answer.clone()]);
        let run = thorough(&["--issuer", &listening.issuer()], SECRET).await;
        let problems = texts(&run.json(), "problem");
        assert_eq!(run.code, 6, "{}", run.stdout);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
        assert_eq!(idp.token_requests(), 1);
        // Also later in a run.
        idp.script([MockResponse::Issue, answer]);
        let run = thorough(&["--issuer", &listening.issuer()], SECRET).await;
        assert_eq!((run.code, idp.token_requests()), (6, 3), "{}", run.stdout);
    }
    // Before the first token request too.
    let (idp, listening) = server(SECRET).await;
    idp.script_metadata([MockResponse::StatusRetryAfter(503, 5)]);
    let run = thorough(&["--issuer", &listening.issuer()], SECRET).await;
    assert_eq!((run.code, idp.token_requests()), (6, 0), "{}", run.stdout);
}

#[tokio::test]
async fn a_403_of_the_api_ends_a_run() {
    let (idp, listening) = server(SECRET).await;
    let api = ProtectedApi::new(&idp);
    api.respond_with(|_| Some(Response::builder().status(403).body(Bytes::new()).unwrap()));
    let api_server = api.listen().await.unwrap();
    let run =
        thorough(&["--issuer", &listening.issuer(), "--api", &api_server.url()], SECRET).await;
    assert_eq!(run.code, 5, "{}", run.stdout);
    assert_eq!((idp.token_requests(), api.requests()), (1, 1));
}

/// A short secret that is part of a code does not hide the code.
#[tokio::test]
async fn two_failed_logins_end_a_run_with_a_short_secret() {
    for secret in ["client", "nt", "a"] {
        let (idp, listening) = server(SECRET).await;
        idp.always(MockResponse::OAuthError { status: 400, code: "invalid_client" });
        let run = thorough(&["--token-url", &listening.token_url()], secret).await;
        assert_eq!((run.code, idp.token_requests()), (1, 2), "{}", run.stdout);
    }
}

#[tokio::test]
async fn other_methods_are_not_tried_if_they_cannot_help() {
    let page = Response::builder().header("content-type", "text/html");
    let page = page.body(Bytes::from_static(b"<html>Sign in</html>")).unwrap();
    let moved = Response::builder().status(302).header("location", "https://a.example/");
    for answer in [
        MockResponse::Raw(page),
        MockResponse::Raw(moved.body(Bytes::new()).unwrap()),
        MockResponse::Status(500),
        MockResponse::OAuthError { status: 400, code: "invalid_scope" },
    ] {
        let (idp, listening) = server(PLAIN_SECRET).await;
        idp.always(answer);
        let run = thorough(&["--token-url", &listening.token_url()], PLAIN_SECRET).await;
        assert_eq!((run.code, idp.token_requests()), (1, 1), "{}", run.stdout);
    }
}

#[tokio::test]
async fn a_refused_second_token_is_reported() {
    let (idp, listening) = server(PLAIN_SECRET).await;
    let refusal = MockResponse::OAuthError { status: 400, code: "invalid_scope" };
    idp.script([MockResponse::Issue, refusal]);
    let run = thorough(&["--token-url", &listening.token_url()], PLAIN_SECRET).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    let warnings = texts(&run.json(), "warning");
    assert!(warnings[0].contains("the server refuses a second token: "), "{warnings:?}");
    assert!(warnings[0].contains("invalid_scope"), "{warnings:?}");
}

#[tokio::test]
async fn checks_that_a_403_or_429_of_the_api_prevents_are_named() {
    for (status, code) in [(403, 5), (429, 6)] {
        let (idp, listening) = server(PLAIN_SECRET).await;
        let api = ProtectedApi::new(&idp);
        api.respond_with(move |_| Response::builder().status(status).body(Bytes::new()).ok());
        let api = api.listen().await.unwrap();
        let (url, api) = (listening.token_url(), api.url());
        let run = thorough(&["--token-url", &url, "--api", &api], PLAIN_SECRET).await;
        assert_eq!(run.code, code, "{}", run.stdout);
        let notes = texts(&run.json(), "note");
        assert!(notes.iter().any(|it| it.contains("the other checks were left out")), "{notes:?}");
    }
}
