//! The safe order of layers for redirects: the follower above, this crate's layer below.
//!
//! Each hop passes through this crate's layer, which compares the hop's origin with the token's
//! origins. In the reverse order the follower would sit between the layer and the client, and its
//! policy would decide what happens to `Authorization` on the next hop.
//!
//! Needs no setup: the API redirects to another server that records its requests.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{Empty, Full};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    testing::{AuthorizationServer, RegisteredClient},
};

const API: &str = "https://api.example.com";
const ELSEWHERE: &str = "https://elsewhere.example.net";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("id").secret("secret")).build();
    let tokens = ClientCredentials::builder(idp.token_url().to_string())
        .transport(idp.service())
        .client_secret_basic("id", "secret")
        .build()?
        .into_cache();

    let hops = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hops);
    let web = service_fn(move |request: Request<Empty<Bytes>>| {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let with_token = request.headers().contains_key(header::AUTHORIZATION);
        seen.lock().expect("nobody panics here").push((host.clone(), with_token));
        let mut response = Response::new(Full::<Bytes>::default());
        if API.ends_with(&host) {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            let target = header::HeaderValue::from_static(ELSEWHERE);
            response.headers_mut().insert(header::LOCATION, target);
        }
        async move { Ok::<_, Infallible>(response) }
    });

    let client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse([API])?))
        .service(web);

    let request = Request::get(format!("{API}/things")).body(Empty::new())?;
    let response = client.oneshot(request).await?;
    println!("answered with {}", response.status());
    let hops = hops.lock().expect("nobody panics here");
    for (host, with_token) in hops.iter() {
        println!("{host:24} {}", if *with_token { "with the token" } else { "without the token" });
    }
    let expected =
        [("api.example.com".to_owned(), true), ("elsewhere.example.net".to_owned(), false)];
    if *hops != expected { Err("a token went where it does not belong".into()) } else { Ok(()) }
}
