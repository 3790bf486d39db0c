//! A backend service that calls a protected API. The authorized client is in its state. All servers
//! are embedded.
//!
//! ```sh
//! cargo run --example axum
//! ```
//!
//! It calls itself, and exits with an error if the counts differ from the crate's promises.

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinSet};
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, OAuthClientCredentials, OAuthClientCredentialsLayer,
    Origins, TokenCache,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
};

/// The handlers' state. A clone is three handles.
#[derive(Clone)]
struct Backend {
    client: OAuthClientCredentials<Client<HttpConnector, Body>>,
    tokens: TokenCache,
    api: String,
}

/// The backend's routes, over an API.
pub(crate) fn backend(tokens: TokenCache, api: &str) -> Result<Router, BoxError> {
    // For `https` give the client hyper-rustls' connector.
    let client = Client::builder(TokioExecutor::new()).build_http();
    let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([api])?);
    let state = Backend { client: layer.layer(client), tokens, api: api.to_owned() };
    let routes = Router::new().route("/invoices/{id}", get(invoice)).route("/ready", get(ready));
    Ok(routes.with_state(state))
}

/// Returns the API's response unchanged.
async fn invoice(State(backend): State<Backend>, Path(id): Path<u64>) -> Result<Response, Failure> {
    let request = Request::get(format!("{}/invoices/{id}", backend.api)).body(Body::empty())?;
    let response = backend.client.oneshot(request).await?;
    if response.status() == StatusCode::UNAUTHORIZED {
        // The API refused this service's token, not the caller.
        return Err(Failure("the API rejects this service's tokens".into()));
    }
    Ok(response.map(Body::new))
}

/// Gets the first token, and the next one after an outage. Probes are the only traffic that this
/// needs.
async fn ready(State(backend): State<Backend>) -> Result<String, Failure> {
    backend.tokens.warm_up().await?;
    Ok(format!("{:?}", backend.tokens.readiness()))
}

/// The error that a caller sees. It does not say why there is no token; the log does.
struct Failure(BoxError);

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        eprintln!("{}", self.0);
        let status = match self.0.downcast_ref::<Error>() {
            Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            None => StatusCode::BAD_GATEWAY,
        };
        status.into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("my-service", "s3cret")
        .scope("invoices:read")
        .build()?
        .into_cache();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, backend(tokens, &api_server.url())?);
    tokio::spawn(server.into_future());

    call(&url, 50).await?;
    println!("50 calls at once: {} token request", idp.token_requests());
    idp.revoke_all();
    call(&url, 50).await?;
    println!("50 after a revocation: {} token requests in all", idp.token_requests());
    let as_promised = api.accepted() == 100 && idp.token_requests() == 2;
    if as_promised { Ok(()) } else { Err("the counts are not what the crate promises".into()) }
}

/// Calls the backend without a token, as its users do.
async fn call(url: &str, times: u64) -> Result<(), BoxError> {
    let user = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let mut running = JoinSet::new();
    for id in 0..times {
        running.spawn(user.get(format!("{url}/invoices/{id}").parse()?));
    }
    for answer in running.join_all().await {
        let status = answer?.status();
        if status != StatusCode::OK {
            return Err(format!("the backend answered {status}").into());
        }
    }
    Ok(())
}
