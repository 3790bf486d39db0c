//! Two servers on loopback, and clients of reqwest for both.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use reqwest::{Body, Client, ClientBuilder};
use reqwest_middleware::ClientWithMiddleware;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, Origins, TokenCache,
    middleware::OAuthClientCredentialsMiddleware,
    testing::{AuthorizationServer, MockServer, ProtectedApi, RegisteredClient},
    transport::ReqwestService,
};

pub(crate) struct Stage {
    pub(crate) idp: AuthorizationServer,
    pub(crate) api: ProtectedApi,
    pub(crate) token_server: MockServer,
    pub(crate) api_server: MockServer,
    pub(crate) http: ReqwestService,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("me").secret("s3cret"))
            .build();
        let api = ProtectedApi::new(&idp);
        Self::of(idp, api).await
    }

    pub(crate) async fn of(idp: AuthorizationServer, api: ProtectedApi) -> Self {
        let (token_server, api_server) = (idp.listen().await.unwrap(), api.listen().await.unwrap());
        let http = ReqwestService::new(direct()).unwrap();
        Self { idp, api, token_server, api_server, http }
    }

    pub(crate) fn source(&self) -> ClientCredentials {
        ClientCredentials::builder(self.token_server.token_url())
            .client_secret_basic("me", "s3cret")
            .transport(self.http.clone())
            .build()
            .unwrap()
    }

    pub(crate) fn tokens(&self) -> TokenCache {
        self.source().into_cache()
    }

    pub(crate) fn origins(&self) -> Origins {
        Origins::parse([self.api_server.url()]).unwrap()
    }

    /// The middleware with its defaults.
    pub(crate) fn client(&self) -> ClientWithMiddleware {
        self.client_over(self.http.client().clone())
    }

    pub(crate) fn client_over(&self, http: Client) -> ClientWithMiddleware {
        let middleware = OAuthClientCredentialsMiddleware::new(self.tokens(), self.origins());
        reqwest_middleware::ClientBuilder::new(http).with(middleware).build()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/things", self.api_server.url())
    }

    /// The requests to the API.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        let recorded = self.api.recorded();
        recorded.iter().map(|it| it.header("authorization").map(str::to_owned)).collect()
    }
}

/// A builder that ignores the proxy variables of the test's environment.
pub(crate) fn direct() -> ClientBuilder {
    Client::builder().no_proxy().timeout(Duration::from_secs(30))
}

/// A proxy for plain `http` that forwards each host to its address, and requires the credentials
/// `user:hunter2`.
pub(crate) async fn forwarding_proxy(hosts: Vec<(&'static str, SocketAddr)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let hosts = hosts.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let text = String::from_utf8_lossy(&head).to_lowercase();
                // printf user:hunter2 | base64, in lower case
                assert!(text.contains("proxy-authorization: basic dxnlcjpodw50zxiy"), "{text}");
                let named = |host: &str| text.contains(&format!(" http://{host}/"));
                let to = hosts.iter().find(|(host, _)| named(host)).expect("a known host").1;
                let mut server = TcpStream::connect(to).await?;
                server.write_all(&head).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

/// A body that reqwest treats as a stream.
pub(crate) fn stream(text: &'static str) -> Body {
    Body::wrap(Full::<Bytes>::from(text))
}

pub(crate) fn redirect(status: u16, location: String) -> Response<Bytes> {
    Response::builder().status(status).header("location", location).body(Bytes::new()).unwrap()
}

/// This crate's error in a middleware's error.
pub(crate) fn ours(error: &reqwest_middleware::Error) -> Option<&Error> {
    Error::find(error)
}
