//! A reverse proxy that adds a token. Applications on the same machine call an API through it and
//! know nothing of tokens.
//!
//! ```sh
//! cargo run --example sidecar    # tries itself against embedded servers
//! UPSTREAM=https://api.example.com TOKEN_URL=https://idp.example.com/token \
//!     CLIENT_ID=my-service CLIENT_SECRET_FILE=/run/secrets/idp cargo run --example sidecar
//! ```
//!
//! Both directions stream. An `Authorization` that comes in is replaced. `/-/ready` tells a probe
//! whether a token is cached.
//!
//! Every client that reaches the proxy calls the API with its rights. So it listens on loopback
//! (`LISTEN`, default `127.0.0.1:8080`) and accepts only its own hosts: loopback names, the address
//! that it listens on, and those in `HOSTS` (comma-separated, with their ports). A web page whose
//! name resolves to this machine (DNS rebinding) is refused that way. `CONNECT` and `TRACE` are
//! refused, and fields that are meant for this proxy are not passed on.

use std::{env, net::SocketAddr};

use axum::{Router, body::Body, extract::State, response::IntoResponse, routing::get};
use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, Version, header,
    uri::Authority,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, signal, sync::oneshot};
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, OAuthClientCredentials, OAuthClientCredentialsLayer,
    Origins, TokenCache,
    cache::ReadinessWatch,
    client_auth::Secret,
    layer::ExistingAuthorization,
    replay::BufferBodies,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let Ok(upstream) = env::var("UPSTREAM") else { return try_it().await };
    let tokens = ClientCredentials::builder(env::var("TOKEN_URL")?).client_secret_basic(
        env::var("CLIENT_ID")?,
        Secret::from_file(env::var("CLIENT_SECRET_FILE")?),
    );
    // Warm without traffic too, because a proxy that is not ready gets none.
    let tokens = TokenCache::builder(tokens.build()?).keep_warm(true).build();
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(listen).await?;
    serve(listener, tokens, &upstream, told_to_stop()).await
}

/// Ctrl-C, or the signal of Kubernetes and systemd.
async fn told_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! { _ = terminate.recv() => {}, _ = signal::ctrl_c() => {} }
        return;
    }
    drop(signal::ctrl_c().await);
}

/// Proxies until the signal, then finishes the requests in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    tokens: TokenCache,
    upstream: &str,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BoxError> {
    let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http();
    let client = Client::builder(TokioExecutor::new()).build(https.enable_all_versions().build());
    let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([upstream])?)
        .existing_authorization(ExistingAuthorization::Replace)
        .replay(BufferBodies::<Body>::new(64 * 1024, Body::new));
    let hosts = own_hosts(listener.local_addr()?);
    let proxy = Proxy { client: layer.layer(client), upstream: upstream.parse()?, hosts };
    let routes = Router::new().fallback(pass).with_state(proxy);
    // A kubelet names the pod's address, so the probe accepts any host. Its response is not secret.
    let probe = Router::new().route("/-/ready", get(ready)).with_state(tokens.subscribe());
    // The probe reports the missing token, so nothing waits for it here.
    tokio::spawn(tokens.get());
    axum::serve(listener, routes.merge(probe)).with_graceful_shutdown(stop).await?;
    Ok(())
}

#[derive(Clone)]
struct Proxy {
    client: OAuthClientCredentials<Client<HttpsConnector<HttpConnector>, Body>, BufferBodies<Body>>,
    upstream: Uri,
    hosts: Vec<(String, u16)>,
}

fn own_hosts(listening: SocketAddr) -> Vec<(String, u16)> {
    let port = listening.port();
    let names = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
    let more = env::var("HOSTS").unwrap_or_default();
    let more = more.split(',').map(|host| host.trim().to_owned());
    let all = names.into_iter().chain([listening.to_string()]).chain(more);
    all.filter_map(|host| host_and_port(host.as_bytes())).collect()
}

fn host_and_port(authority: &[u8]) -> Option<(String, u16)> {
    let authority = Authority::try_from(authority).ok().filter(|it| !it.as_str().contains('@'))?;
    let port = authority.port().map_or(Some(80), |port| port.as_str().parse().ok())?;
    Some((authority.host().to_ascii_lowercase(), port))
}

/// The proxy is named by the `Host` field, by the URI (HTTP/2, absolute form), or by both.
fn refusal(proxy: &Proxy, request: &Request<Body>) -> Option<StatusCode> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let mut fields = request.headers().get_all(header::HOST).iter();
    let (field, None) = (fields.next(), fields.next()) else {
        return Some(StatusCode::BAD_REQUEST);
    };
    let field = field.map(|host| host.as_bytes());
    let uri = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let mut named = field.into_iter().chain(uri).peekable();
    let is_own = |host| host_and_port(host).is_some_and(|host| proxy.hosts.contains(&host));
    let accepted = named.peek().is_some() && named.all(is_own);
    (!accepted).then_some(StatusCode::MISDIRECTED_REQUEST)
}

async fn pass(State(proxy): State<Proxy>, mut request: Request<Body>) -> Response<Body> {
    if let Some(status) = refusal(&proxy, &request) {
        return status.into_response();
    }
    let mut uri = proxy.upstream.into_parts();
    uri.path_and_query = request.uri().path_and_query().cloned();
    let Ok(uri) = Uri::from_parts(uri) else { return StatusCode::BAD_REQUEST.into_response() };
    *request.uri_mut() = uri;
    // The proxy and the API choose the version of their connection.
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().remove(header::HOST);
    remove_hop_by_hop(request.headers_mut());
    match proxy.client.oneshot(request).await.inspect_err(|error| eprintln!("{error}")) {
        Ok(mut response) => {
            remove_hop_by_hop(response.headers_mut());
            response.map(Body::new)
        }
        Err(error) if error.is::<Error>() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Hop-by-hop fields: those that `Connection` names, and these (RFC 9110 §7.6.1, §11.7).
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let lines = [header::CONNECTION, HeaderName::from_static("proxy-connection")];
    let lines = lines.iter().flat_map(|name| headers.get_all(name));
    let named = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let named = named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    for name in named.collect::<Vec<_>>() {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

async fn ready(State(watch): State<ReadinessWatch>) -> (StatusCode, String) {
    let ready = watch.current().is_some_and(|readiness| readiness.has_token());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{:?}\n", watch.current()))
}

async fn try_it() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("sidecar").secret("s3cret"))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("sidecar", "s3cret")
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let proxy = tokio::spawn(async move {
        serve(listener, tokens.into_cache(), &api_server.url(), async { drop(stopped.await) }).await
    });
    let application = Client::builder(TokioExecutor::new()).build_http::<Body>();
    for path in ["/things", "/things", "/-/ready"] {
        let request = Request::get(format!("{url}{path}")).header("authorization", "Bearer wrong");
        let status = application.request(request.body(Body::empty())?).await?.status();
        println!("{path}: {status}");
        if status != StatusCode::OK {
            return Err("it should have been let in".into());
        }
    }
    drop(stop);
    proxy.await??;
    let as_promised = (api.accepted(), idp.token_requests()) == (2, 1);
    if as_promised { Ok(()) } else { Err("the counts are not what the crate promises".into()) }
}
