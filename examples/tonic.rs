//! gRPC: generated tonic clients over an authorized channel. Both servers are embedded.
//!
//! ```sh
//! cargo run --example tonic
//! ```
//!
//! The gRPC service is the standard health service, with an interceptor that requires valid tokens.
//! The example exits with an error if a step has another result than the comments say.

use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Request, Status,
    body::Body,
    metadata::MetadataMap,
    service::interceptor::InterceptedService,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    replay::BufferBodies,
    testing::{AuthorizationServer, RegisteredClient},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let token_server = idp.listen().await?;
    let api = serve(&idp).await?;

    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("my-service", "s3cret")
        .scope("health:read")
        .build()?
        .into_cache();
    let channel = Endpoint::from_shared(api)?.connect().await?;
    // Tokens go to the channel's peer. Messages up to 64 KiB are replayed after a rejection.
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream())
        .replay(BufferBodies::<Body>::new(64 * 1024, Body::new))
        .grpc();
    let channel = ServiceBuilder::new().layer(layer).service(channel);
    let mut client = HealthClient::new(channel);

    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let mut client = client.clone();
        calls.spawn(async move { client.check(HealthCheckRequest::default()).await });
    }
    for call in calls.join_all().await {
        call?;
    }
    println!("100 unary calls at once: {} token request", idp.token_requests());
    check(idp.token_requests() == 1)?;

    let mut watching = client.watch(HealthCheckRequest::default()).await?.into_inner();
    let first = watching.message().await?.ok_or("the stream has ended")?;
    println!("a server stream: {:?}", first.status());

    idp.revoke_all();
    client.check(HealthCheckRequest::default()).await?;
    println!("the token was revoked, the call made again: {} token requests", idp.token_requests());
    check(idp.token_requests() == 2)
}

fn check(holds: bool) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err("the counts are not what the crate promises".into()) }
}

/// The health service, protected by tokens, on a free port.
async fn serve(idp: &AuthorizationServer) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let (_reporter, health) = tonic_health::server::health_reporter();
    let idp = idp.clone();
    let guarded =
        InterceptedService::new(health, move |call: Request<()>| match token(call.metadata()) {
            Some(token) if idp.is_active(token) => Ok(call),
            _ => Err(Status::unauthenticated("a live token is wanted")),
        });
    let router = Server::builder().add_service(guarded);
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(address)
}

fn token(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}
