//! Proxies, explicit and from the environment; and a machine without root certificates.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;
use tower_oauth2_client_credentials::{
    ClientCredentials,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, RegisteredClient},
    transport::HyperTransport,
};

use super::support::{
    Authority, ProxyServer, Server, assert_no_credentials, bounded, failure, post,
};

const OK: &str = "200 Connection established";

/// TEST-NET-1 (RFC 5737) has no hosts, so a response came through the proxy.
const DESTINATION: &str = "192.0.2.1";

async fn proxied(scheme: &str) {
    let authority = Authority::new();
    let tls = authority.server(&["login.test"], &["h2"]);
    let mut server = Server::start(Some(tls)).await;
    let proxy_tls = (scheme == "https").then(|| authority.server(&["127.0.0.1"], &[]));
    let mut proxy = ProxyServer::start(proxy_tls, OK, server.addr).await;
    let transport = authority
        .client()
        .proxy(format!("{scheme}://user:hunter2%40x@{}", proxy.addr))
        .build()
        .unwrap();

    post(&transport, "https://login.test/token").await.unwrap();
    let head = proxy.heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT login.test:443 HTTP/1.1\r\n"), "{head}");
    // printf 'user:hunter2@x' | base64
    assert!(head.contains("\r\nProxy-Authorization: Basic dXNlcjpodW50ZXIyQHg=\r\n"), "{head}");
    let seen = server.seen.recv().await.unwrap();
    assert_eq!((seen.version, &*seen.target), (http::Version::HTTP_2, "/token"));

    let shown = format!("{transport:?}");
    assert!(shown.contains(&proxy.addr.to_string()), "{shown}");
    assert_no_credentials(&shown);
}

#[tokio::test]
async fn a_tunnel_through_an_http_proxy() {
    proxied("http").await;
}

#[tokio::test]
async fn a_tunnel_through_an_https_proxy() {
    proxied("https").await;
}

#[tokio::test]
async fn plain_http_is_tunneled_too() {
    let server = Server::start(None).await;
    let mut proxy = ProxyServer::start(None, OK, server.addr).await;
    let client = Authority::new().client();
    let transport = client.proxy(format!("http://{}", proxy.addr)).build().unwrap();
    post(&transport, "http://login.test/token").await.unwrap();
    let head = proxy.heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT login.test:80 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("Authorization"), "{head}");
}

#[tokio::test]
async fn loopback_is_reached_directly() {
    let server = Server::start(None).await;
    let mut proxy = ProxyServer::start(None, OK, server.addr).await;
    let client = Authority::new().client();
    let transport = client.proxy(format!("http://{}", proxy.addr)).build().unwrap();
    post(&transport, format!("http://{}/token", server.addr)).await.unwrap();
    assert!(proxy.heads.try_recv().is_err());
}

#[tokio::test]
async fn the_proxy_comes_from_the_configuration() {
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("id").secret("s3cret")).build();
    let server = idp.listen().await.unwrap();
    let mut proxy = ProxyServer::start(None, OK, server.addr()).await;
    let tokens = |proxy: &str| {
        let config = ClientCredentialsConfig::from_vars(
            "OAUTH_",
            [
                ("OAUTH_TOKEN_URL", "http://login.test/token"),
                ("OAUTH_CLIENT_ID", "id"),
                ("OAUTH_CLIENT_SECRET", "s3cret"),
                ("OAUTH_PROXY", proxy),
            ],
        );
        config
            .source_builder()
            .unwrap()
            .allow_plain_http()
            .attempts(1)
            .build()
            .unwrap()
            .into_cache()
    };
    bounded(tokens(&format!("http://user:hunter2@{}", proxy.addr)).get()).await.unwrap();
    let head = proxy.heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT login.test:80 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nProxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n"), "{head}");
}

/// The child process's task, in a child of [`run_child`].
const EXPECTED: &str = "TRANSPORT_HYPER_EXPECTED";
const ROOT: &str = "TRANSPORT_HYPER_ROOT";

/// Runs one test of this binary again in a process with these variables, because a test must not
/// change its own environment.
async fn run_child(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact"]).kill_on_drop(true).stdin(Stdio::null());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("REQUEST_METHOD").env_remove("SSL_CERT_DIR").envs(variables.iter().copied());
    let output = bounded(command.output()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // A filter that matches no test succeeds too.
    assert!(output.status.success() && text.contains("1 passed"), "{variables:?}: {text}");
}

#[tokio::test]
async fn the_proxy_comes_from_the_environment() {
    const NAME: &str = "proxy::the_proxy_comes_from_the_environment";
    if let Ok(expected) = std::env::var(EXPECTED) {
        if let Some(variable) = expected.strip_prefix("mistake in ") {
            let error = HyperTransport::new().unwrap_err();
            assert!(error.to_string().contains(&format!("{variable}: ")), "{error}");
            assert_no_credentials(&format!("{error} {error:?}"));
            return;
        }
        let patience = Duration::from_millis(if expected == "proxied" { 5_000 } else { 100 });
        let transport = HyperTransport::builder()
            .extra_root_certificates_pem(std::env::var(ROOT).unwrap())
            .connect_timeout(patience)
            .build()
            .unwrap();
        assert_no_credentials(&format!("{transport:?}"));
        let url = format!("https://{DESTINATION}/token");
        if expected == "proxied" {
            post(&transport, url).await.unwrap();
            return;
        }
        let text = failure(&transport, url).await;
        assert_no_credentials(&text);
        let socks = text.contains("the proxy socks5://127.0.0.1:1: it is a SOCKS proxy");
        assert_eq!(socks, expected == "socks", "{text}");
        assert_eq!(text.contains("proxy"), expected == "socks", "{text}");
        return;
    }

    let authority = Authority::new();
    let server = Server::start(Some(authority.server(&[DESTINATION], &["h2"]))).await;
    let mut proxy = ProxyServer::start(None, OK, server.addr).await;
    let url = format!("http://user:hunter2@{}", proxy.addr);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        run_child(NAME, &[(EXPECTED, "proxied"), (ROOT, &authority.pem), (name, &url)]).await;
        let head = proxy.heads.try_recv().expect(name);
        assert!(head.starts_with("CONNECT 192.0.2.1:443 "), "{head}");
        assert!(head.contains("\r\nProxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n"), "{head}");
    }
    for name in ["NO_PROXY", "no_proxy"] {
        let set = [("HTTPS_PROXY", &*url), (name, "192.0.2.0/24")];
        let all = [&[(EXPECTED, "direct"), (ROOT, &authority.pem)], &set[..]].concat();
        run_child(NAME, &all).await;
        assert!(proxy.heads.try_recv().is_err(), "{name} keeps the proxy out");
    }
    let shadowed = [("https_proxy", ""), ("HTTPS_PROXY", &*url)];
    let all = [&[(EXPECTED, "proxied"), (ROOT, &authority.pem)], &shadowed[..]].concat();
    run_child(NAME, &all).await;
    proxy.heads.try_recv().expect("an empty variable hides nothing");
    for (variable, url) in [
        ("HTTPS_PROXY", "\"http://user:hunter2@127.0.0.1:1\""),
        ("https_proxy", "http://user:hunter2@127.0.0.1:1\n"),
        ("ALL_PROXY", "http://user:hunter2@x@127.0.0.1:1"),
        ("HTTP_PROXY", "http://user:hunter2@127.0.0.1:99999"),
    ] {
        run_child(NAME, &[(EXPECTED, &format!("mistake in {variable}")), (variable, url)]).await;
    }
    let socks = ("ALL_PROXY", "socks5://user:hunter2@127.0.0.1:1");
    run_child(NAME, &[(EXPECTED, "socks"), (ROOT, &authority.pem), socks]).await;
}

/// On these systems the platform's roots are a PEM file, which a variable names.
#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
#[tokio::test]
async fn extra_roots_add_to_the_platforms() {
    const NAME: &str = "proxy::extra_roots_add_to_the_platforms";
    const SERVERS: &str = "TRANSPORT_HYPER_SERVERS";
    if let Ok(servers) = std::env::var(SERVERS) {
        let extra = std::env::var(ROOT).unwrap();
        let transport = HyperTransport::builder().extra_root_certificates_pem(extra);
        let transport = transport.build().unwrap();
        let platform = HyperTransport::new().unwrap();
        let [of_platform, of_extra] = servers.split_once(' ').map(<[_; 2]>::from).unwrap();
        post(&transport, of_platform).await.unwrap();
        post(&transport, of_extra).await.unwrap();
        post(&platform, of_platform).await.unwrap();
        let text = failure(&platform, of_extra).await;
        assert!(text.contains("unknown authority"), "{text}");
        return;
    }
    let (platform, extra) = (Authority::new(), Authority::new());
    let of_platform = Server::start(Some(platform.server(&["127.0.0.1"], &["h2"]))).await;
    let of_extra = Server::start(Some(extra.server(&["127.0.0.1"], &["h2"]))).await;
    let file = std::env::temp_dir().join(format!("toacc-roots-{}.pem", std::process::id()));
    std::fs::write(&file, &platform.pem).unwrap();
    let servers = format!("https://{} https://{}", of_platform.addr, of_extra.addr);
    let trusted = file.to_str().unwrap();
    run_child(NAME, &[(SERVERS, &servers), (ROOT, &extra.pem), ("SSL_CERT_FILE", trusted)]).await;
    std::fs::remove_file(&file).unwrap();
}

/// On these systems the platform's roots are a PEM file, which a variable names.
#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
#[tokio::test]
async fn without_root_certificates_the_error_says_what_to_do() {
    const NAME: &str = "proxy::without_root_certificates_the_error_says_what_to_do";
    if std::env::var(EXPECTED).is_ok() {
        let transport = HyperTransport::new().unwrap();
        let error = transport.check_roots().unwrap_err();
        assert_eq!(error.kind(), tower_oauth2_client_credentials::ErrorKind::Config);
        assert!(error.to_string().contains("install ca-certificates"), "{error}");
        let text = failure(&transport, format!("https://{DESTINATION}/token")).await;
        assert!(text.contains(": this machine has no root certificates"), "{text}");
        assert!(text.contains("point SSL_CERT_FILE or only_root_certificates_pem at"), "{text}");

        // A proxy needs them too, even if the request is not encrypted.
        let proxied = HyperTransport::builder().proxy("https://proxy.test:3129").build().unwrap();
        let text = failure(&proxied, format!("http://{DESTINATION}/token")).await;
        let start = format!(
            "no connection to {DESTINATION}:80: the proxy https://proxy.test:3129: this machine has"
        );
        assert!(text.starts_with(&start), "{text}");

        let server = Server::start(None).await;
        post(&transport, format!("http://{}/token", server.addr)).await.unwrap();
        Authority::new().client().build().unwrap().check_roots().unwrap();

        // A client that needs them reports it when it is built.
        let client =
            |url: String| ClientCredentials::builder(url).client_secret_basic("id", "pw").build();
        let error = client(format!("https://{DESTINATION}/token")).unwrap_err();
        assert!(error.to_string().contains("install ca-certificates"), "{error}");
        client(format!("http://{}/token", server.addr)).unwrap();
        return;
    }
    run_child(NAME, &[(EXPECTED, "no roots"), ("SSL_CERT_FILE", "/nonexistent.pem")]).await;
}
