//! Each mistake gives one line that says what to do.

use bytes::Bytes;
use http::{Response, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockResponse, ProtectedApi};

use crate::support::{
    Authority, PLAIN_SECRET, SECRET, TempFile, VARIABLE, doctor, doctor_with, server, with_secret,
};

fn page(status: u16) -> MockResponse {
    let page = "<!doctype html><title>Sign in</title>";
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/html");
    MockResponse::Raw(response.body(Bytes::from_static(page.as_bytes())).unwrap())
}

#[tokio::test]
async fn an_answer_that_is_too_large() {
    let (idp, listening) = server(SECRET).await;
    let body = Bytes::from(vec![b' '; 2 * 1024 * 1024]);
    idp.always(MockResponse::Raw(Response::new(body)));
    let url = listening.token_url();
    let problem = doctor(&with_secret(&["--token-url", &url])).await.problem(1);
    assert!(problem.contains("the answer is larger than 1 MiB"), "{problem}");
    assert!(!problem.contains("--proxy"), "{problem}");
}

#[tokio::test]
async fn plain_http() {
    let url = "http://idp.example.com/token";
    let problem = doctor(&with_secret(&["--token-url", url])).await.problem(2);
    assert!(problem.ends_with("or add --allow-plain-http"), "{problem}");
}

#[tokio::test]
async fn an_unreachable_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    drop(listener);
    let run = doctor(&with_secret(&["--token-url", &url])).await;
    let problem = run.problem(3);
    assert!(problem.contains("the connection was refused"), "{problem}");
    assert!(problem.contains("check the port, and that the server is running"), "{problem}");
    let url = url.replace("/token", "");
    let problem = doctor(&with_secret(&["--issuer", &url])).await.problem(3);
    assert!(problem.contains("the connection was refused"), "{problem}");
}

#[tokio::test]
async fn a_host_that_does_not_answer() {
    let (idp, listening) = server(SECRET).await;
    idp.always(MockResponse::Hang);
    let url = listening.token_url();
    let run = doctor(&with_secret(&["--token-url", &url, "--timeout", "1"])).await;
    let problem = run.problem(3);
    let expected = "did not answer within 1 s; check firewalls, or raise --timeout";
    assert!(problem.contains(expected), "{problem}");
    assert!(!problem.contains("pause"), "{problem}");
    assert!(run.stdout.contains("no answer  http://"), "{}", run.stdout);
}

#[tokio::test]
async fn a_wrong_issuer() {
    let (idp, listening) = server(SECRET).await;
    let issuer = listening.issuer();
    let problem = doctor(&with_secret(&["--issuer", &(issuer.clone() + "/")])).await.problem(4);
    assert!(problem.contains("they differ in a slash at the end"), "{problem}");
    assert!(problem.contains(&format!("run again with --issuer {issuer}")), "{problem}");
    idp.set_metadata("issuer", "\"https://other.example.com\"");
    // In the usual case the other place has no document.
    idp.serve_metadata(tower_oauth2_client_credentials::testing::WellKnown::OAuth);
    let run = doctor(&with_secret(&["--issuer", &issuer])).await;
    let problem = run.problem(4);
    assert!(problem.contains("run again with --issuer https://other.example.com"), "{problem}");
    assert!(!problem.contains("(HTTP"), "{problem}");
    assert_eq!(idp.token_requests(), 0);
    assert!(!run.stdout.contains("Environment"), "there are no lines to use");
}

#[tokio::test]
async fn a_server_without_metadata() {
    let (idp, listening) = server(SECRET).await;
    idp.serve_metadata(tower_oauth2_client_credentials::testing::WellKnown::None);
    let problem = doctor(&with_secret(&["--issuer", &listening.issuer()])).await.problem(4);
    assert!(problem.contains("check --issuer, or give --token-url"), "{problem}");
}

#[tokio::test]
async fn a_login_page() {
    let (idp, listening) = server(SECRET).await;
    let url = listening.token_url();
    idp.always(page(200));
    let problem = doctor(&with_secret(&["--token-url", &url])).await.problem(1);
    assert!(problem.contains("HTML page, such as a login page"), "{problem}");
    assert!(problem.contains("check the URL in a browser"), "{problem}");
    let moved = Response::builder().status(302).header("location", "https://sso.example.com/?k=1");
    idp.always(MockResponse::Raw(moved.body(Bytes::new()).unwrap()));
    let problem = doctor(&with_secret(&["--token-url", &url])).await.problem(1);
    assert!(problem.contains("it redirects to https://sso.example.com/;"), "{problem}");
    idp.script_metadata([page(200), page(200)]);
    let problem = doctor(&with_secret(&["--issuer", &listening.issuer()])).await.problem(4);
    assert!(problem.contains("HTML page, such as a login page"), "{problem}");
}

#[tokio::test]
async fn a_wrong_secret() {
    let (idp, listening) = server("another secret").await;
    let issuer = listening.issuer();
    let arguments = with_secret(&["--issuer", &issuer]);
    let problem = doctor(&arguments).await.problem(1);
    assert!(problem.contains("does not accept these credentials"), "{problem}");
    assert_eq!(problem.matches("check ").count(), 1, "{problem}");
    assert!(problem.contains("try --auth-method client_secret_basic_raw"), "{problem}");
    assert_eq!(idp.token_requests(), 1);
    let run = doctor_with(&arguments, &[(VARIABLE, &format!("'{PLAIN_SECRET}'"))]).await;
    let problem = run.problem(1);
    assert!(problem.contains("the secret has quotes or white space around it"), "{problem}");
    let run = doctor_with(&arguments, &[(VARIABLE, PLAIN_SECRET)]).await;
    let problem = run.problem(1);
    assert!(problem.contains("try --auth-method client_secret_post"), "{problem}");
}

#[tokio::test]
async fn a_missing_secret() {
    let arguments = with_secret(&["--token-url", "http://127.0.0.1:9/token"]);
    for (variables, expected) in [
        (&[][..], "--secret-env: the variable BILLING_SECRET is not set; export it"),
        (&[(VARIABLE, " ")], "the client secret is empty; check the file or variable"),
    ] {
        let run = doctor_with(&arguments, variables).await;
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    let run = doctor(&["--token-url", "http://127.0.0.1:9/token", "--client-id", "a"]).await;
    assert!(run.code == 2 && run.stderr.contains("no credential: give --secret-env"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_that_is_not_utf_8() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_oauth-doctor"));
    command.args(with_secret(&["--token-url", "http://127.0.0.1:9/token"]));
    let output = command.env(VARIABLE, OsStr::from_bytes(b"\xff\xfe")).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the variable BILLING_SECRET is not UTF-8"), "{text}");
}

#[tokio::test]
async fn an_expired_certificate() {
    let authority = Authority::new();
    let idp = AuthorizationServer::new();
    let listening = idp.listen_tls(authority.tls(true)).await.unwrap();
    let ca = ["--ca-file", authority.pem.path()];
    for server in [["--token-url", &listening.token_url()], ["--issuer", &listening.issuer()]] {
        let problem = doctor(&with_secret(&[&server[..], &ca].concat())).await.problem(3);
        assert!(problem.contains("the server's certificate has expired"), "{problem}");
        assert!(problem.contains("renew it, or correct this machine's clock"), "{problem}");
    }
}

#[tokio::test]
async fn a_private_ca() {
    let (authority, other) = (Authority::new(), Authority::new());
    let idp = AuthorizationServer::new();
    let listening = idp.listen_tls(authority.tls(false)).await.unwrap();
    let url = listening.token_url();
    // The platform's root certificates.
    let variables = [(VARIABLE, SECRET), ("SSL_CERT_FILE", other.pem.path())];
    let run = doctor_with(&with_secret(&["--token-url", &url]), &variables).await;
    let problem = run.problem(3);
    assert!(problem.contains("from an unknown authority"), "{problem}");
    assert!(problem.contains("the setting ca_file; for this program: --ca-file FILE"), "{problem}");
    assert_eq!(idp.token_requests(), 0);
    let ca = ["--token-url", &url, "--ca-file", authority.pem.path(), "--json"];
    let run = doctor(&with_secret(&ca)).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(run.json()["environment"]["OAUTH_CA_FILE"], authority.pem.path());
}

/// A proxy that refuses every tunnel.
async fn refusing_proxy(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    let ca = Authority::new();
    let arguments = with_secret(&["--token-url", "https://idp.example.com/token"]);
    let arguments = [&arguments[..], &["--ca-file", ca.pem.path()]].concat();
    for (status, advice) in [
        ("403 Forbidden", "have the host allowed there, or list it in NO_PROXY"),
        (
            "407 Proxy Authentication Required",
            "it does not accept the user and password in its URL; check them",
        ),
    ] {
        let proxy = refusing_proxy(status).await;
        let url = format!("http://user:canary-of-proxy@{proxy}");
        let variables = [(VARIABLE, SECRET), ("HTTPS_PROXY", &url)];
        let run = doctor_with(&arguments, &variables).await;
        let problem = run.problem(3);
        assert!(problem.contains(&format!("the proxy http://{proxy}")), "{problem}");
        assert!(problem.contains(advice), "{problem}");
        assert!(run.stdout.contains(&format!("http://{proxy} (from the environment)")));
        let run = doctor(&[&arguments[..], &["--proxy", &url]].concat()).await;
        let problem = run.problem(3);
        assert!(problem.contains(advice), "{problem}");
        assert!(!run.stdout.contains("canary"), "{}", run.stdout);
    }
}

#[tokio::test]
async fn a_proxy_that_answers_itself() {
    let (idp, listening) = server(SECRET).await;
    let blocked = |status: u16| {
        let page = "<html>Access denied</html>";
        let response = Response::builder().status(status).header("via", "1.1 squid");
        MockResponse::Raw(response.body(Bytes::from_static(page.as_bytes())).unwrap())
    };
    let url = listening.token_url();
    let arguments = with_secret(&["--token-url", &url]);
    idp.always(blocked(502));
    let run = doctor(&arguments).await;
    let problem = run.problem(1);
    assert!(problem.contains("an HTML page of a proxy (it has the field via)"), "{problem}");
    assert!(
        problem.contains("have the proxy allow this host, or list it in NO_PROXY"),
        "{problem}"
    );
    assert!(run.findings("note")[0].starts_with("a proxy or cache is in between"));
    idp.always(blocked(403));
    let problem = doctor(&arguments).await.problem(6);
    assert!(problem.contains("the server blocks the request (403)"), "{problem}");
}

#[tokio::test]
async fn an_api_that_refuses_a_fresh_token() {
    let (idp, listening) = server(SECRET).await;
    let api = ProtectedApi::new(&idp);
    let api_server = api.listen().await.unwrap();
    let (issuer, url) = (listening.issuer(), api_server.url());
    let arguments = with_secret(&["--issuer", &issuer, "--api", &url]);
    api.always_reject(true);
    let run = doctor(&arguments).await;
    let problem = run.problem(5);
    assert!(problem.contains("rejects a token that was just issued"), "{problem}");
    assert!(problem.contains("Bearer error=\"invalid_token\""), "{problem}");
    assert!(problem.contains("check that issuer, audience and scope"), "{problem}");
    assert_eq!((idp.token_requests(), api.requests()), (1, 1), "nothing is replayed");
    api.respond_with(|_| Some(Response::builder().status(403).body(Bytes::new()).unwrap()));
    let problem = doctor(&arguments).await.problem(5);
    assert!(problem.contains("check the scope and the rights"), "{problem}");
    let run = doctor(
        &[&arguments[..4], &["--issuer", &issuer, "--api", "http://api.example.com"]].concat(),
    )
    .await;
    assert!(run.problem(2).contains("--api: it is not a URL with https"));
}

#[tokio::test]
async fn a_key_or_file_that_cannot_be_used() {
    let garbage = TempFile::new("key.pem", "canary of a key");
    let (blank, binary) = (TempFile::new("blank", " \n"), TempFile::new("binary", b"\xff\xfe"));
    let url = ["--token-url", "http://127.0.0.1:9/token", "--client-id", "a"];
    for (option, path, expected) in [
        ("--key-file", garbage.path(), "--key-file: "),
        ("--cert", garbage.path(), "give PEM files with the certificate and its key"),
        ("--assertion-file", blank.path(), "is empty; write the assertion to it"),
        ("--assertion-file", garbage.path(), "write only the assertion to it"),
        ("--secret-file", binary.path(), "is not UTF-8"),
        ("--secret-file", "no-such-file", "--secret-file: no-such-file cannot be read"),
        ("--assertion-file", "no-such-file", "check path and permissions"),
    ] {
        let run = doctor(&[&url[..], &[option, path]].concat()).await;
        assert_eq!(run.code, 2, "{option}: {}", run.stderr);
        assert!(run.stderr.contains(expected) && !run.stderr.contains("canary"), "{}", run.stderr);
    }
}
