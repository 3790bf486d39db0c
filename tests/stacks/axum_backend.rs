//! A backend on axum that calls a protected API.

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, task::JoinSet};
use tower_oauth2_client_credentials::testing::{MockResponse, MockServer, ProtectedApi};

use crate::Idp;

#[allow(dead_code)]
#[path = "../../examples/axum.rs"]
mod example;

struct World {
    idp: Idp,
    api: ProtectedApi,
    backend: String,
    _api_server: MockServer,
}

impl World {
    async fn start() -> Self {
        let idp = Idp::start().await;
        let api = ProtectedApi::new(&idp.idp);
        let api_server = api.listen().await.unwrap();
        let routes = example::backend(idp.client().unwrap().into_cache(), &api_server.url());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, routes.unwrap()).into_future());
        Self { idp, api, backend, _api_server: api_server }
    }

    /// A call of the backend's user.
    async fn get(&self, path: &str) -> (StatusCode, String) {
        get(format!("{}{path}", self.backend)).await
    }
}

async fn get(url: String) -> (StatusCode, String) {
    let user = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let (head, body) = user.get(url.parse().unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn its_handlers_share_one_token_and_pass_the_answer_on() {
    let world = World::start().await;
    let mut calls = JoinSet::new();
    for id in 0..50 {
        calls.spawn(get(format!("{}/invoices/{id}", world.backend)));
    }
    for (status, body) in calls.join_all().await {
        assert_eq!(status, StatusCode::OK);
        assert!(body.starts_with('{'), "the API's document: {body}");
    }
    assert_eq!((world.api.accepted(), world.idp.idp.token_requests()), (50, 1));
    let mut paths: Vec<_> =
        world.api.recorded().iter().map(|request| request.uri.path().to_owned()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 50);

    world.idp.idp.revoke_all();
    assert_eq!(world.get("/invoices/1").await.0, StatusCode::OK);
    assert_eq!((world.api.rejected(), world.idp.idp.token_requests()), (1, 2));
}

#[tokio::test]
async fn its_callers_learn_which_server_is_down_and_nothing_else() {
    let world = World::start().await;
    world.idp.idp.always(MockResponse::StatusRetryAfter(503, 60));
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, String::new());
    assert_eq!(world.get("/ready").await, unavailable);
    assert_eq!(world.get("/invoices/1").await, unavailable);
    assert_eq!(world.api.requests(), 0);
    assert_eq!(world.idp.idp.token_requests(), 1, "the failure is remembered");
}

#[tokio::test]
async fn an_api_that_rejects_this_service_does_not_turn_its_caller_away() {
    let world = World::start().await;
    assert_eq!(world.get("/ready").await, (StatusCode::OK, "Ready".into()));
    world.api.always_reject(true);
    assert_eq!(world.get("/invoices/1").await, (StatusCode::BAD_GATEWAY, String::new()));
}
