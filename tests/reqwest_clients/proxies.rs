//! Proxies of the environment: the traffic that reaches them, and the traffic that never does.

use std::process::Stdio;

use http::{Request, StatusCode};
use reqwest::Body;
use tokio::{io::AsyncReadExt as _, net::TcpListener, process::Command};
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, OAuthClientCredentialsLayer, Origins,
    middleware::OAuthClientCredentialsMiddleware,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::ReqwestService,
};

use crate::certificates::bounded;

/// The child process's task.
const TASK: &str = "REQWEST_CLIENTS_TASK";

/// Runs one test of this binary again in a process with these variables.
async fn run_child(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact"]).kill_on_drop(true).stdin(Stdio::null());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("REQUEST_METHOD").envs(variables.iter().copied());
    let output = bounded(command.output()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // A filter that matches no test succeeds too.
    assert!(output.status.success() && text.contains("1 passed"), "{variables:?}: {text}");
}

/// A layer over reqwest, and a middleware in it, with all their traffic on loopback.
async fn call_loopback(host: &str) {
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("me").secret("s3cret")).build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await.unwrap(), api.listen().await.unwrap());
    let http = ReqwestService::new(reqwest::Client::builder()).unwrap();
    let token_url = format!("http://{host}:{}/token", token_server.addr().port());
    let tokens = ClientCredentials::builder(token_url)
        .client_secret_post("me", "s3cret")
        .transport(http.clone())
        .build()
        .unwrap()
        .into_cache();
    let origin = format!("http://{host}:{}", api_server.addr().port());
    let origins = || Origins::parse([&origin]).unwrap();
    let client = OAuthClientCredentialsLayer::new(tokens.clone(), origins()).layer(http.clone());
    let get = Request::get(format!("{origin}/things")).body(Body::default()).unwrap();
    assert_eq!(bounded(client.oneshot(get)).await.unwrap().status(), StatusCode::OK);

    let client = reqwest_middleware::ClientBuilder::new(http.client().clone())
        .with(OAuthClientCredentialsMiddleware::new(tokens, origins()))
        .build();
    let response = bounded(client.get(format!("{origin}/things")).send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((idp.token_requests(), api.accepted()), (1, 2));
}

#[tokio::test]
async fn p9_loopback_goes_past_the_environments_proxy() {
    const NAME: &str = "proxies::p9_loopback_goes_past_the_environments_proxy";
    if let Ok(host) = std::env::var(TASK) {
        return call_loopback(&host).await;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    for host in ["127.0.0.1", "localhost"] {
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            run_child(NAME, &[(TASK, host), (name, &url)]).await;
        }
    }
    assert!(nobody_connected(&proxy).await, "nothing reached the proxy");
}

/// Whether no connection arrived. The children have ended, so none will.
async fn nobody_connected(listener: &TcpListener) -> bool {
    let waiting = std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx)));
    waiting.await.is_pending()
}

#[tokio::test]
async fn the_environments_proxy_is_read_as_the_default_transport_reads_it() {
    const NAME: &str = "proxies::the_environments_proxy_is_read_as_the_default_transport_reads_it";
    if let Ok(task) = std::env::var(TASK) {
        let built = ReqwestService::new(reqwest::Client::builder());
        if task == "mistake" {
            let error = built.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("HTTPS_PROXY: "), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            return;
        }
        let get = Request::get("https://idp.invalid/").body(Body::default()).unwrap();
        bounded(built.unwrap().oneshot(get)).await.unwrap_err();
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:hunter2@{}", proxy.local_addr().unwrap());
    // reqwest itself reads the empty variable as no proxy.
    let variables = [(TASK, "proxied"), ("HTTPS_PROXY", ""), ("https_proxy", url.as_str())];
    let head = async {
        let (mut client, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    };
    let (head, ()) = tokio::join!(bounded(head), run_child(NAME, &variables));
    assert!(head.starts_with("CONNECT idp.invalid:443 "), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic "), "{head}");
    let mistake = [(TASK, "mistake"), ("HTTPS_PROXY", "http://user:hunter2@ss@127.0.0.1:1")];
    run_child(NAME, &mistake).await;
}

/// Its response for `localhost` names another machine.
struct Resolver;

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let text = format!("{} was looked up", name.as_str());
        Box::pin(async move { Err(text.into()) })
    }
}

#[tokio::test]
async fn localhost_is_connected_to_without_a_resolver() {
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("me").secret("s3cret")).build();
    let server = idp.listen().await.unwrap();
    let builder = reqwest::Client::builder().dns_resolver(std::sync::Arc::new(Resolver));
    let http = ReqwestService::new(builder).unwrap();
    for host in ["localhost", "LocalHost"] {
        let url = format!("http://{host}:{}/", server.addr().port());
        let get = Request::get(url).body(Body::default()).unwrap();
        bounded(http.clone().oneshot(get)).await.unwrap();
    }
}
