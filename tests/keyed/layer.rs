//! The layer of a keyed cache, against the mocks in memory.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, KeyedTokenCache, OAuthClientCredentialsLayer, Origins,
    cache::KeyedTokenCacheBuilder,
    layer::{ExistingAuthorization, RequestHead, SkipToken, WithoutToken},
    replay::NoReplay,
    testing::{AuthorizationServer, MockResponse, ProtectedApi},
};

type Body = Empty<Bytes>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Tenant(u32);

struct World {
    idp: AuthorizationServer,
    api: ProtectedApi,
}

impl World {
    fn new() -> Self {
        let idp = AuthorizationServer::new();
        Self { api: ProtectedApi::new(&idp), idp }
    }

    fn tokens(&self) -> KeyedTokenCacheBuilder<Tenant> {
        let idp = self.idp.clone();
        KeyedTokenCache::builder(move |tenant: &Tenant| {
            ClientCredentials::builder(idp.token_url())
                .client_secret_post(tenant.0.to_string(), "s3cret")
                .transport(idp.service())
                .build()
        })
    }

    fn origins(&self) -> Origins {
        Origins::parse([self.api.url()]).unwrap()
    }

    /// Counts of accepted, rejected and unauthenticated requests.
    fn counts(&self) -> [u64; 3] {
        [self.api.accepted(), self.api.rejected(), self.api.unauthenticated()]
    }

    fn request(&self) -> http::request::Builder {
        Request::get(self.api.url())
    }
}

macro_rules! client {
    ($world:expr, $tokens:expr $(, $set:ident($to:expr))*) => {{
        let tenant = |request: &RequestHead<'_>| {
            request.extensions().get::<Tenant>().copied()
        };
        let layer = OAuthClientCredentialsLayer::keyed($tokens.clone(), $world.origins(), tenant);
        let client = layer$(.$set($to))*.layer($world.api.service());
        move |request: http::request::Builder| {
            let call = client.clone().oneshot(request.body(Body::new()).unwrap());
            async { Ok::<_, BoxError>(call.await?.status()) }
        }
    }};
}

fn refused(result: Result<StatusCode, BoxError>) -> bool {
    let error = result.unwrap_err();
    error.downcast::<Error>().unwrap().kind() == ErrorKind::Refused
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_passes_without_a_token_or_is_refused() {
    let world = World::new();
    let tokens = world.tokens().build();
    let passing = client!(world, tokens);
    assert_eq!(passing(world.request()).await.unwrap(), 401);
    assert_eq!(world.counts(), [0, 0, 1]);
    let refusing = client!(world, tokens, without_key(WithoutToken::Refuse));
    assert!(refused(refusing(world.request()).await));
    assert_eq!(refusing(world.request().extension(Tenant(1))).await.unwrap(), 200);
    assert_eq!((world.counts(), world.idp.token_requests()), ([1, 0, 1], 1));
}

#[tokio::test(start_paused = true)]
async fn requests_that_get_no_token_need_no_key_and_make_no_cache() {
    let world = World::new();
    let tokens = world.tokens().build();
    let call = client!(world, tokens, without_key(WithoutToken::Refuse));
    let elsewhere = Request::get("https://elsewhere.test/");
    assert_eq!(call(elsewhere.extension(Tenant(1))).await.unwrap(), 401);
    assert_eq!(call(world.request().extension(SkipToken)).await.unwrap(), 401);
    assert_eq!(world.counts(), [0, 0, 2]);
    let own = world.request().header(header::AUTHORIZATION, "Bearer own");
    assert_eq!(call(own).await.unwrap(), 401);
    assert_eq!(world.counts(), [0, 1, 2]);
    assert!(tokens.is_empty());
    let call = client!(world, tokens, existing_authorization(ExistingAuthorization::Refuse));
    let own = world.request().header(header::AUTHORIZATION, "Bearer own");
    assert!(refused(call(own.extension(Tenant(1))).await));
    let call = client!(world, tokens, existing_authorization(ExistingAuthorization::Replace));
    let own = world.request().header(header::AUTHORIZATION, "Bearer own");
    assert_eq!(call(own.extension(Tenant(1))).await.unwrap(), 200);
    let call = client!(world, tokens, withheld(WithoutToken::Refuse));
    assert!(refused(call(Request::get("https://elsewhere.test/").extension(Tenant(1))).await));
}

/// No cache has an observer for it, so only `tracing` gets it.
#[tokio::test(start_paused = true)]
async fn p14_a_request_without_a_key_is_reported_with_its_origin() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
    let subscriber = subscriber.with_writer(move || writer.clone()).with_ansi(false).finish();
    // With two dispatchers, `tracing` asks both about a callsite that another test's thread reaches
    // first. Otherwise it would ask that thread's dispatcher only, and never again.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _listening = tracing::subscriber::set_default(subscriber);
    let world = World::new();
    let call = client!(world, world.tokens().build());
    for _ in 0..3 {
        assert_eq!(call(world.request()).await.unwrap(), 401);
    }
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = lines.lines().filter(|line| line.contains("no_key")).collect();
    assert!(matches!(lines[..], [line] if line.contains(&world.api.url())), "{lines:?}");
}

/// The key can come from any part of a request except its body.
#[tokio::test(start_paused = true)]
async fn a_key_is_picked_from_all_of_a_requests_head() {
    let world = World::new();
    let tokens = world.tokens().build();
    let pick = |request: &RequestHead<'_>| {
        assert!(format!("{request:?}").contains("PUT"), "{request:?}");
        let from_method = u32::from(request.method() == http::Method::PUT);
        let query = request.uri().query()?.parse::<u32>().ok()?;
        let field = request.headers()["x-tenant"].to_str().ok()?.parse::<u32>().ok()?;
        let extension = request.extensions().get::<Tenant>()?.0;
        assert!(!request.headers().contains_key(header::AUTHORIZATION));
        Some(Tenant(from_method + query + field + extension))
    };
    let client = OAuthClientCredentialsLayer::keyed(tokens.clone(), world.origins(), pick);
    let client = client.layer(world.api.service());
    let request = Request::put(format!("{}/?10", world.api.url()))
        .header("x-tenant", "100")
        .extension(Tenant(1000))
        .body(Body::new())
        .unwrap();
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    let requests = world.idp.requests();
    let asked: Vec<_> = requests.iter().filter_map(|it| it.form_value("client_id")).collect();
    assert_eq!(asked, ["1111"]);
}

/// A `Host` field of another origin and `TRACE` carry no tenant's token either. No key is picked
/// for them.
#[tokio::test(start_paused = true)]
async fn p9_other_hosts_and_trace_get_no_tenants_token() {
    let world = World::new();
    let tokens = world.tokens().build();
    let call = client!(world, tokens);
    let trace = world.request().method("TRACE").extension(Tenant(1));
    assert_eq!(call(trace).await.unwrap(), 401);
    let other = world.request().header(header::HOST, "evil.example").extension(Tenant(1));
    assert_eq!(call(other).await.unwrap(), 401);
    assert_eq!((world.counts(), tokens.is_empty()), ([0, 0, 2], true));
    let same = world.request().header(header::HOST, "API.test").extension(Tenant(1));
    assert_eq!(call(same).await.unwrap(), 200);
}

/// The response arrives long after its key's cache was evicted.
#[tokio::test(start_paused = true)]
async fn a_rejected_request_is_replayed_after_its_cache_was_evicted() {
    let world = World::new();
    let tokens = world.tokens().capacity(1).build();
    let call = client!(world, tokens);
    assert_eq!(call(world.request().extension(Tenant(1))).await.unwrap(), 200);
    world.idp.revoke_all();
    world.api.set_delay(Duration::from_secs(10));
    let under_way = tokio::spawn(call(world.request().extension(Tenant(1))));
    sleep(Duration::from_secs(1)).await;
    world.api.set_delay(Duration::ZERO);
    for tenant in 2..50 {
        assert_eq!(call(world.request().extension(Tenant(tenant))).await.unwrap(), 200);
    }
    // Another request of the same key, which was evicted, finds that cache.
    assert_eq!(call(world.request().extension(Tenant(1))).await.unwrap(), 200);
    assert_eq!(under_way.await.unwrap().unwrap(), 200);
    // The first one and its successor, and one for each of the others.
    assert_eq!(world.idp.token_requests(), 2 + 48);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_without_a_replay_reaches_its_keys_cache_only() {
    let world = World::new();
    let tokens = world.tokens().build();
    let call = client!(world, tokens, replay(NoReplay));
    for tenant in [1, 2] {
        assert_eq!(call(world.request().extension(Tenant(tenant))).await.unwrap(), 200);
    }
    let first = tokens.current(&Tenant(1)).unwrap();
    world.idp.revoke(first.secret());
    assert_eq!(call(world.request().extension(Tenant(1))).await.unwrap(), 401);
    for tenant in [1, 2] {
        assert_eq!(call(world.request().extension(Tenant(tenant))).await.unwrap(), 200);
    }
    let requests = world.idp.requests();
    let asked: Vec<_> = requests.iter().filter_map(|it| it.form_value("client_id")).collect();
    assert_eq!(asked, ["1", "2", "1"]);
}

/// One tenant's authorization server is down. Only that tenant's requests fail.
#[tokio::test(start_paused = true)]
async fn the_failure_of_one_tenant_does_not_affect_the_others() {
    let world = World::new();
    let tokens = world.tokens().build();
    let call = client!(world, tokens);
    world.idp.script([MockResponse::OAuthError { status: 401, code: "invalid_client" }]);
    for _ in 0..3 {
        let error = call(world.request().extension(Tenant(1))).await.unwrap_err();
        assert_eq!(error.downcast::<Error>().unwrap().code(), "invalid_client");
        assert_eq!(call(world.request().extension(Tenant(2))).await.unwrap(), 200);
    }
    assert_eq!(world.idp.token_requests(), 2);
}
