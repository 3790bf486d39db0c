//! Secrets, colors, the JSON form and the demo.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tower_oauth2_client_credentials::testing::{MockResponse, ProtectedApi, RecordedRequest};

use crate::support::{ID, SECRET, TempFile, VARIABLE, doctor, doctor_with, server, with_secret};

/// A secret, as it may appear in text.
fn forms(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let form = percent.replace("%20", "+");
    let basic = |secret: &str| STANDARD.encode(format!("{ID}:{secret}"));
    vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        basic(secret),
        basic(&percent),
        basic(&form),
        percent.to_lowercase(),
        percent,
        form,
        serde_json::Value::from(secret).to_string().trim_matches('"').to_owned(),
    ]
}

/// What the server got, and other forms of it.
fn echoes(request: &RecordedRequest) -> Vec<String> {
    let header = request.header("authorization").unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(&request.body).into_owned();
    [vec![header, body], forms(SECRET)].concat()
}

fn check(text: &str) {
    for form in [forms(SECRET), forms("canary-token-0123456789")].concat() {
        assert!(!text.contains(&form), "{form}: {text}");
    }
    assert!(!text.contains("canary"), "a part of it: {text}");
}

#[tokio::test]
async fn no_answer_of_the_server_makes_a_secret_appear() {
    let secret_file = TempFile::new("secret", SECRET);
    for index in 0..forms(SECRET).len() + 2 {
        let (idp, listening) = server(SECRET).await;
        let echo =
            move |request: &RecordedRequest| echoes(request)[index].replace(['\r', '\n'], "");
        idp.on_request(move |request| {
            let echo = echo(request);
            let body =
                json!({"error": "invalid_scope", "error_description": echo, "error_uri": echo});
            let response =
                Response::builder().status(400).header("content-type", "application/json");
            let response = response.header("via", &*echo).header("retry-after", &*echo);
            MockResponse::Raw(response.body(Bytes::from(body.to_string())).unwrap())
        });
        for form in forms(SECRET) {
            idp.set_metadata("token_endpoint_auth_methods_supported", json!([form]));
        }
        let issuer = listening.issuer();
        for format in [&[][..], &["--json"]] {
            for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
                let arguments = ["--issuer", &issuer, "--auth-method", method, "--thorough"];
                let run = doctor(&with_secret(&[&arguments[..], format].concat())).await;
                assert_ne!(run.code, 0);
                check(&(run.stdout + &run.stderr));
            }
            let file = ["--client-id", ID, "--secret-file", secret_file.path()];
            let run = doctor(&[&file[..], &["--issuer", &issuer], format].concat()).await;
            check(&(run.stdout.replace(secret_file.path(), "") + &run.stderr));
        }
    }
}

#[tokio::test]
async fn a_code_a_redirect_and_a_page_show_no_secret() {
    let (idp, listening) = server(SECRET).await;
    let url = listening.token_url();
    let percent = utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string();
    for response in [
        Response::builder()
            .status(302)
            .header("location", format!("https://{percent}.example.com")),
        Response::builder()
            .status(401)
            .header("www-authenticate", format!("Basic error=\"{SECRET}\"")),
        Response::builder().status(400).header("content-type", "text/html"),
    ] {
        let body = format!("<html>{SECRET} {percent}</html>");
        idp.always(MockResponse::Raw(response.body(Bytes::from(body)).unwrap()));
        let run = doctor(&with_secret(&["--token-url", &url])).await;
        assert_eq!(run.code, 1);
        check(&run.stdout);
    }
    let body = json!({"error": SECRET});
    let response = Response::builder().status(400).body(Bytes::from(body.to_string()));
    idp.always(MockResponse::Raw(response.unwrap()));
    check(&doctor(&with_secret(&["--token-url", &url])).await.stdout);
}

#[tokio::test]
async fn a_token_does_not_appear() {
    const TOKEN: &str = "canary-token-0123456789";
    let (idp, listening) = server(SECRET).await;
    idp.always(MockResponse::Token(TOKEN.to_owned()));
    let api = ProtectedApi::new(&idp);
    api.respond_with(|request| {
        let token = request.header("authorization")?.to_owned();
        let challenge = format!("Bearer error=\"{token}\"");
        Response::builder()
            .status(401)
            .header("www-authenticate", challenge)
            .body(Bytes::new())
            .ok()
    });
    let api_server = api.listen().await.unwrap();
    let (issuer, url) = (listening.issuer(), api_server.url());
    for format in [&[][..], &["--json"]] {
        let arguments = ["--issuer", &issuer, "--api", &url];
        let run = doctor(&with_secret(&[&arguments[..], format].concat())).await;
        assert_eq!(run.code, 5, "{}", run.stdout);
        assert!(run.stdout.contains("left out: it repeats a secret"), "{}", run.stdout);
        check(&run.stdout);
    }
}

#[tokio::test]
async fn a_secret_that_is_also_an_argument_is_replaced() {
    const SAME: &str = "canary-0123456789";
    let (_idp, listening) = server(SAME).await;
    let url = listening.token_url();
    for format in [&[][..], &["--json"]] {
        let arguments = with_secret(&[&["--token-url", &url, "--scope", SAME], format].concat());
        let run = doctor_with(&arguments, &[(VARIABLE, SAME)]).await;
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert!(run.stdout.contains("[redacted]"), "{}", run.stdout);
        assert!(!run.stdout.contains(SAME), "{}", run.stdout);
        let warning = "the secret equals or is part of another argument (--scope)";
        assert!(run.stdout.contains(warning), "{}", run.stdout);
    }
    // Our own words stay.
    let (_idp, listening) = server("client_secret").await;
    let url = listening.token_url();
    let arguments = with_secret(&["--token-url", &url, "--json"]);
    let run = doctor_with(&arguments, &[(VARIABLE, "client_secret")]).await;
    assert!(run.json()["rust"].as_str().unwrap().contains(".client_secret_basic(\"my-service\""));
}

#[tokio::test]
async fn the_password_and_the_query_of_a_url_do_not_appear() {
    for option in ["--token-url", "--issuer"] {
        for format in [&[][..], &["--json"]] {
            let arguments = [option, "http://user:pw7@127.0.0.1:9/t"];
            let run = doctor(&with_secret(&[&arguments[..], format].concat())).await;
            assert_eq!(run.code, 2);
            let text = run.stdout + &run.stderr;
            assert!(!text.contains("pw7") && !text.contains("user:"), "{text}");
        }
    }
    let (idp, listening) = server(SECRET).await;
    let url = listening.token_url() + "?api-key=Kcanary-0123456789";
    let body = json!({"error": "invalid_request", "error_description": "bad /t?api-key=Kcanary-0123456789"});
    let described = Response::builder().status(400).body(Bytes::from(body.to_string())).unwrap();
    let moved = Response::builder().status(302).header("location", "/login/Kcanary-0123456789");
    let user = Response::builder().status(302).header("location", "https://u:canary@a.example/");
    for response in [described, moved.body(Bytes::new()).unwrap(), user.body(Bytes::new()).unwrap()]
    {
        idp.always(MockResponse::Raw(response));
        let run = doctor(&with_secret(&["--token-url", &url])).await;
        assert_eq!(run.code, 1);
        check(&run.stdout);
    }
}

#[tokio::test]
async fn control_characters_of_arguments_are_escaped() {
    let (_idp, listening) = server(SECRET).await;
    let url = listening.token_url();
    let arguments = ["--token-url", &url, "--client-id", "a\u{1b}[31m", "--secret-env", VARIABLE];
    let run = doctor(&arguments).await;
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{}", run.stdout);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_report_that_cannot_be_written_has_its_own_code() {
    let program = env!("CARGO_BIN_EXE_oauth-doctor");
    let mut command = tokio::process::Command::new("sh");
    let output = command.args(["-c", &format!("{program} --demo > /dev/full")]).output().await;
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the report cannot be written"));
}

#[tokio::test]
async fn colors_are_for_terminals_only() {
    let (_idp, listening) = server(SECRET).await;
    let issuer = listening.issuer();
    let arguments = with_secret(&["--issuer", &issuer]);
    // Standard output is a pipe here.
    assert!(!doctor(&arguments).await.stdout.contains('\u{1b}'));
    let always = [&arguments[..], &["--color", "always"]].concat();
    let colored = doctor(&always).await.stdout;
    assert!(colored.contains("\u{1b}[1m") && colored.contains("\u{1b}[0m"), "{colored}");
    let json = [&always[..], &["--json"]].concat();
    assert!(!doctor(&json).await.stdout.contains('\u{1b}'));
}

/// Runs the program on a terminal with this input. `script` makes the terminal.
#[cfg(target_os = "linux")]
async fn on_a_terminal(arguments: &str, variables: &[(&str, &str)], input: &str) -> (i32, String) {
    use tokio::io::AsyncWriteExt as _;

    let program = env!("CARGO_BIN_EXE_oauth-doctor");
    let mut command = tokio::process::Command::new("script");
    command.args(["-qec", &format!("{program} {arguments}"), "/dev/null"]);
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("script(1) of util-linux");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    drop(stdin);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_color_is_respected_on_a_terminal() {
    let (_, colored) = on_a_terminal("--demo", &[], "").await;
    assert!(colored.contains("\u{1b}[1m"), "{colored}");
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let (_, plain) = on_a_terminal("--demo", &variables, "").await;
        assert!(plain.contains("Findings") && !plain.contains('\u{1b}'), "{plain}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_person_is_asked_before_a_thorough_run() {
    for (input, more, code, is_sent) in
        [("n\n", "", 2, false), ("\n", "", 2, false), ("y\n", "", 0, true), ("", "--yes", 0, true)]
    {
        let (idp, listening) = server(SECRET).await;
        let url = listening.token_url();
        let arguments =
            format!("--client-id {ID} --secret-env {VARIABLE} --token-url {url} --thorough {more}");
        let (exit, text) = on_a_terminal(&arguments, &[(VARIABLE, SECRET)], input).await;
        assert_eq!((exit, idp.token_requests() > 0), (code, is_sent), "{input:?}: {text}");
        assert_eq!(text.contains("Continue? [y/N]"), more.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn the_demo_works_and_the_help_has_the_exit_codes() {
    for arguments in [&["--demo"][..], &["--demo", "--thorough"], &["--demo", "--json"]] {
        let run = doctor(arguments).await;
        assert_eq!(run.code, 0, "{} {}", run.stdout, run.stderr);
        assert!(run.stdout.contains("the API accepts the token"), "{}", run.stdout);
        assert!(!run.stdout.contains("s3cret"), "{}", run.stdout);
    }
    let help = doctor(&["--help"]).await.stdout;
    for code in 0..=7 {
        assert!(help.contains(&format!("\n  {code}  ")), "{help}");
    }
    let run = doctor(&["--issuer", "https://a.example"]).await;
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--client-id"), "{}", run.stderr);
}
