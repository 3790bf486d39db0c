//! The tower services, in virtual time.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_token_opens_the_api_until_it_expires() {
    let (idp, s) = (server(), Duration::from_secs);
    idp.set_lifetime(s(60));
    let api = ProtectedApi::new(&idp);
    let answer = token_of(&idp).await;
    assert_eq!(answer["expires_in"], 60);
    assert_eq!(answer["token_type"], "Bearer");
    let token = answer["access_token"].as_str().unwrap();

    tokio::time::advance(s(59)).await;
    let response = api.service().oneshot(call("https://api.test/x", token)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(json_of(response).await, json!({"status": "ok"}));
    tokio::time::advance(s(1)).await;
    let response = api.service().oneshot(call("https://api.test/x", token)).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    assert_eq!((api.requests(), api.accepted(), api.rejected()), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_token_runs_while_its_answer_travels() {
    let idp = server();
    idp.set_lifetime(Duration::from_millis(1500));
    idp.set_delay(Duration::from_secs(1));
    let before = tokio::time::Instant::now();
    let answer = token_of(&idp).await;
    assert_eq!(before.elapsed(), Duration::from_secs(1));
    assert_eq!(answer["expires_in"], 1.5);
    let token = answer["access_token"].as_str().unwrap();
    tokio::time::advance(Duration::from_millis(499)).await;
    assert!(idp.is_active(token));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!idp.is_active(token));
}

#[tokio::test(start_paused = true)]
async fn a_script_comes_first_then_an_outage_then_the_hook() {
    let idp = server();
    idp.on_request(|request| match request.form_value("client_id") {
        Some("id") => MockResponse::Status(418),
        _ => MockResponse::Issue,
    });
    idp.always(MockResponse::Status(503));
    idp.script([
        MockResponse::StatusRetryAfter(429, 7),
        MockResponse::OAuthError { status: 400, code: "invalid_scope" },
        MockResponse::Raw(Response::builder().status(302).body(Bytes::new()).unwrap()),
        MockResponse::Issue,
    ]);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(status_of(&idp).await);
    }
    assert_eq!(statuses, [429, 400, 302, 200, 503, 503]);
    idp.script([MockResponse::Issue]);
    idp.recover();
    assert_eq!(status_of(&idp).await, 418);
    assert_eq!((idp.token_requests(), idp.tokens_issued()), (7, 1));
}

#[tokio::test(start_paused = true)]
async fn answers_carry_what_they_say() {
    let idp = server();
    idp.script([
        MockResponse::StatusRetryAfter(429, 7),
        MockResponse::OAuthError { status: 400, code: "invalid_scope" },
    ]);
    let throttled = idp.service().oneshot(ask(&idp.token_url(), GOOD)).await.unwrap();
    assert_eq!(throttled.headers()["retry-after"], "7");
    let error = idp.service().oneshot(ask(&idp.token_url(), GOOD)).await.unwrap();
    assert_eq!(json_of(error).await, json!({"error": "invalid_scope"}));

    idp.script([
        MockResponse::Token("chosen".into()),
        MockResponse::IssueFor(Duration::from_secs(2)),
    ]);
    assert_eq!(token_of(&idp).await["access_token"], "chosen");
    assert_eq!(token_of(&idp).await["expires_in"], 2);
    idp.revoke("chosen");
    assert!(!idp.is_active("chosen"));
    idp.script([MockResponse::Token("chosen".into())]);
    token_of(&idp).await;
    assert!(idp.is_active("chosen"));
}

#[tokio::test(start_paused = true)]
async fn scripted_tokens_are_refused_to_bad_credentials() {
    let idp = server();
    idp.script([MockResponse::Token("chosen".into())]);
    let bad = ask(&idp.token_url(), &GOOD.replace("=secret", "=wrong"));
    let response = idp.service().oneshot(bad).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(json_of(response).await["error"], "invalid_client");
    assert!(!idp.is_active("chosen"));

    let basic = Request::post(idp.token_url())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", "Basic aWQ6d3Jvbmc=")
        .body(Full::<Bytes>::from("grant_type=client_credentials"))
        .unwrap();
    let response = idp.service().oneshot(basic).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"token\"");
}

#[tokio::test(start_paused = true)]
async fn a_hang_lasts_until_the_client_gives_up() {
    let idp = server();
    idp.always(MockResponse::Hang);
    let hour = Duration::from_secs(3600);
    let hanging = idp.service().oneshot(ask(&idp.token_url(), GOOD));
    assert!(tokio::time::timeout(hour, hanging).await.is_err());
    assert_eq!((idp.token_requests(), idp.in_flight(), idp.max_in_flight()), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_counted() {
    let idp = server();
    let second = Duration::from_secs(1);
    idp.script([MockResponse::Issue.after(second), MockResponse::Issue.after(2 * second)]);
    let first = tokio::spawn(idp.service().call(ask(&idp.token_url(), GOOD)));
    let other = tokio::spawn(idp.service().call(ask(&idp.token_url(), GOOD)));
    assert_eq!((idp.token_requests(), idp.in_flight()), (2, 2));
    first.await.unwrap().unwrap();
    assert_eq!(idp.in_flight(), 1);
    other.await.unwrap().unwrap();
    assert_eq!((idp.in_flight(), idp.max_in_flight()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_an_error() {
    let idp = server();
    idp.script([MockResponse::CloseConnection]);
    let closed = idp.service().oneshot(ask(&idp.token_url(), GOOD)).await;
    let error: BoxError = closed.unwrap_err().into();
    assert!(error.is::<ConnectionClosed>());
    assert_eq!(status_of(&idp).await, 200);
}

#[tokio::test(start_paused = true)]
async fn the_same_token_comes_with_what_is_left_of_its_life() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("id").secret("secret"))
        .lifetime(Duration::from_secs(100))
        .same_token(true)
        .build();
    let first = token_of(&idp).await;
    tokio::time::advance(Duration::from_millis(70_500)).await;
    let again = token_of(&idp).await;
    assert_eq!(again["access_token"], first["access_token"]);
    assert_eq!(again["expires_in"], 29);
    let scoped = idp.service().oneshot(ask(&idp.token_url(), &format!("{GOOD}&scope=a")));
    let scoped = json_of(scoped.await.unwrap()).await;
    assert_ne!(scoped["access_token"], first["access_token"]);
    tokio::time::advance(Duration::from_millis(29_500)).await;
    assert_ne!(token_of(&idp).await["access_token"], first["access_token"]);
    assert_eq!(idp.tokens_issued(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_new_single_token_revokes_the_clients_earlier_ones() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("id").secret("secret"))
        .client(RegisteredClient::new("other").secret("secret"))
        .single_token(true)
        .build();
    let first = token_of(&idp).await;
    let other = ask(&idp.token_url(), &GOOD.replace("=id", "=other"));
    let other = json_of(idp.service().oneshot(other).await.unwrap()).await;
    let active = |answer: &Value| idp.is_active(answer["access_token"].as_str().unwrap());
    assert!(active(&first) && active(&other));
    let second = token_of(&idp).await;
    assert!(!active(&first) && active(&second) && active(&other));
    idp.revoke_all();
    assert!(!active(&second) && !active(&other));
}

#[tokio::test(start_paused = true)]
async fn scope_and_lifetime_are_sent_as_configured() {
    let ask_scope = |idp: &AuthorizationServer| {
        idp.service().oneshot(ask(&idp.token_url(), &format!("{GOOD}&scope=a+b")))
    };
    let echoing = AuthorizationServer::new();
    assert_eq!(json_of(ask_scope(&echoing).await.unwrap()).await["scope"], "a b");
    let narrowing = AuthorizationServer::builder().granted_scope("a").build();
    assert_eq!(json_of(ask_scope(&narrowing).await.unwrap()).await["scope"], "a");
    let silent = AuthorizationServer::builder().no_scope().no_expires_in().build();
    let answer = json_of(ask_scope(&silent).await.unwrap()).await;
    let keys: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["access_token", "token_type"]);
    assert_eq!(silent.requests()[0].form_value("scope"), Some("a b"));
}

#[tokio::test(start_paused = true)]
async fn other_paths_methods_and_sizes_are_refused() {
    let idp = AuthorizationServer::builder().path("/as/token").build();
    let status = |request: Request<Full<Bytes>>| {
        let response = idp.service().oneshot(request);
        async { response.await.unwrap().status().as_u16() }
    };
    assert_eq!(status(ask("https://idp.test/token", GOOD)).await, 404);
    assert_eq!(idp.token_requests(), 0);
    let get = Request::get(idp.token_url()).body(Full::default()).unwrap();
    assert_eq!(status(get).await, 405);
    let big = format!("{GOOD}&x={}", "x".repeat(1024 * 1024));
    assert_eq!(status(ask(&idp.token_url(), &big)).await, 413);
    assert_eq!((idp.token_requests(), idp.in_flight(), idp.requests().len()), (2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_api_rejects_as_configured() {
    let idp = server();
    let api = ProtectedApi::new(&idp);
    let token = idp.issue();
    let status = |request: Request<Full<Bytes>>| {
        let response = api.service().oneshot(request);
        async { response.await.unwrap().status().as_u16() }
    };
    let live = || call("https://api.test/x", &token);
    api.always_reject(true);
    assert_eq!(status(live()).await, 401);
    api.always_reject(false);
    assert_eq!(status(live()).await, 200);
    assert_eq!(status(call("https://api.test/x", "made-up")).await, 401);

    let bare = Request::get("https://api.test/x").body(Full::<Bytes>::default()).unwrap();
    let response = api.service().oneshot(bare).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"api\"");
    let mut twice = live();
    twice.headers_mut().append("authorization", "Bearer x".parse().unwrap());
    assert_eq!(status(twice).await, 400);

    api.respond_with(|request| {
        (request.uri.path() == "/tea").then(|| {
            Response::builder().status(StatusCode::IM_A_TEAPOT).body(Bytes::new()).unwrap()
        })
    });
    assert_eq!(status(call("https://api.test/tea", "made-up")).await, 418);
    assert_eq!(status(live()).await, 200);
    assert_eq!(
        (api.requests(), api.accepted(), api.rejected(), api.unauthenticated()),
        (7, 2, 3, 1)
    );
    assert_eq!(api.recorded().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_rejections_is_the_same_for_the_same_seed() {
    let idp = server();
    let token = idp.issue();
    let run = async |share: f64| {
        let api = ProtectedApi::new(&idp);
        api.reject_share(share, 7);
        let mut statuses = Vec::new();
        for _ in 0..1000 {
            let request = call("https://api.test/x", &token);
            statuses.push(api.service().oneshot(request).await.unwrap().status().as_u16());
        }
        (statuses, api.rejected())
    };
    let (one, rejected) = run(0.3).await;
    assert!((240..360).contains(&rejected), "{rejected}");
    assert_eq!(run(0.3).await.0, one);
    assert_eq!((run(0.0).await.1, run(1.0).await.1), (0, 1000));
}

#[tokio::test(start_paused = true)]
async fn a_streaming_body_is_gathered_and_its_error_passed_on() {
    let api = ProtectedApi::new(&server());
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, BoxError>::new(2);
    sender.send_data("ab".into()).await.unwrap();
    sender.send_data("cd".into()).await.unwrap();
    drop(sender);
    api.service().oneshot(Request::post("/x").body(body).unwrap()).await.unwrap();
    assert_eq!(api.recorded()[0].body, "abcd");

    let (sender, body) = http_body_util::channel::Channel::<Bytes, BoxError>::new(1);
    sender.abort("broken".into());
    let error = api.service().oneshot(Request::post("/x").body(body).unwrap()).await.unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "broken");
}

#[test]
fn debug_shows_no_secret() {
    let idp = AuthorizationServer::builder().client(RegisteredClient::new("id").secret("hush"));
    let shown = format!("{idp:?}");
    let idp = idp.build();
    let token = idp.issue();
    let api = ProtectedApi::new(&idp);
    let shown = format!(
        "{shown}{idp:?}{:?}{:?}{api:?}{:?}{:?}{:#?}",
        idp.service(),
        MockResponse::Token("hush".into()),
        api.service(),
        MockBody::from("hush"),
        MockBody::from("hush"),
    );
    assert!(!shown.contains("hush") && !shown.contains(&token), "{shown}");
}

#[tokio::test]
async fn a_member_of_the_metadata_is_json_or_a_text() {
    let idp = server();
    idp.set_metadata("issuer", "https://other.test/x");
    idp.set_metadata("scopes_supported", r#"["a"]"#);
    idp.set_metadata("grant_types_supported", "null");
    let url = "https://idp.test/.well-known/oauth-authorization-server";
    let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
    let document = json_of(idp.service().oneshot(request).await.unwrap()).await;
    assert_eq!(document["issuer"], "https://other.test/x");
    assert_eq!(document["scopes_supported"], json!(["a"]));
    assert!(document.get("grant_types_supported").is_none());
}
