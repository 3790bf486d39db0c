//! One call; a thousand at once; steady traffic across expiries. Both servers are embedded.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! It exits with an error if the counts differ from the crate's promises.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::task::JoinSet;
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneService};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
    testing::{AuthorizationServer, MockServer, ProtectedApi, RegisteredClient},
};

/// Latency of the authorization server: long enough to show which requests wait for it.
const ENDPOINT: Duration = Duration::from_millis(200);
const SHORT_LIFE: Duration = Duration::from_secs(3);
const STEADY: Duration = Duration::from_secs(14);
const GAP: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    println!(
        "{:<26}{:>10}{:>16}{:>9}{:>21}",
        "", "requests", "token requests", "waited", "slowest added wait"
    );
    let mut wrong = Vec::new();

    let stage = Stage::new(Duration::from_secs(3600)).await?;
    let load = stage.at_once(1).await?;
    stage.report("one call", &load);
    stage.check(&load, 1..=1, &mut wrong);

    let stage = Stage::new(Duration::from_secs(3600)).await?;
    let load = stage.at_once(1000).await?;
    stage.report("1,000 at once, cold", &load);
    stage.check(&load, 1..=1, &mut wrong);

    let stage = Stage::new(SHORT_LIFE).await?;
    stage.tokens.warm_up().await?;
    let load = stage.steady(STEADY).await?;
    let expired = stage.tokens_expired();
    stage.report(&format!("steady, {expired} tokens expired"), &load);
    // A token is refreshed after a third of its lifetime at the earliest.
    stage.check(&load, 4..=15, &mut wrong);
    if load.waited > 0 {
        wrong.push(format!("{} requests waited at an expiry", load.waited));
    }
    if expired < 3 {
        wrong.push(format!("only {expired} tokens expired"));
    }

    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
}

type ApiClient = BoxCloneService<Request<Empty<Bytes>>, StatusCode, BoxError>;

/// A pair of servers and a client with an empty cache.
struct Stage {
    idp: AuthorizationServer,
    api: ProtectedApi,
    lifetime: Duration,
    tokens: TokenCache,
    client: ApiClient,
    url: String,
    _listening: [MockServer; 2],
}

impl Stage {
    async fn new(lifetime: Duration) -> Result<Self, BoxError> {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("quickstart").secret("s3cret"))
            .lifetime(lifetime)
            .delay(ENDPOINT)
            .build();
        let api = ProtectedApi::new(&idp);
        let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

        // Your service starts here.
        let tokens = ClientCredentials::builder(token_server.token_url())
            .client_secret_basic("quickstart", "s3cret")
            .scope("things:read")
            .build()?
            .into_cache();
        let origins = Origins::parse([api_server.url().as_str()])?;
        // HTTP/2, so that a thousand requests at once need one connection.
        let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let client = ServiceBuilder::new()
            .layer(OAuthClientCredentialsLayer::new(tokens.clone(), origins))
            .map_request(Probe::reached) // measures for the table
            .service(http);

        let client = client.map_response(|response: Response<_>| response.status()).boxed_clone();
        let url = format!("{}/things", api_server.url());
        Ok(Self { idp, api, lifetime, tokens, client, url, _listening: [token_server, api_server] })
    }

    async fn at_once(&self, requests: u64) -> Result<Load, BoxError> {
        let mut running = JoinSet::new();
        for _ in 0..requests {
            running.spawn(call(self.client.clone(), self.url.clone()));
        }
        Load::gather(running).await
    }

    async fn steady(&self, length: Duration) -> Result<Load, BoxError> {
        let mut running = JoinSet::new();
        let mut ticks = tokio::time::interval(GAP);
        let started = Instant::now();
        while started.elapsed() < length {
            ticks.tick().await;
            running.spawn(call(self.client.clone(), self.url.clone()));
        }
        Load::gather(running).await
    }

    fn tokens_expired(&self) -> usize {
        self.idp.requests().iter().filter(|request| request.at.elapsed() >= self.lifetime).count()
    }

    fn report(&self, name: &str, load: &Load) {
        let (requests, asked) = (self.api.requests(), self.idp.token_requests());
        let slowest = format!("{:.3} ms", load.slowest.as_secs_f64() * 1000.0);
        println!("{name:<26}{requests:>10}{asked:>16}{:>9}{slowest:>21}", load.waited);
    }

    /// Checks that every request arrived once, with a valid token, and the number of token
    /// requests.
    fn check(&self, load: &Load, asked: std::ops::RangeInclusive<u64>, wrong: &mut Vec<String>) {
        if self.api.accepted() != load.requests || self.api.requests() != load.requests {
            let (accepted, arrived) = (self.api.accepted(), self.api.requests());
            wrong.push(format!("{} sent, {arrived} arrived, {accepted} accepted", load.requests));
        }
        if !asked.contains(&self.idp.token_requests()) || self.idp.max_in_flight() != 1 {
            let (requests, at_once) = (self.idp.token_requests(), self.idp.max_in_flight());
            wrong.push(format!("{requests} token requests, {at_once} at one time"));
        }
    }
}

/// Travels with a request, and notes when the inner HTTP client gets it.
#[derive(Clone)]
struct Probe(Arc<OnceLock<Instant>>);

impl Probe {
    fn reached(request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
        if let Some(probe) = request.extensions().get::<Self>() {
            // Only the first time counts. A replay comes after a wait that was measured already.
            let _ = probe.0.set(Instant::now());
        }
        request
    }
}

/// Sends one request. Returns whether it waited, and how much later it was sent.
async fn call(mut client: ApiClient, url: String) -> Result<(bool, Duration), BoxError> {
    let probe = Probe(Arc::default());
    let request = Request::get(url).extension(probe.clone()).body(Empty::new())?;
    let client = client.ready().await?;
    let started = Instant::now();
    let answer = client.call(request);
    // With a cached token, `call` calls the inner client before it returns.
    let waited = probe.0.get().is_none();
    let status = answer.await?;
    if status != StatusCode::OK {
        return Err(format!("the API answered {status}").into());
    }
    let reached = probe.0.get().ok_or_else(|| io::Error::other("the request was never sent"))?;
    Ok((waited, reached.duration_since(started)))
}

#[derive(Default)]
struct Load {
    requests: u64,
    waited: u64,
    slowest: Duration,
}

impl Load {
    async fn gather(
        mut running: JoinSet<Result<(bool, Duration), BoxError>>,
    ) -> Result<Self, BoxError> {
        let mut load = Self::default();
        while let Some(called) = running.join_next().await {
            let (waited, added) = called??;
            load.requests += 1;
            load.waited += u64::from(waited);
            load.slowest = load.slowest.max(added);
        }
        Ok(load)
    }
}
