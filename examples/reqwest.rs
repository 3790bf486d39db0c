//! reqwest in a tower stack, and for the token requests too. Both servers are embedded.
//!
//! ```sh
//! cargo run --example reqwest --features reqwest
//! ```
//!
//! It exits with an error if a step has another result than the comments say.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    replay::ReqwestBodies,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::ReqwestService,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let (api, elsewhere) = (ProtectedApi::new(&idp), ProtectedApi::new(&idp));
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
    let elsewhere_server = elsewhere.listen().await?;
    let there = elsewhere_server.url();
    api.respond_with(move |request| {
        let moved = Response::builder().status(StatusCode::FOUND).header("location", &there);
        (request.uri.path() == "/moved").then(|| moved.body(Bytes::new()).expect("a good header"))
    });

    // Your service starts here. The builder sets TLS and timeouts.
    let http = ReqwestService::new(reqwest::Client::builder())?;
    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("my-service", "s3cret")
        .scope("things:write")
        .transport(http.clone())
        .build()?
        .into_cache();
    let origins = Origins::parse([api_server.url()])?;
    let mut client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new()) // above the layer, so that it sees each hop
        .layer(OAuthClientCredentialsLayer::new(tokens, origins).replay(ReqwestBodies))
        .service(http);

    let things = format!("{}/things", api_server.url());
    for round in ["a first token", "the same token", "a token that was revoked"] {
        if round == "a token that was revoked" {
            idp.revoke_all();
        }
        let request = Request::post(&things).body(reqwest::Body::from(r#"{"name":"a thing"}"#))?;
        let response = reqwest::Response::from(client.ready().await?.call(request).await?);
        let status = response.status();
        println!("POST /things with {round}: {status}, {}", response.text().await?);
        if status != StatusCode::OK {
            return Err("the API refused the token".into());
        }
    }
    let counts = (idp.token_requests(), api.accepted(), api.rejected());
    println!(
        "{} token requests, {} accepted, {} rejected and sent again",
        counts.0, counts.1, counts.2
    );
    if counts != (2, 3, 1) {
        return Err("a revoked token costs one token request and one more sending".into());
    }

    let request =
        Request::get(format!("{}/moved", api_server.url())).body(reqwest::Body::default())?;
    let status = client.ready().await?.call(request).await?.status();
    println!("GET /moved, redirected to another origin without the token: {status}");
    if (status, elsewhere.unauthenticated()) != (StatusCode::UNAUTHORIZED, 1) {
        return Err("a token went to another origin".into());
    }
    Ok(())
}
