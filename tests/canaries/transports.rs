//! Passwords of proxies, userinfo in URLs, and private keys of certificates.

use std::fs;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, OAuthClientCredentialsLayer, Origins, Token, TokenCache, TokenSource as _,
    config::ClientCredentialsConfig,
    event::AcquisitionReason,
    layer::WithoutToken,
    source::AcquireContext,
    transport::{ChainAndKey, ClientIdentity, HyperTransport, ProxySettings},
};

use crate::{
    capture::{Shown, canary, plain_canary},
    encodings::form,
    journey::ID,
    peer::echoing,
    tls::{Authority, Files, bounded},
};

fn context() -> AcquireContext {
    AcquireContext::new(AcquisitionReason::Missing)
}

/// A proxy that repeats the credentials, in its status line, a field and the body.
#[tokio::test]
async fn the_password_of_a_proxy() {
    let (shown, password) = (Shown::new(), canary("proxy password"));
    shown.secret("proxy password", "user", &password);
    let proxy = echoing(|got| {
        format!("HTTP/1.1 407 {got}\r\nproxy-authenticate: Basic realm=\"{got}\"\r\n\r\n{got}")
    })
    .await;
    let url = format!("http://user:{}@{proxy}", form(&password, "%20", true));
    let settings = ProxySettings::fixed(&url);
    shown.debug(&settings);
    let builder = || HyperTransport::builder().proxy(&url);
    shown.debug(&builder());
    for target in ["http://idp.test/token", "https://idp.test/token"] {
        let transport = builder().build().unwrap();
        shown.debug(&transport);
        let source = ClientCredentials::builder(target)
            .allow_plain_http()
            .public_client(ID)
            .attempts(1)
            .transport(transport)
            .build()
            .unwrap();
        let error = bounded(source.acquire(context())).await.unwrap_err();
        assert!(error.to_string().contains("proxy"), "{error}");
        shown.error(&error);
        shown.debug(&source);
        let client = builder().build_client::<Empty<Bytes>>().unwrap();
        shown.debug(&client);
        let request = Request::get(target).body(Empty::new()).unwrap();
        shown.error(&*bounded(client.oneshot(request)).await.unwrap_err());
    }
    // From the settings, well-formed and malformed.
    for proxy in [
        url.clone(),
        format!("http://user:{password}@127.0.0.1:1"),
        format!("ftp://user:{}@127.0.0.1:1", form(&password, "%20", true)),
        format!("http://user:{}@", form(&password, "%20", true)),
    ] {
        shown.debug(&ProxySettings::fixed(&proxy));
        shown.result(HyperTransport::builder().proxy(&proxy).build().map(|_| ()));
        let variables = [
            ("OAUTH_TOKEN_URL", "https://idp.test/token"),
            ("OAUTH_CLIENT_ID", ID),
            ("OAUTH_AUTH_METHOD", "none"),
            ("OAUTH_PROXY", &proxy),
        ];
        let config = ClientCredentialsConfig::from_vars("OAUTH_", variables);
        shown.debug(&config);
        shown.result(config.source_builder());
        shown.result(config.transport_builder());
    }
    shown.check();
}

#[tokio::test]
async fn userinfo_in_every_url() {
    let (shown, password) = (Shown::new(), plain_canary("userinfo"));
    shown.secret("userinfo", "user", &password);
    let url = format!("https://user:{password}@host.test/path");
    let builders = [
        ClientCredentials::builder(&url).public_client(ID),
        ClientCredentials::discover(&url).public_client(ID),
        ClientCredentials::builder("https://idp.test/").public_client(ID).resource(&url),
        ClientCredentials::builder(format!("{url}#fragment")).public_client(ID),
        ClientCredentials::builder(format!("ftp://user:{password}@host.test")).public_client(ID),
    ];
    for builder in builders {
        shown.debug(&builder);
        shown.result(builder.build());
    }
    shown.result(Origins::parse([&*url]));
    shown.result(Origins::parse_with_plain_http([&*url]));
    // Userinfo of a request is the caller's. The layer reports the origin without it.
    let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
    let layer =
        OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://a.test"]).unwrap())
            .withheld(WithoutToken::Refuse);
    let api = tower::service_fn(|_: Request<Empty<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<Bytes>::new()))
    });
    let request = Request::get(&url).body(Empty::new()).unwrap();
    let error = layer.layer(api).oneshot(request).await.unwrap_err();
    shown.error(&*error);
    shown.contains("host.test");
    shown.check();
}

/// Keys of certificates have no password in this crate: an encrypted key is refused.
#[tokio::test]
async fn the_key_of_a_certificate() {
    let shown = Shown::new();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let pair = authority.certify("service.test");
    shown.pem("key of the certificate", &pair.key);
    let identity = pair.identity();
    let files = Files::new(&pair);
    shown.debug(&(&identity, files.identity(), ChainAndKey { chain: 1, key: 2 }));
    let encrypted = pair.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for key in [encrypted, pair.key.replace("-----END", "-"), pair.key.replacen("MI", "!!", 1)] {
        let pem = ChainAndKey { chain: &pair.chain, key: &key };
        shown.result(ClientIdentity::from_pem(pem));
        fs::write(&files.key, &key).unwrap();
        shown.result(ClientIdentity::from_files(ChainAndKey {
            chain: &files.chain,
            key: &files.key,
        }));
    }
    shown.error(
        &ClientIdentity::from_pem(ChainAndKey { chain: &pair.key, key: &pair.key }).unwrap_err(),
    );
    // Handshakes that succeed and that fail.
    let idp = tower_oauth2_client_credentials::testing::AuthorizationServer::new();
    let server = idp.listen_tls(authority.server(authority.asking(true))).await.unwrap();
    for transport in [
        authority.client().client_identity(identity.clone()),
        stranger.client().client_identity(identity.clone()),
    ] {
        shown.debug(&transport);
        let source = ClientCredentials::builder(server.token_url())
            .tls_client_auth(ID)
            .client_identity(identity.clone())
            .attempts(1)
            .transport(transport.build().unwrap());
        shown.debug(&source);
        let source = source.build().unwrap();
        shown.debug(&source);
        shown.result(bounded(source.acquire(context())).await);
    }
    assert_eq!(idp.token_requests(), 1);
    shown.check();
}
