//! The mock authorization server and API: in memory on virtual time, and over loopback sockets.
#![cfg(feature = "testing")]

mod in_memory;
mod on_sockets;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError,
    testing::{
        AuthorizationServer, ConnectionClosed, MockBody, MockResponse, ProtectedApi,
        RegisteredClient,
    },
};

const GOOD: &str = "grant_type=client_credentials&client_id=id&client_secret=secret";

fn ask(url: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body.to_owned()))
        .unwrap()
}

fn call(url: &str, token: &str) -> Request<Full<Bytes>> {
    Request::get(url)
        .header("authorization", format!("Bearer {token}"))
        .body(Full::default())
        .unwrap()
}

async fn json_of<B: Body<Error: std::fmt::Debug>>(response: Response<B>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

fn server() -> AuthorizationServer {
    AuthorizationServer::builder().client(RegisteredClient::new("id").secret("secret")).build()
}

/// A valid request in memory, and the JSON of its response.
async fn token_of(idp: &AuthorizationServer) -> Value {
    let response = idp.service().oneshot(ask(&idp.token_url(), GOOD)).await.unwrap();
    assert_eq!(response.status(), 200);
    json_of(response).await
}

async fn status_of(idp: &AuthorizationServer) -> u16 {
    idp.service().oneshot(ask(&idp.token_url(), GOOD)).await.unwrap().status().as_u16()
}
