//! A backend service with `/metrics` for Prometheus and `/readyz` for a load balancer. Its
//! authorization server, its API and the store that it shares tokens through follow a script: healthy,
//! sharing, not sharing, degraded, down, recovered, rejecting, accepting.
//!
//! ```sh
//! cargo run --features store --example metrics
//! ```
//!
//! It prints the scrape at each stage, and exits with an error if a stage is not visible there. All
//! servers are embedded.

use axum::{Router, body::Body, extract::State, routing::get};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentials, OAuthClientCredentialsLayer, Origins,
    TokenCache,
    store::{MemoryFault, MemoryStore, SealingKey, Shared},
    testing::{AuthorizationServer, MockResponse, ProtectedApi, RegisteredClient},
};

/// The handlers' state.
#[derive(Clone)]
struct Backend {
    client: OAuthClientCredentials<Client<HttpConnector, Body>>,
    tokens: TokenCache,
    api: String,
    scrape: PrometheusHandle,
}

/// The status for callers: 503 without a token, 502 if the API refuses.
async fn order(State(backend): State<Backend>) -> StatusCode {
    let request = Request::get(format!("{}/orders/1", backend.api)).body(Body::empty());
    match backend.client.oneshot(request.expect("the URI is valid")).await {
        Ok(response) if response.status().is_success() => StatusCode::OK,
        Ok(_) => StatusCode::BAD_GATEWAY,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A service with a token is ready, also if the next refresh may fail.
async fn readyz(State(backend): State<Backend>) -> StatusCode {
    let is_ready = backend.tokens.readiness().has_token();
    if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn scrape(State(backend): State<Backend>) -> String {
    backend.scrape.render()
}

/// A user of the backend.
struct User {
    http: Client<HttpConnector, Body>,
    url: String,
}

impl User {
    async fn get(&self, path: &str) -> Result<(u16, String), BoxError> {
        let response = self.http.get(format!("{}{path}", self.url).parse()?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Prints the scrape of a stage. Each of these time series must be in it, and above zero.
    async fn stage(&self, name: &str, statuses: [u16; 2], series: &[&str]) -> Result<(), BoxError> {
        let (order, ready) = (self.get("/orders").await?.0, self.get("/readyz").await?.0);
        let (_, scrape) = self.get("/metrics").await?;
        println!("== {name}: /orders {order}, /readyz {ready}");
        let lines = scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.for_each(|line| println!("{line}"));
        println!();
        if [order, ready] != statuses {
            return Err(format!("{name}: expected {statuses:?}").into());
        }
        for series in series {
            let value = scrape.lines().find_map(|line| line.strip_prefix(series));
            let value: f64 = value.unwrap_or_default().trim().parse().unwrap_or(0.0);
            if value <= 0.0 {
                return Err(format!("{name}: {series} is not above zero").into());
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Before the first client, so that its gauges are there from the start.
    let seconds = [0.01, 0.1, 1.0, 10.0];
    let scrape_handle = PrometheusBuilder::new().set_buckets(&seconds)?.install_recorder()?;

    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
    // In production a `RedisStore`, and a key from a secret: `openssl rand -base64 32`.
    let store = MemoryStore::new();
    let key = SealingKey::from_bytes(b"not a real key, just an example.")?;
    let instance = |name: &str| {
        let source = ClientCredentials::builder(token_server.token_url())
            .client_secret_basic("my-service", "s3cret")
            .attempts(1)
            .build()?;
        let shared = Shared::builder(source, store.clone()).sealed_with([key.clone()]).build()?;
        Ok::<_, BoxError>(TokenCache::builder(shared).name(name).build())
    };
    let tokens = instance("orders")?;

    let http = Client::builder(TokioExecutor::new()).build_http();
    let origins = Origins::parse([api_server.url()])?;
    let client = OAuthClientCredentialsLayer::new(tokens.clone(), origins).layer(http.clone());
    let state =
        Backend { client, tokens: tokens.clone(), api: api_server.url(), scrape: scrape_handle };
    let routes = Router::new()
        .route("/orders", get(order))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(state);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let user = User { http, url: format!("http://{}", listener.local_addr()?) };
    tokio::spawn(axum::serve(listener, routes).into_future());

    let requests = |outcome: &str, reason: &str| {
        let labels = format!("client=\"orders\",outcome=\"{outcome}\",reason=\"{reason}\"");
        format!("oauth_client_token_requests_total{{{labels}}}")
    };
    let caches = |readiness: &str| {
        format!("oauth_client_caches{{client=\"orders\",readiness=\"{readiness}\"}}")
    };

    let healthy = [requests("success", "missing"), caches("ready")];
    user.stage("healthy", [200, 200], &healthy.each_ref().map(String::as_str)).await?;

    // Another instance of the service takes the token from the store.
    let other = instance("orders-other")?;
    other.warm_up().await?;
    let shared = "oauth_client_shared_tokens_total{client=\"orders-other\",way=\"acquisition\"}";
    let operations = |operation: &str, outcome: &str| {
        let labels = format!("client=\"orders\",operation=\"{operation}\",outcome=\"{outcome}\"");
        format!("oauth_client_store_operations_total{{{labels}}}")
    };
    user.stage("sharing", [200, 200], &[shared, &operations("write", "success")]).await?;

    // The store fails, so this instance acquires for itself.
    store.set_fault(MemoryFault::Down);
    tokens.clear();
    let without = "oauth_client_caches_without_store{client=\"orders\"}";
    user.stage("not sharing", [200, 200], &[without, &operations("read", "failure")]).await?;

    // It works again. The other instance gets the next token without asking.
    store.set_fault(MemoryFault::None);
    tokens.clear();
    let announced =
        "oauth_client_shared_tokens_total{client=\"orders-other\",way=\"announcement\"}";
    user.stage("sharing again", [200, 200], &[announced]).await?;

    // The refresh fails. The token is still valid.
    idp.always(MockResponse::Status(503));
    tokens.force_refresh().await?;
    let degraded = [requests("server_error", "forced"), caches("degraded")];
    user.stage("degraded", [200, 200], &degraded.each_ref().map(String::as_str)).await?;

    // The token is worthless too, for instance because its certificate was replaced.
    tokens.clear();
    let cooldown = "oauth_client_cooldown_end_timestamp_seconds{client=\"orders\"}";
    user.stage("down", [503, 503], &[&caches("failed"), cooldown]).await?;

    // An operator fixed the server, and does not wait for the end of the cooldown.
    idp.recover();
    tokens.end_cooldown();
    user.stage("recovered", [200, 200], &[&caches("ready")]).await?;

    // The API rejects each token. Two rejections start acquisitions, since the forced refresh above
    // drew on the same budget of three. The next one only returns the API's answer.
    api.always_reject(true);
    for _ in 0..2 {
        user.get("/orders").await?;
    }
    let rejections = "oauth_client_rejections_total{client=\"orders\",action=\"budget_exhausted\"}";
    let replays = "oauth_client_replays_total{client=\"orders\",reason=\"other_token\"}";
    user.stage("rejecting", [502, 200], &[&caches("degraded"), rejections, replays]).await?;

    // It accepts them again.
    api.always_reject(false);
    user.stage("accepting", [200, 200], &[&caches("degraded")]).await
}
