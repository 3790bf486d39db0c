//! reqwest-middleware: a client that is used like reqwest's own. Both servers are embedded.
//!
//! ```sh
//! cargo run --example reqwest_middleware --features reqwest-middleware
//! ```
//!
//! It exits with an error if a step has another result than the comments say.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest_middleware::ClientBuilder;
use tokio::task::JoinSet;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Origins,
    layer::SkipToken,
    middleware::OAuthClientCredentialsMiddleware,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::ReqwestService,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .delay(Duration::from_millis(100))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

    // Your service starts here. The builder sets TLS and timeouts. The client follows no redirects.
    let http = ReqwestService::new(reqwest::Client::builder())?;
    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("my-service", "s3cret")
        .scope("things:write")
        .transport(http.clone())
        .build()?
        .into_cache();
    let client = ClientBuilder::new(http.client().clone())
        .with(OAuthClientCredentialsMiddleware::new(tokens, Origins::parse([api_server.url()])?))
        .build();

    let things = format!("{}/things", api_server.url());
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        calls.spawn(client.get(&things).send());
    }
    let statuses = calls.join_all().await.into_iter().map(|it| Ok(it?.status()));
    let statuses = statuses.collect::<Result<Vec<_>, BoxError>>()?;
    println!("100 at once, cold: {} token request", idp.token_requests());
    if statuses.iter().any(|status| *status != StatusCode::OK) || idp.token_requests() != 1 {
        return Err("a hundred share one token request".into());
    }

    idp.revoke_all();
    let response = client.post(&things).body(r#"{"name":"a thing"}"#).send().await?;
    println!("POST /things with a token that was revoked: {}", response.status());
    if (response.status(), api.rejected(), idp.token_requests()) != (StatusCode::OK, 1, 2) {
        return Err("a rejected token is replaced and the request is replayed".into());
    }

    let health = client.get(format!("{}/health", api_server.url())).with_extension(SkipToken);
    println!("GET /health without a token: {}", health.send().await?.status());
    if api.unauthenticated() != 1 {
        return Err("a request that skips the token goes without".into());
    }
    Ok(())
}
