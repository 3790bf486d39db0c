//! Worker processes that share one token: a cold start, a refresh and a revocation cost one token
//! request each.
//!
//! ```sh
//! cargo run --example fleet    # shares through files in a temporary directory
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --features redis --example fleet
//! ```
//!
//! The first process runs an embedded authorization server and API, and starts this program again for
//! each worker. The example fails if the workers do not send exactly three token requests.

use std::{
    collections::HashSet,
    env, fs,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Empty;
use tokio::time::sleep;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, OAuthClientCredentialsLayer, Origins, TokenCache,
    store::{FileStore, SealingKey, Shared},
    testing::{AuthorizationServer, MockResponse, ProtectedApi, RegisteredClient},
    transport::{HyperClient, HyperTransport, TokenRequest},
};

const WORKERS: usize = 8;
const LIFETIME: Duration = Duration::from_secs(4);
/// For each step, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Names the worker that sent a request.
const WORKER_HEADER: HeaderName = HeaderName::from_static("x-worker");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    match env::var("FLEET_WORKER") {
        Ok(number) => worker(number).await,
        Err(_) => parent().await,
    }
}

/// Calls the API, until the parent ends this process.
async fn worker(number: String) -> Result<(), BoxError> {
    let (number, api) = (HeaderValue::from_str(&number)?, env::var("FLEET_API")?);
    let token_requests = ServiceBuilder::new()
        .map_request({
            let number = number.clone();
            move |mut request: TokenRequest| {
                request.headers_mut().insert(WORKER_HEADER, number.clone());
                request
            }
        })
        .service(HyperTransport::new()?);
    let source = ClientCredentials::builder(env::var("FLEET_TOKEN_URL")?)
        .client_secret_basic("billing", "s3cret")
        .transport(token_requests)
        .build()?;
    let tokens = TokenCache::new(share(source)?);
    let http_client: HyperClient<Empty<Bytes>> = HyperTransport::builder().build_client()?;
    let client =
        OAuthClientCredentialsLayer::new(tokens, Origins::parse([&api])?).layer(http_client);
    loop {
        let request = Request::get(&api).header(WORKER_HEADER, &number).body(Empty::new())?;
        let status = client.clone().oneshot(request).await?.status();
        if !status.is_success() {
            return Err(format!("the API answered {status}").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Wraps the source, so that its token is shared.
fn share(source: ClientCredentials) -> Result<Shared<ClientCredentials>, Error> {
    // In production: `SealingKey::from_file`, with a key that `openssl rand -base64 32` made.
    let key = SealingKey::from_bytes(b"not a real key, just an example.")?;
    let run = env::var("FLEET_RUN").unwrap_or_default();
    let builder = match env::var("REDIS_URL") {
        Ok(url) => Shared::builder(source, redis_store(&url)?),
        Err(_) => Shared::builder(source, FileStore::new(directory(&run))),
    };
    builder
        .sealed_with([key])
        // Separates this run from earlier ones.
        .namespace(run)
        // One machine has one clock. With the default of 5 s, tokens of 4 s would not be shared.
        .clock_skew(Duration::ZERO)
        // A busy machine is no reason for another token request here.
        .store_timeout(Duration::from_secs(2))
        .build()
}

#[cfg(feature = "redis")]
fn redis_store(url: &str) -> Result<impl tower_oauth2_client_credentials::store::Store, Error> {
    tower_oauth2_client_credentials::store::RedisStore::new(url)
}

#[cfg(not(feature = "redis"))]
fn redis_store(_: &str) -> Result<FileStore, Error> {
    use tower_oauth2_client_credentials::ErrorKind;
    Err(Error::new(ErrorKind::Config).with_detail("REDIS_URL is set; add --features redis"))
}

/// The files that the processes of one run share.
fn directory(run: &str) -> PathBuf {
    env::temp_dir().join(format!("fleet-{run}"))
}

/// Starts the servers and the workers, and counts the token requests.
async fn parent() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("billing").secret("s3cret"))
        .lifetime(LIFETIME)
        .delay(Duration::from_millis(200))
        .build();
    idp.on_request(|request| {
        println!(
            "    worker {} acquires a token",
            request.header(WORKER_HEADER.as_str()).unwrap_or("?")
        );
        MockResponse::Issue
    });
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

    match env::var("REDIS_URL") {
        Ok(_) => println!("{WORKERS} workers share a token through REDIS_URL"),
        Err(_) => println!("REDIS_URL is not set: {WORKERS} workers share a token through files"),
    }
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
    let run = format!("{}-{since_1970}", std::process::id());
    let mut workers = Workers { processes: Vec::new(), directory: directory(&run) };
    for number in 1..=WORKERS {
        let process = Command::new(env::current_exe()?)
            .env("FLEET_WORKER", number.to_string())
            .env("FLEET_RUN", &run)
            .env("FLEET_TOKEN_URL", token_server.token_url())
            .env("FLEET_API", api_server.url())
            .spawn()?;
        workers.processes.push(process);
    }

    println!("cold start");
    workers.all_use_token(1, &api).await?;
    println!("refresh");
    workers.all_use_token(2, &api).await?;
    println!("revocation");
    idp.revoke_all();
    workers.all_use_token(3, &api).await?;

    let (token_requests, accepted) = (idp.token_requests(), api.accepted());
    println!("{token_requests} token requests, {accepted} calls accepted");
    if token_requests == 3 { Ok(()) } else { Err("3 token requests were expected".into()) }
}

/// The workers, and the files that they share. Dropping it ends both.
struct Workers {
    processes: Vec<Child>,
    directory: PathBuf,
}

impl Workers {
    /// Waits until each worker has called the API with this token: `tok-1-…` is the first.
    async fn all_use_token(&mut self, token: u32, api: &ProtectedApi) -> Result<(), BoxError> {
        let start = Instant::now();
        let authorization = format!("Bearer tok-{token}-");
        loop {
            let requests = api.recorded();
            let with_token = requests.iter().filter(|it| {
                it.header("authorization").is_some_and(|it| it.starts_with(&authorization))
            });
            let workers: HashSet<_> =
                with_token.filter_map(|it| it.header(WORKER_HEADER.as_str())).collect();
            if workers.len() == WORKERS {
                println!("    all workers use it after {} ms", start.elapsed().as_millis());
                return Ok(());
            }
            for (number, process) in self.processes.iter_mut().enumerate() {
                if let Some(status) = process.try_wait()? {
                    return Err(format!("worker {} ended: {status}", number + 1).into());
                }
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{} workers use token {token}", workers.len()).into());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
