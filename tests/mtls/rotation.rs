//! The certificate files are replaced while the client runs.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    testing::{AuthorizationServer, MockServer, ProtectedApi, RegisteredClient},
    transport::{ClientIdentity, HyperClient},
};

use super::{
    NAME, call,
    support::{Authority, Files, bounded},
};

/// Both servers, and a client whose certificate is in files.
struct Stage {
    authority: Authority,
    files: Files,
    identity: ClientIdentity,
    idp: AuthorizationServer,
    api: ProtectedApi,
    api_server: MockServer,
    source: ClientCredentials,
    tokens: TokenCache,
    http: HyperClient<Empty<Bytes>>,
    _idp_server: MockServer,
}

impl Stage {
    async fn new() -> Self {
        let authority = Authority::new();
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("tls").dns_name(NAME))
            .build();
        let api = ProtectedApi::new(&idp);
        let tls = authority.server(authority.asking(true));
        let idp_server = idp.listen_tls(tls.clone()).await.unwrap();
        let api_server = api.listen_tls(tls).await.unwrap();
        let files = Files::new(&authority.certify(NAME));
        let identity = files.identity();
        let transport = || authority.client().client_identity(identity.clone());
        let source = ClientCredentials::builder(idp_server.token_url())
            .tls_client_auth("tls")
            .client_identity(identity.clone())
            .transport(transport().build().unwrap())
            .build()
            .unwrap();
        let tokens = source.clone().into_cache();
        let http = transport().build_client().unwrap();
        let _idp_server = idp_server;
        Self { authority, files, identity, idp, api, api_server, source, tokens, http, _idp_server }
    }

    async fn call(&self) -> StatusCode {
        let token = bounded(self.tokens.get()).await.unwrap();
        call(&self.http, &self.api_server, &token).await
    }

    async fn call_through_the_layer(&self) -> StatusCode {
        let origins = Origins::parse([self.api_server.url().as_str()]).unwrap();
        let layer = OAuthClientCredentialsLayer::new(self.tokens.clone(), origins);
        let client = layer.layer(HyperClient::clone(&self.http));
        let url = format!("{}/things", self.api_server.url());
        let request = Request::get(url).body(Empty::new()).unwrap();
        bounded(client.oneshot(request)).await.unwrap().status()
    }

    fn last_certificates(&self) -> [Option<Bytes>; 2] {
        let (asked, called) = (self.idp.requests(), self.api.recorded());
        [&asked, &called].map(|requests| requests.last().unwrap().client_certificate.clone())
    }
}

#[tokio::test]
async fn a_new_certificate_is_picked_up_and_the_old_ones_tokens_are_dropped() {
    let stage = Stage::new().await;
    let rotations = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&rotations);
    stage.identity.on_rotation(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(stage.call().await, StatusCode::OK);
    let old = stage.tokens.current().unwrap();
    let thumbprint = stage.identity.thumbprint();

    let pair = stage.authority.certify(NAME);
    stage.files.replace(&pair);
    bounded(stage.identity.reload()).await.unwrap();
    assert_eq!((stage.identity.generation(), rotations.load(Ordering::SeqCst)), (1, 1));
    assert_ne!(stage.identity.thumbprint(), thumbprint);
    assert!(stage.tokens.current().is_none(), "bound to a certificate that is no longer shown");
    assert_eq!(stage.call().await, StatusCode::OK);
    assert_eq!(stage.last_certificates(), [Some(pair.der.clone()), Some(pair.der)]);
    // Connections with the old certificate are closed, so the old token is useless.
    assert_eq!(call(&stage.http, &stage.api_server, &old).await, StatusCode::UNAUTHORIZED);
    assert_eq!((stage.idp.token_requests(), stage.api.rejected()), (2, 1));
}

#[tokio::test]
async fn each_cache_of_a_source_drops_its_token_with_the_old_certificate() {
    let stage = Stage::new().await;
    let others = [(); 2].map(|()| stage.source.clone().into_cache());
    let caches = [&stage.tokens, &others[0], &others[1]];
    for tokens in caches {
        bounded(tokens.get()).await.unwrap();
    }
    stage.files.replace(&stage.authority.certify(NAME));
    bounded(stage.identity.reload()).await.unwrap();
    assert!(caches.iter().all(|tokens| tokens.current().is_none()));
}

#[tokio::test]
async fn a_token_request_notices_by_itself_and_is_made_once() {
    let stage = Stage::new().await;
    assert_eq!(stage.call().await, StatusCode::OK);
    let pair = stage.authority.certify(NAME);
    stage.files.replace(&pair);
    let token = bounded(stage.tokens.force_refresh()).await.unwrap();
    assert_eq!((stage.identity.generation(), stage.idp.token_requests()), (1, 2));
    assert_eq!(stage.tokens.current().unwrap().secret(), token.secret());
    assert_eq!(stage.call().await, StatusCode::OK);
    assert_eq!(stage.idp.token_requests(), 2);
    assert_eq!(stage.last_certificates(), [Some(pair.der.clone()), Some(pair.der)]);
}

#[tokio::test]
async fn api_calls_trigger_a_check_of_the_files() {
    let stage = Stage::new().await;
    bounded(stage.tokens.warm_up()).await.unwrap();
    let rotated = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&rotated);
    stage.identity.on_rotation(move || notify.notify_one());
    let pair = stage.authority.certify(NAME);
    stage.files.replace(&pair);
    // The first call triggers a check of the files. It carries the old token. If the check is fast,
    // its connection is new, and the layer gets a token that fits.
    assert_eq!(stage.call_through_the_layer().await, StatusCode::OK);
    bounded(rotated.notified()).await;
    assert_eq!(stage.call_through_the_layer().await, StatusCode::OK);
    assert_eq!(stage.last_certificates(), [Some(pair.der.clone()), Some(pair.der)]);
    assert_eq!(stage.idp.token_requests(), 2);
}

#[tokio::test]
async fn a_torn_read_keeps_the_last_good_identity() {
    let stage = Stage::new().await;
    let pair = stage.authority.certify(NAME);
    let half = &pair.chain[..pair.chain.len() / 2];
    for torn in [half, "", pair.chain.as_str()] {
        fs::write(&stage.files.chain, torn).unwrap();
        let error = bounded(stage.identity.reload()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(stage.identity.generation(), 0);
        assert_eq!(stage.call().await, StatusCode::OK);
    }
    fs::remove_file(&stage.files.chain).unwrap();
    bounded(stage.tokens.force_refresh()).await.unwrap();
    assert_eq!(stage.call().await, StatusCode::OK);

    stage.files.replace(&pair);
    bounded(stage.identity.reload()).await.unwrap();
    assert_eq!(stage.identity.generation(), 1);
    assert_eq!(stage.call().await, StatusCode::OK);
    assert_eq!(stage.last_certificates()[1], Some(pair.der));
}

#[tokio::test]
async fn a_client_of_another_kind_shows_the_current_certificate_on_new_connections() {
    let stage = Stage::new().await;
    let transport = stage.authority.client().client_identity(stage.identity.clone());
    let tls = transport.build_tls_config().unwrap();
    let status = async |token: &Token| {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_only()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let request = Request::get(format!("{}/things", stage.api_server.url()))
            .header("authorization", token.header_value())
            .body(Empty::<Bytes>::new())
            .unwrap();
        bounded(client.request(request)).await.unwrap().status()
    };
    for generation in 1..=2 {
        let token = bounded(stage.tokens.get()).await.unwrap();
        assert_eq!(status(&token).await, StatusCode::OK);
        stage.files.replace(&stage.authority.certify(NAME));
        bounded(stage.identity.reload()).await.unwrap();
        assert_eq!(stage.identity.generation(), generation);
        assert_eq!(status(&token).await, StatusCode::UNAUTHORIZED, "it shows the new one");
    }
}

/// New connections and API calls trigger a check of the files, at most every 5 s.
#[tokio::test]
async fn handshakes_and_calls_do_not_read_the_files_each_time() {
    let stage = Stage::new().await;
    let token = bounded(stage.tokens.get()).await.unwrap();
    let rotated = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&rotated);
    stage.identity.on_rotation(move || notify.notify_one());
    let started = tokio::time::Instant::now();
    let transport = stage.authority.client().client_identity(stage.identity.clone());
    let tls = transport.build_tls_config().unwrap();
    let handshake = async || {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls.clone()));
        let tcp = tokio::net::TcpStream::connect(stage.api_server.addr()).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
        bounded(connector.connect(name, tcp)).await.unwrap();
    };
    // The first one triggers a check.
    stage.files.replace(&stage.authority.certify(NAME));
    handshake().await;
    bounded(rotated.notified()).await;
    for _ in 0..10 {
        stage.files.replace(&stage.authority.certify(NAME));
        handshake().await;
        call(&stage.http, &stage.api_server, &token).await;
        // After any check that was started.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
    let most = 1 + started.elapsed().as_secs() / 5;
    let generation = stage.identity.generation();
    assert!((1..=most).contains(&generation), "{generation} certificates were read");
}
