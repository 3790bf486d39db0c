//! One client for several APIs, each with its own authorization server and scope: a layer for each,
//! and no token for other origins.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
    testing::{AuthorizationServer, MockResponse, ProtectedApi, RegisteredClient},
};

type Body = Empty<Bytes>;
type Client = BoxCloneService<Request<Body>, Response<()>, BoxError>;

/// The target to which the API redirects this path.
fn next(path: &str) -> Option<&'static str> {
    Some(match path {
        "/to-b" => "https://b.example/to-elsewhere",
        "/to-elsewhere" => "https://elsewhere.example/to-a",
        "/to-a" => "https://a.example/back",
        _ => return None,
    })
}

fn answer(path: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    if let Some(next) = next(path) {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(header::LOCATION, next.parse().unwrap());
    }
    response
}

/// An API with its authorization server.
struct Side {
    idp: AuthorizationServer,
    api: ProtectedApi,
    origin: &'static str,
}

impl Side {
    fn new(origin: &'static str) -> Self {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new(origin).secret("s3cret"))
            .build();
        let api = ProtectedApi::builder(&idp).resource(|it| answer(it.uri.path())).build();
        Self { idp, api, origin }
    }

    fn tokens(&self) -> TokenCache {
        let source = ClientCredentials::builder(self.idp.token_url())
            .client_secret_basic(self.origin, "s3cret")
            .scope(format!("{}/read", self.origin))
            .transport(self.idp.service());
        source.build().unwrap().into_cache()
    }

    fn layer(&self) -> OAuthClientCredentialsLayer {
        OAuthClientCredentialsLayer::new(self.tokens(), Origins::parse([self.origin]).unwrap())
    }

    /// Counts of accepted, rejected and unauthenticated requests.
    fn counts(&self) -> [u64; 3] {
        [self.api.accepted(), self.api.rejected(), self.api.unauthenticated()]
    }
}

struct World {
    a: Side,
    b: Side,
    client: Client,
    /// The `Authorization` of each request to another origin.
    elsewhere: Arc<Mutex<Vec<Option<HeaderValue>>>>,
}

impl World {
    fn new() -> Self {
        let [a, b] = ["https://a.example", "https://b.example"].map(Side::new);
        let elsewhere = Arc::default();
        let stack = ServiceBuilder::new()
            .layer(FollowRedirectLayer::new())
            .layer(a.layer())
            .layer(b.layer())
            .service(web([&a, &b], Arc::clone(&elsewhere)));
        let client = BoxCloneService::new(stack);
        Self { a, b, client, elsewhere }
    }

    async fn call(&self, uri: &str) -> StatusCode {
        let request = Request::get(uri).body(Body::new()).unwrap();
        self.client.clone().oneshot(request).await.unwrap().status()
    }
}

/// One client that reaches all hosts.
fn web(sides: [&Side; 2], elsewhere: Arc<Mutex<Vec<Option<HeaderValue>>>>) -> Client {
    let apis = sides.map(|side| (side.origin, side.api.service()));
    BoxCloneService::new(service_fn(move |request: Request<Body>| {
        let host = request.uri().host().unwrap_or_default();
        let api = apis.iter().find(|(origin, _)| origin.ends_with(host));
        let api = api.map(|(_, api)| api.clone());
        let elsewhere = Arc::clone(&elsewhere);
        async move {
            if let Some(api) = api {
                return Ok(api.oneshot(request).await?.map(drop));
            }
            let own = request.headers().get(header::AUTHORIZATION).cloned();
            elsewhere.lock().unwrap().push(own);
            Ok(answer(request.uri().path()).map(drop))
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn each_api_gets_the_token_of_its_own_authorization_server() {
    let world = World::new();
    for uri in ["https://a.example/1", "https://b.example/2", "https://a.example/3"] {
        assert_eq!(world.call(uri).await, 200);
    }
    assert_eq!(world.call("https://elsewhere.example/4").await, 200);
    assert_eq!((world.a.counts(), world.b.counts()), ([2, 0, 0], [1, 0, 0]));
    assert_eq!(*world.elsewhere.lock().unwrap(), [None]);
    for side in [&world.a, &world.b] {
        let requests = side.idp.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].form_value("scope"), Some(&*format!("{}/read", side.origin)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_from_one_to_the_other_changes_the_token() {
    let world = World::new();
    // From a to b, to another origin, and back to a.
    assert_eq!(world.call("https://a.example/to-b").await, 200);
    assert_eq!((world.a.counts(), world.b.counts()), ([2, 0, 0], [1, 0, 0]));
    assert_eq!(*world.elsewhere.lock().unwrap(), [None]);
    // Another scheme or port of the same host is another origin.
    for uri in ["http://a.example/", "https://b.example:8443/"] {
        let web = web([&world.a, &world.b], Arc::default());
        let stack =
            ServiceBuilder::new().layer(world.a.layer()).layer(world.b.layer()).service(web);
        let request = Request::get(uri).body(Body::new()).unwrap();
        assert_eq!(stack.oneshot(request).await.unwrap().status(), 401);
    }
    assert_eq!((world.a.counts(), world.b.counts()), ([2, 0, 1], [1, 0, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_by_one_api_does_not_affect_the_others() {
    let world = World::new();
    for uri in ["https://a.example/", "https://b.example/"] {
        assert_eq!(world.call(uri).await, 200);
    }
    world.a.idp.revoke_all();
    assert_eq!(world.call("https://a.example/").await, 200);
    world.b.idp.always(MockResponse::Status(503));
    world.a.api.always_reject(true);
    assert_eq!(world.call("https://a.example/").await, 401);
    assert_eq!(world.call("https://b.example/").await, 200);
    // Token requests for a: the first, one for the revocation, and one or two for the request that
    // is rejected twice.
    assert!((3..=4).contains(&world.a.idp.token_requests()));
    assert_eq!(world.b.idp.token_requests(), 1);
}
