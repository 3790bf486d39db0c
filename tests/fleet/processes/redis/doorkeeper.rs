//! Doorkeeper, which revokes the previous token of a client when it issues another one.

use std::{env, fs, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower_oauth2_client_credentials::transport::{HyperClient, HyperTransport};

use super::server::RedisServer;
use crate::{fleet::Fleet, worker::Settings};

/// A client with one valid token at a time, for 5 s.
const CLIENT: &str = "fleet";

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run .ci/real-servers"))
}

struct Doorkeeper {
    url: String,
    secret: String,
    client: HyperClient<Full<Bytes>>,
}

impl Doorkeeper {
    fn new() -> Self {
        let secret = PathBuf::from(variable("INTEROP_RUN")).join("secret.doorkeeper");
        Self {
            url: variable("INTEROP_DOORKEEPER"),
            secret: fs::read_to_string(secret).unwrap(),
            client: HyperTransport::builder().build_client().unwrap(),
        }
    }

    fn settings(&self, redis: &RedisServer) -> Settings {
        Settings {
            number: 0,
            control: String::new(),
            store: redis.url(),
            token_url: format!("{}/oauth/token", self.url),
            api: self.url.clone(),
            path: "/resource".to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: self.secret.clone(),
            lease: Duration::from_secs(5),
            store_timeout: Duration::from_secs(5),
        }
    }

    async fn call(&self, request: http::request::Builder, body: String) -> String {
        let request = request.body(Full::from(body)).unwrap();
        let response = self.client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// How many tokens the server has issued to the client.
    async fn issued(&self) -> u64 {
        let request = Request::get(format!("{}/issued/{CLIENT}", self.url));
        self.call(request, String::new()).await.parse().unwrap()
    }

    async fn revoke(&self, token: &str) {
        let credentials = STANDARD.encode(format!("{CLIENT}:{}", self.secret));
        let request = Request::post(format!("{}/oauth/revoke", self.url))
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.call(request, format!("token={token}")).await;
    }
}

/// Requests in flight with the previous token are answered 401, and replayed.
#[tokio::test]
#[ignore = "needs Doorkeeper and redis-server (run .ci/real-servers)"]
async fn no_request_fails_and_each_life_costs_one_token_request() {
    let (redis, server) = (RedisServer::start([]), Doorkeeper::new());
    let mut fleet = Fleet::start(&server.settings(&redis)).await;
    assert_eq!(server.issued().await, 0);
    fleet.burst(10).await;
    assert_eq!(server.issued().await, 1);
    fleet.start_traffic(Duration::from_millis(200)).await;
    let mut last = fleet.common_token_after(|_| false).await;
    for life in 2..=5 {
        last = fleet.common_token_after(|token| token == last).await;
        assert_eq!(server.issued().await, life);
    }
    // A request in flight with the token before this one would lose both, and is sent again only once.
    fleet.stop_traffic().await;
    fleet.start_traffic(Duration::from_millis(200)).await;
    server.revoke(&last).await;
    fleet.common_token_after(|token| token == last).await;
    assert_eq!(server.issued().await, 6);
    fleet.stop_traffic().await;
}
