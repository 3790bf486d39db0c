//! hyper-util's client and a custom pool, both authorized and shared by many tasks. Both servers
//! are embedded.
//!
//! ```sh
//! cargo run --example hyper
//! ```
//!
//! It exits with an error if the counts differ from the crate's promises.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::{
    client::{
        legacy::{Client, connect::HttpConnector},
        pool::singleton::Singleton,
    },
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpStream, task::JoinSet};
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_oauth2_client_credentials::{
    ClientCredentials, OAuthClientCredentialsLayer, Origins,
    replay::CloneBodies,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
};

pub(crate) type Body = Full<Bytes>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
    let url = api_server.url();

    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("my-service", "s3cret")
        .build()?
        .into_cache();
    // The bodies are cheap to clone, so every request can be replayed after a rejection.
    let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([&url])?)
        .replay(CloneBodies);

    let client = layer.layer(legacy(false));
    report("legacy client, cold", post_at_once(&client, &url, 100).await?, &idp, 1)?;

    let pooled = layer.layer(pooled());
    report("pool of one connection", post_at_once(&pooled, &url, 100).await?, &idp, 1)?;

    idp.revoke_all();
    report("after a revocation", post_at_once(&client, &url, 100).await?, &idp, 2)
}

fn report(
    name: &str,
    done: usize,
    idp: &AuthorizationServer,
    expected: u64,
) -> Result<(), BoxError> {
    let asked = idp.token_requests();
    println!("{name:<24}{done:>4} requests done, {asked} token requests so far");
    if asked == expected { Ok(()) } else { Err(format!("{expected} were expected").into()) }
}

/// The usual client with its own pool. For `https` give it hyper-rustls' connector.
pub(crate) fn legacy(http2: bool) -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

/// A client for one server. All requests share one HTTP/2 connection, which is made on demand.
pub(crate) fn pooled()
-> impl Service<Request<Body>, Response = Response<Incoming>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ 'static {
    let connect = tower::service_fn(|address: String| async move {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        Ok::<_, BoxError>(Connection(sender))
    });
    let pool = Singleton::new(connect);
    tower::service_fn(move |request: Request<Body>| {
        let mut pool = pool.clone();
        async move {
            let address = address(request.uri())?;
            let connection = pool.ready().await?.call(address).await?;
            Ok(connection.oneshot(request).await?)
        }
    })
}

fn address(uri: &Uri) -> Result<String, BoxError> {
    Ok(uri.authority().ok_or("the URI names no server")?.to_string())
}

/// hyper's connection as a Tower service.
#[derive(Clone)]
struct Connection(http2::SendRequest<Body>);

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Starts `tasks` tasks, each with a clone of the client. Returns how many got a response.
pub(crate) async fn post_at_once<S>(client: &S, url: &str, tasks: usize) -> Result<usize, BoxError>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let mut running = JoinSet::new();
    for number in 0..tasks {
        let request =
            Request::post(format!("{url}/things")).body(Body::from(number.to_string()))?;
        let client = client.clone();
        running.spawn(async move {
            let response = client.oneshot(request).await?;
            let status = response.status();
            response.into_body().collect().await?;
            if status.is_success() { Ok(()) } else { Err(BoxError::from(status.to_string())) }
        });
    }
    let done = running.join_all().await.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(done.len())
}
