//! `ReqwestService`: below the layer, and for token requests.

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use reqwest::Body;
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, OAuthClientCredentialsLayer, Origins, TokenSource as _,
    event::AcquisitionReason,
    replay::ReqwestBodies,
    source::AcquireContext,
    testing::{AuthorizationServer, MockResponse, RegisteredClient},
    transport::{ProxySettings, ReqwestService},
};

use crate::{
    certificates::{Authority, bounded},
    one_request::OneRequest,
    support::{Stage, direct, forwarding_proxy, redirect, stream},
};

fn post<B>(url: &str, body: B) -> Request<B> {
    Request::post(url).header("x-kept", "yes").body(body).unwrap()
}

#[tokio::test]
async fn a_stack_over_reqwest_requests_its_tokens_with_reqwest() {
    let stage = Stage::new().await;
    let layer = OAuthClientCredentialsLayer::new(stage.tokens(), stage.origins());
    let client = layer.replay(ReqwestBodies).layer(stage.http.clone());
    let url = stage.url() + "?a=b%20c";
    let response = client.oneshot(post(&url, Body::from("hello"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let json = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(json, r#"{"status":"ok"}"#);

    let (asked, called) = (&stage.idp.requests()[0], &stage.api.recorded()[0]);
    assert_eq!(asked.form_value("grant_type"), Some("client_credentials"));
    assert_eq!((called.method.as_str(), &*called.body), ("POST", &b"hello"[..]));
    assert_eq!(called.uri.path_and_query().unwrap(), "/things?a=b%20c");
    assert_eq!(called.header("x-kept"), Some("yes"));
    assert_eq!(called.header("content-length"), Some("5"));
}

#[tokio::test]
async fn a_rejected_request_is_sent_again_if_its_body_is_in_memory() {
    let stage = Stage::new().await;
    let layer = OAuthClientCredentialsLayer::new(stage.tokens(), stage.origins());
    let client = layer.replay(ReqwestBodies).layer(stage.http.clone());
    let send = |body| client.clone().oneshot(post(&stage.url(), body));
    assert_eq!(send(Body::default()).await.unwrap().status(), StatusCode::OK);
    stage.idp.revoke_all();
    assert_eq!(send(Body::from("hello")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((stage.api.requests(), stage.idp.token_requests()), (3, 2));
    assert!(stage.api.recorded()[1..].iter().all(|request| request.body == "hello"));
}

#[tokio::test]
async fn other_bodies_than_reqwests_are_accepted() {
    let stage = Stage::new().await;
    let layer = OAuthClientCredentialsLayer::new(stage.tokens(), stage.origins());
    let client = layer.layer(stage.http.clone());
    let get = Request::get(stage.url()).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(client.clone().oneshot(get).await.unwrap().status(), StatusCode::OK);
    let full = post(&stage.url(), Full::<Bytes>::from("hello"));
    assert_eq!(client.oneshot(full).await.unwrap().status(), StatusCode::OK);
    let recorded = stage.api.recorded();
    assert_eq!(recorded[0].header("transfer-encoding"), None);
    assert_eq!(
        (&*recorded[1].body, recorded[1].header("content-length")),
        (&b"hello"[..], Some("5"))
    );
}

/// Names that no resolver knows, so any response came through the proxy.
#[tokio::test]
async fn one_proxy_setting_serves_both() {
    let stage = Stage::new().await;
    let proxy = forwarding_proxy(vec![
        ("idp.invalid", stage.token_server.addr()),
        ("api.invalid", stage.api_server.addr()),
    ]);
    let proxy = ProxySettings::fixed(format!("http://user:hunter2@{}", proxy.await));
    let http = ReqwestService::with_proxy(direct(), proxy).unwrap();
    let tokens = ClientCredentials::builder("http://idp.invalid/token")
        .allow_plain_http()
        .client_secret_basic("me", "s3cret")
        .transport(http.clone())
        .build()
        .unwrap()
        .into_cache();
    let origins = Origins::parse_with_plain_http(["http://api.invalid"]).unwrap();
    let client = OAuthClientCredentialsLayer::new(tokens, origins).layer(http);
    let get = Request::get("http://api.invalid/things").body(Body::default()).unwrap();
    assert_eq!(client.oneshot(get).await.unwrap().status(), StatusCode::OK);
    assert_eq!((stage.idp.token_requests(), stage.api.accepted()), (1, 1));
}

/// For any setting of redirects in the builder. A 307 or 308 would resend the secret in the body,
/// and reqwest sends `Authorization` at the second hop on another origin.
#[tokio::test]
async fn p9_the_token_endpoint_is_never_followed_through_a_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let (stage, other) = (Stage::new().await, Stage::new().await);
        let location = format!("{}/first", other.api_server.url());
        stage.idp.always(MockResponse::Raw(redirect(status, location)));
        let following = direct().redirect(reqwest::redirect::Policy::limited(10));
        let source = ClientCredentials::builder(stage.token_server.token_url())
            .client_secret_post("me", "s3cret")
            .transport(ReqwestService::new(following).unwrap())
            .build()
            .unwrap();
        let error =
            source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redirect, "{status}");
        assert_eq!((stage.idp.token_requests(), other.api.requests()), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn p8_errors_show_no_url() {
    let stage = Stage::new().await;
    let url = format!("{}/?key=canary", stage.api_server.url());
    let Stage { api_server, http, .. } = stage;
    api_server.shutdown().await;
    for url in [&*url, "/relative?key=canary"] {
        let error = http.clone().oneshot(post(url, stream("x"))).await.unwrap_err();
        let mut text = format!("{error} {error:?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text += &format!(" {error} {error:?}");
            cause = error.source();
        }
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(error.is::<Error>(), url.starts_with('/'), "{text}");
        assert_eq!(error.is::<reqwest::Error>(), url.starts_with("http"), "{text}");
    }
    let error = ReqwestService::new(direct().user_agent("\n")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// A URI whose host reqwest reads differently is not sent.
#[tokio::test]
async fn p9_reqwest_goes_where_the_uri_says() {
    let http = ReqwestService::new(direct()).unwrap();
    let star = Uri::builder().scheme("http").authority("localhost").path_and_query("*");
    for (uri, why) in [
        (star.build().unwrap(), "another host or port"),
        ("/relative".parse().unwrap(), "no scheme and host"),
        ("localhost:80".parse().unwrap(), "no scheme and host"),
        ("*".parse().unwrap(), "no scheme and host"),
    ] {
        let request = Request::options(&uri).body(Body::default()).unwrap();
        let error = http.clone().oneshot(request).await.unwrap_err().downcast::<Error>().unwrap();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Refused, false), "{uri}");
        assert!(error.to_string().contains(why), "{uri}: {error}");
    }
}

/// As in the chapter.
#[tokio::test]
async fn reqwest_writes_paths_in_its_own_way() {
    let stage = Stage::new().await;
    for (path, sent) in
        [("/a/%2e%2e/b", "/b"), ("/a/../b/./c", "/b/c"), ("/a\\b", "/a/b"), ("/ü", "/%C3%BC")]
    {
        let Ok(uri) = format!("{}{path}", stage.api_server.url()).parse::<Uri>() else {
            panic!("{path} is no path")
        };
        let request = Request::get(uri).body(Body::default()).unwrap();
        stage.http.clone().oneshot(request).await.unwrap();
        assert_eq!(stage.api.recorded().last().unwrap().uri.path(), sent, "{path}");
    }
}

/// A second attempt can't fix it.
#[tokio::test]
async fn a_request_that_reqwest_refuses_is_not_retried() {
    let stage = Stage::new().await;
    let source = ClientCredentials::builder(stage.token_server.token_url())
        .client_secret_post("me", "s3cret")
        .transport(ReqwestService::new(direct().https_only(true)).unwrap())
        .build()
        .unwrap();
    let error = source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Refused, false));
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<reqwest::Error>();
    assert!(cause.unwrap().is_builder(), "{error:?}");
    assert_eq!(stage.idp.token_requests(), 0);
}

/// A server that closes a connection when the second request arrives on it.
#[tokio::test]
async fn a_document_is_asked_for_again_on_a_new_connection() {
    let server = OneRequest::start().await;
    let source = ClientCredentials::discover(format!("http://{}", server.addr))
        .client_secret_basic("me", "s3cret")
        .transport(ReqwestService::new(direct()).unwrap())
        .build()
        .unwrap();
    assert!(bounded(source.server_metadata()).await.unwrap().is_some());
    assert_eq!(server.metadata_requests(), [1, 2]);
    bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await.unwrap();
}

#[tokio::test]
async fn a_failure_names_the_problem_and_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = listener.local_addr().unwrap();
    drop(listener);
    let (authority, other) = (Authority::new(), Authority::new());
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("me").secret("s3cret")).build();
    let plain = idp.listen().await.unwrap();
    let tls = idp.listen_tls(other.server(other.asking(false))).await.unwrap();
    for (url, problem, advice) in [
        (format!("http://{refusing}/token"), "the connection was refused (", "check the port"),
        (tls.token_url(), "from an unknown authority (", "ca_file"),
        (format!("https://{}/token", plain.addr()), "does not speak TLS", "http URL"),
        (format!("http://{}/token", tls.addr()), "no answer", "if the port expects TLS"),
    ] {
        let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
        let source = ClientCredentials::builder(&url)
            .client_secret_basic("me", "s3cret")
            .transport(ReqwestService::new(direct().tls_certs_only([root])).unwrap())
            .attempts(1)
            .build()
            .unwrap();
        let error = bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing)))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("transport: no answer from 127.0.0.1:"), "{text}");
        assert!(text.contains(problem) && text.contains(advice), "{url}: {text}");
        assert!(!text.contains("/token"), "{text}");
    }
}
