//! Events, log lines, spans and metrics, as an operator sees them. In virtual time against the mocks.

mod acquisitions;
#[cfg(feature = "store")]
mod announcements;
mod debug;
#[path = "../support/log.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod log;
mod metrics;
mod names;
mod night;
mod requests;
mod scope;
mod series;
#[cfg(feature = "store")]
mod sharing;
mod spans;
#[cfg(feature = "store")]
mod tenants;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, OAuthClientCredentialsLayer, Origins, TokenCache,
    cache::TokenCacheBuilder,
    endpoint::ClientCredentialsBuilder,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
};
use tracing::subscriber::DefaultGuard;

const SECRET: &str = "hunter2-and-more";
const API: &str = "https://api.test";
const S: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(RegisteredClient::new("orders").secret(SECRET))
        .lifetime(HOUR)
        .build()
}

fn source(idp: &AuthorizationServer) -> ClientCredentialsBuilder {
    ClientCredentials::builder(idp.token_url())
        .client_secret_post("orders", SECRET)
        .transport(idp.service())
}

fn builder(idp: &AuthorizationServer) -> TokenCacheBuilder {
    TokenCache::builder(source(idp).build().unwrap())
}

/// One request to the API through a layer. Returns the status.
async fn call(tokens: &TokenCache, api: &ProtectedApi) -> Result<u16, String> {
    let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([API]).unwrap());
    let request = Request::get(format!("{API}/orders/1")).body(Full::<Bytes>::default()).unwrap();
    let response = layer.layer(api.service()).oneshot(request).await;
    response.map(|response| response.status().as_u16()).map_err(|error| error.to_string())
}

/// The error of a source whose credentials were refused.
fn refused() -> Error {
    Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None)
}

fn logged(level: tracing::Level) -> (log::Log, DefaultGuard) {
    let log = log::Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .with_writer(log.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// Tasks in the background get their turn.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
