//! Tokens never cross tenants. After any eviction, failure, rejection, replay, removal or drop, a
//! request carries its key's token, or none.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt, service_fn, util::BoxCloneService};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, OAuthClientCredentialsLayer, Origins, Token,
    source::AcquireContext,
};

type Body = Empty<Bytes>;
type Client = BoxCloneService<Request<Body>, Response<()>, BoxError>;

const SEEDS: u64 = 40;
const REQUESTS: usize = 400;

/// All parts that change the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: u8,
    scope: u8,
}

impl Key {
    fn any(rng: &mut Rng) -> Self {
        Self { tenant: rng.u8(..5), scope: rng.u8(..2) }
    }

    fn path(self) -> String {
        format!("{}/{}", self.tenant, self.scope)
    }
}

/// Counts of a run, which show that the cases occurred.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    sources: usize,
    acquisitions: usize,
    failures: usize,
    authorized: usize,
    rejections: usize,
    replays: usize,
    bare: usize,
    errors: usize,
    given_up: usize,
}

struct World {
    rng: Mutex<Rng>,
    seen: Mutex<Seen>,
    /// The first request with another tenant's token.
    crossed: Mutex<Option<String>>,
}

impl World {
    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }

    fn chance(&self, share: f64) -> bool {
        self.draw(|rng| rng.f64() < share)
    }

    fn millis(&self, most: u64) -> Duration {
        Duration::from_millis(self.draw(|rng| rng.u64(..most)))
    }

    fn count(&self, count: impl FnOnce(&mut Seen)) {
        count(&mut self.seen.lock().unwrap());
    }

    async fn acquire(self: Arc<Self>, key: Key) -> Result<Token, Error> {
        let serial = {
            let mut seen = self.seen.lock().unwrap();
            seen.acquisitions += 1;
            seen.acquisitions
        };
        sleep(self.millis(3000)).await;
        if self.chance(0.2) {
            self.count(|seen| seen.failures += 1);
            return Err(Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None));
        }
        // Some servers return the same token again.
        let serial = if self.chance(0.2) { 0 } else { serial };
        let token = Token::bearer(format!("{}/{serial}", key.path()))?;
        Ok(token.with_lifetime(Duration::from_secs(2) + self.millis(60_000)))
    }

    /// The API knows a request's tenant by its path.
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<()>, Infallible> {
        let token = request.headers().get(header::AUTHORIZATION);
        let token = token.map(|it| it.to_str().unwrap().to_owned());
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let ours = request.uri().host() == Some("api.example.com") && path != "nobody";
        match &token {
            Some(token) if ours && token.starts_with(&format!("Bearer {path}/")) => {
                self.count(|seen| seen.authorized += 1);
            }
            None if !ours => self.count(|seen| seen.bare += 1),
            _ => {
                let what = format!("{token:?} went to {}", request.uri());
                self.crossed.lock().unwrap().get_or_insert(what);
            }
        }
        let sent = request.extensions().get::<Arc<Mutex<usize>>>().unwrap();
        let nth = {
            let mut sent = sent.lock().unwrap();
            *sent += 1;
            *sent
        };
        self.count(|seen| seen.replays += usize::from(nth == 2));
        sleep(self.millis(2000)).await;
        let mut response = Response::new(());
        if self.chance(0.15) {
            self.count(|seen| seen.rejections += 1);
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = "Bearer error=\"invalid_token\"".parse().unwrap();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        Ok(response)
    }
}

fn tokens(world: &Arc<World>) -> KeyedTokenCache<Key> {
    let source = Arc::clone(world);
    KeyedTokenCache::builder(move |key: &Key| {
        source.count(|seen| seen.sources += 1);
        if source.chance(0.05) {
            return Err(Error::new(ErrorKind::Source));
        }
        let (world, key) = (Arc::clone(&source), *key);
        Ok(move |_: AcquireContext| Arc::clone(&world).acquire(key))
    })
    .capacity(world.draw(|rng| rng.usize(1..6)))
    .acquisition_start_limit(world.draw(|rng| rng.usize(1..4)))
    .idle_time(Duration::from_secs(10))
    .build()
}

fn client(world: &Arc<World>, tokens: &KeyedTokenCache<Key>) -> Client {
    let api = Arc::clone(world);
    let inner = service_fn(move |request| Arc::clone(&api).answer(request));
    let origins = Origins::parse(["https://api.example.com"]).unwrap();
    let layer = OAuthClientCredentialsLayer::keyed(tokens.clone(), origins, |request| {
        request.extensions().get::<Key>().copied()
    });
    BoxCloneService::new(layer.layer(inner))
}

fn request(world: &World) -> Request<Body> {
    let key = world.draw(Key::any);
    let (uri, key) = match world.draw(|rng| rng.u8(..10)) {
        0 => ("https://api.example.com/nobody".to_owned(), None),
        1 => (format!("https://elsewhere.example.com/{}", key.path()), Some(key)),
        _ => (format!("https://api.example.com/{}", key.path()), Some(key)),
    };
    let mut request = Request::get(uri).extension(Arc::new(Mutex::new(0_usize)));
    if let Some(key) = key {
        request = request.extension(key);
    }
    request.body(Body::new()).unwrap()
}

async fn one(world: Arc<World>, client: Client) {
    sleep(world.millis(120_000)).await;
    let patience = Duration::from_secs(1) + world.millis(30_000);
    let call = client.oneshot(request(&world));
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            assert!(error.is::<Error>(), "{error}");
            world.count(|seen| seen.errors += 1);
        }
        Err(_) => world.count(|seen| seen.given_up += 1),
    }
}

/// Direct use of the keyed cache in parallel to the layer.
async fn meddle(world: Arc<World>, tokens: KeyedTokenCache<Key>) {
    for _ in 0..100 {
        sleep(world.millis(2400)).await;
        let key = world.draw(Key::any);
        let token = tokens.current(&key);
        if let Some(token) = &token {
            assert!(token.secret().starts_with(&key.path()), "{} for {key:?}", token.secret());
        }
        match (world.draw(|rng| rng.u8(..3)), token) {
            (0, Some(token)) => tokens.invalidate(&key, &token),
            // Another key's token has no effect here.
            (1, Some(token)) => tokens.invalidate(&world.draw(Key::any), &token),
            _ => tokens.remove(&key),
        }
    }
}

#[test]
fn tokens_never_cross_tenants() {
    let mut all = Vec::new();
    for seed in 0..SEEDS {
        // The caches' random numbers, on this thread.
        fastrand::seed(seed);
        let world = Arc::new(World {
            rng: Mutex::new(Rng::with_seed(seed)),
            seen: Mutex::default(),
            crossed: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let tokens = tokens(&world);
            let client = client(&world, &tokens);
            let mut tasks: Vec<_> = (0..REQUESTS)
                .map(|_| tokio::spawn(one(Arc::clone(&world), client.clone())))
                .collect();
            tasks.push(tokio::spawn(meddle(Arc::clone(&world), tokens.clone())));
            for task in tasks {
                task.await.unwrap();
            }
        });
        let crossed = world.crossed.lock().unwrap().take();
        assert_eq!(crossed, None, "seed {seed}");
        all.push(*world.seen.lock().unwrap());
    }
    let total = |of: fn(&Seen) -> usize| all.iter().map(of).sum::<usize>();
    println!("the first run: {:?}", all[0]);
    // Of 10 keys, so most of these follow an eviction.
    assert!(total(|it| it.sources) > 1_000);
    assert!(total(|it| it.authorized) > 3_000);
    assert!(total(|it| it.bare) > 1_000);
    for rare in [
        total(|it| it.acquisitions),
        total(|it| it.failures),
        total(|it| it.rejections),
        total(|it| it.replays),
        total(|it| it.errors),
        total(|it| it.given_up),
    ] {
        assert!(rare > 100, "{rare}");
    }
}
