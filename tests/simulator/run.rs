//! One run: the cache and its clients, and traffic for a while.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, advance, sleep, timeout};
use tower::{Layer, Service, ServiceExt, util::BoxCloneService};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    TokenSource as _,
    replay::{CloneBodies, NoReplay},
    source::AcquireContext,
};

use crate::{
    api::{Api, Id},
    faults::{Plan, Replays},
    idp::{FLIGHT, TokenEndpoint},
    invariants::Kind,
    side::{Sides, runtime},
    world::{Shared, Tally, World, lock},
};

type Client = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

/// Every call ends within this time after the run's last.
const LONGEST_CALL: Duration = Duration::from_secs(100);

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) events: u64,
    pub(crate) fingerprint: u64,
}

/// Runs a seed for this many simulated seconds.
///
/// # Errors
///
/// The first broken promise, with the events before it.
pub(crate) fn run(seed: u64, seconds: u64) -> Result<(Outcome, Tally), String> {
    let mut rng = Rng::with_seed(seed);
    // The cache draws from the thread's generator.
    fastrand::seed(rng.u64(..));
    let plan = Plan::draw(&mut rng, seconds);
    let mut sides = (plan.freeze > 0.0).then(|| Sides::new(rng.u64(..), seconds));
    let runtime = runtime();
    let shared = runtime.block_on(async {
        let shared = Shared::new(World::new(plan, rng.fork()).into());
        let mut driver = Driver::new(shared.clone(), rng);
        driver.drive(&mut sides).await;
        lock(&shared).over = true;
        shared
    });
    drop(runtime);
    if let Some(sides) = sides {
        sides.discard();
    }
    let world = lock(&shared);
    match &world.violation {
        None => {
            let outcome =
                Outcome { events: world.trail.count, fingerprint: world.trail.fingerprint };
            Ok((outcome, world.tally))
        }
        Some(violation) => Err(format!(
            "seed {seed}: {violation}\nafter {} events, the last ones:\n{}\n{:#?}\nreplay: \
             SIM_FIRST_SEED={seed} SIM_SEEDS=1 SIM_SECONDS={seconds} cargo test --test simulator",
            world.trail.count, world.trail, world.plan
        )),
    }
}

/// Ends an acquisition in the model, however its future ends.
struct Landing {
    shared: Shared,
    number: u64,
    result: Option<bool>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.shared).acquisition_ends(self.number, self.result);
    }
}

fn cache(shared: &Shared) -> TokenCache {
    let wall = shared.clone();
    let endpoint = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_basic("simulator", "not a secret")
        .transport(TokenEndpoint(shared.clone()))
        .wall_clock(move || lock(&wall).wall())
        .build()
        .expect("the settings are good");
    let (world, observed, clock) = (shared.clone(), shared.clone(), shared.clone());
    let keep_warm = lock(shared).plan.keep_warm;
    TokenCache::builder(move |acquire: AcquireContext| {
        let (shared, endpoint) = (world.clone(), endpoint.clone());
        async move {
            let number = lock(&shared).acquisition_starts(&acquire);
            let mut landing = Landing { shared, number, result: None };
            let result = FLIGHT.scope(number, endpoint.acquire(acquire)).await;
            landing.result = Some(result.is_ok());
            result
        }
    })
    .keep_warm(keep_warm)
    .wall_clock(move || lock(&clock).wall())
    .observer(move |event| lock(&observed).reported(event))
    .build()
}

fn client(shared: &Shared, cache: &TokenCache, number: usize) -> (Client, Replays) {
    let replays = lock(shared).plan.apis[number].replays;
    let origins = Origins::parse(["https://api.example.com"]).expect("an origin");
    let layer = OAuthClientCredentialsLayer::new(cache.clone(), origins);
    let api = Api { shared: shared.clone(), number };
    let client = match replays {
        Replays::Empty => BoxCloneService::new(layer.layer(api)),
        Replays::NoReplay => BoxCloneService::new(layer.replay(NoReplay).layer(api)),
        Replays::Clone => BoxCloneService::new(layer.replay(CloneBodies).layer(api)),
    };
    (client, replays)
}

struct Driver {
    shared: Shared,
    rng: Rng,
    cache: TokenCache,
    clients: Vec<(Client, Replays)>,
    /// An earlier token, current or not.
    kept: Option<Token>,
}

impl Driver {
    fn new(shared: Shared, rng: Rng) -> Self {
        let cache = cache(&shared);
        let apis = lock(&shared).plan.apis.len();
        let clients = (0..apis).map(|number| client(&shared, &cache, number)).collect();
        Self { shared, rng, cache, clients, kept: None }
    }

    async fn drive(&mut self, sides: &mut Option<Sides>) {
        while lock(&self.shared).goes_on() {
            let (gap, calls) = self.arrival();
            sleep(gap).await;
            for _ in 0..calls {
                self.call().await;
            }
            self.meddle();
            if let Some(sides) = sides {
                self.stand_still(sides);
            }
            self.disturb_wall_clock();
            if self.rng.f64() < self.chance(|plan| plan.jump) {
                let step = Duration::from_secs([1, 20, 300, 4000][self.rng.usize(0..4)]);
                lock(&self.shared).steps(step);
                advance(step).await;
            }
        }
        let last = Instant::now() + LONGEST_CALL;
        while lock(&self.shared).model.open > 0 && lock(&self.shared).violation.is_none() {
            sleep(Duration::from_millis(100)).await;
            if Instant::now() > last {
                lock(&self.shared).violated("P3", "a call never ended".into());
            }
        }
    }

    fn chance(&self, of: impl FnOnce(&Plan) -> f64) -> f64 {
        of(&lock(&self.shared).plan)
    }

    /// The time of the next requests, and their number.
    fn arrival(&mut self) -> (Duration, u32) {
        let (gap, burst, idle) = {
            let plan = &lock(&self.shared).plan;
            (plan.gap, plan.burst, plan.idle)
        };
        if self.rng.f64() < idle {
            return (Duration::from_secs(self.rng.u64(5..120)), 1);
        }
        let calls = if self.rng.f64() < burst { self.rng.u32(5..40) } else { 1 };
        let gap = gap as f64 * -(1.0 - self.rng.f64()).ln();
        (Duration::from_millis((gap as u64).min(5000)), calls)
    }

    async fn call(&mut self) {
        let dropped = self.chance(|plan| plan.dropped);
        let longest = [5, 500, 20_000][self.rng.usize(0..3)];
        let patience =
            (self.rng.f64() < dropped).then(|| Duration::from_millis(self.rng.u64(0..longest)));
        match self.rng.u8(0..20) {
            0 => self.get(patience),
            1 => {
                let token = self.cache.current();
                let mut world = lock(&self.shared);
                let now = world.now();
                world.called(now);
                drop(world);
                self.kept = token.or(self.kept.take());
            }
            _ => self.request(patience),
        }
    }

    fn request(&mut self, patience: Option<Duration>) {
        let at = self.rng.usize(0..self.clients.len());
        let empty = self.rng.bool();
        let (client, replays) = &mut self.clients[at];
        let may_replay = match replays {
            Replays::Empty => empty,
            Replays::NoReplay => false,
            Replays::Clone => true,
        };
        let id = lock(&self.shared).begins(Kind::Request, may_replay);
        let body = if empty { Bytes::new() } else { Bytes::from_static(b"body") };
        let request = Request::post("https://api.example.com/things")
            .extension(Id(id))
            .body(Full::new(body))
            .expect("a request");
        // Some callers hold the service, some clone it for each call.
        let shared = self.shared.clone();
        if self.rng.u8(0..4) > 0 {
            let calling = client.call(request);
            tokio::spawn(finish(shared, id, patience, calling));
        } else {
            tokio::spawn(finish(shared, id, patience, client.clone().oneshot(request)));
        }
    }

    fn get(&self, patience: Option<Duration>) {
        let (shared, cache) = (self.shared.clone(), self.cache.clone());
        let id = lock(&shared).begins(Kind::Get, false);
        tokio::spawn(async move {
            let Some(result) = patiently(patience, cache.get()).await else {
                return lock(&shared).dropped(id);
            };
            got(&shared, id, result);
        });
    }

    /// Forced refreshes, with and without reason, and revocations.
    fn meddle(&mut self) {
        if self.rng.f64() < self.chance(|plan| plan.invalidate) {
            if self.rng.bool() {
                self.kept = self.cache.current().or(self.kept.take());
            }
            if let Some(token) = &self.kept {
                lock(&self.shared).rejects(number(token));
                self.cache.invalidate(token);
            }
        }
        if self.rng.f64() < self.chance(|plan| plan.force) {
            let (shared, cache) = (self.shared.clone(), self.cache.clone());
            let id = lock(&shared).begins(Kind::Force, false);
            tokio::spawn(async move {
                lock(&shared).forces();
                let result = cache.force_refresh().await;
                got(&shared, id, result);
            });
        }
        if self.rng.f64() < self.chance(|plan| plan.revoke) {
            let mut world = lock(&self.shared);
            world.note("revoked", "", 0, 0);
            world.issued.iter_mut().for_each(|issued| issued.revoked = true);
        }
    }

    /// Suspends, which only the wall clock shows, and changes of the wall clock.
    fn disturb_wall_clock(&mut self) {
        if self.rng.f64() < self.chance(|plan| plan.suspend) {
            let seconds = [1, 4, 7, 60, 900, 7200, 100_000][self.rng.usize(0..7)];
            lock(&self.shared).suspends(Duration::from_secs(seconds));
        }
        if self.rng.f64() < self.chance(|plan| plan.set_wall) {
            const YEAR: i64 = 365 * 24 * 3600;
            let seconds = [-YEAR, -3600, -20, -3, 3, 20, 3600, YEAR][self.rng.usize(0..8)];
            lock(&self.shared).sets_wall_clock(seconds);
        }
    }

    fn stand_still(&mut self, sides: &mut Sides) {
        if self.rng.f64() < self.chance(|plan| plan.freeze) {
            let (how, cache) = (self.rng.u8(0..3), self.cache.clone());
            let token = self.cache.current();
            let rejected = token.as_ref().filter(|_| how == 1).map(number);
            let shared = self.shared.clone();
            sides.freeze(&self.shared, || match (how, &token) {
                (1, Some(token)) => {
                    lock(&shared).rejects(rejected.expect("there is one"));
                    cache.invalidate(token);
                }
                (2, _) => drop(cache.current()),
                _ => {
                    // Its caller is dropped, and so is the driver of the runtime.
                    let mut get = pin!(cache.get());
                    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                    let _: Poll<_> = get.as_mut().poll(&mut cx);
                }
            });
        }
        match self.rng.u8(0..100) {
            0 => sides.thaw(&self.shared),
            1 if self.rng.bool() => sides.shut_down(&self.shared),
            _ => {}
        }
    }
}

fn number(token: &Token) -> usize {
    token.secret()[1..].parse().expect("the server numbers them")
}

fn got(shared: &Shared, id: usize, result: Result<Token, Error>) {
    match result {
        Ok(token) => lock(shared).got(id, number(&token)),
        Err(error) => lock(shared).errs(id, &error),
    }
}

async fn patiently<T>(patience: Option<Duration>, call: impl Future<Output = T>) -> Option<T> {
    match patience {
        Some(patience) => timeout(patience, call).await.ok(),
        None => Some(call.await),
    }
}

async fn finish(
    shared: Shared,
    id: usize,
    patience: Option<Duration>,
    calling: impl Future<Output = Result<Response<Full<Bytes>>, BoxError>>,
) {
    let mut calling = Box::pin(calling);
    let result = patiently(patience, poll_fn(|cx| calling.as_mut().poll(cx))).await;
    // Its waiter is dropped with it.
    drop(calling);
    let mut world = lock(&shared);
    match result {
        None => world.dropped(id),
        Some(Ok(response)) => world.ends(id, response.status().as_u16()),
        Some(Err(error)) => match error.downcast_ref::<Error>() {
            Some(error) => world.errs(id, error),
            None => world.violated("P3", format!("request {id}: {error}")),
        },
    }
}
