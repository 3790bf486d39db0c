//! The environment of one stack: a token source, an API, and the one permit in front of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use tokio::{sync::Semaphore, time::sleep};
use tower::limit::ConcurrencyLimit;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    layer::{ByKey, RequestHead},
    replay::EmptyBodies,
    source::AcquireContext,
};

use crate::composition::bottom::{Api, Body, answer, rejection};

pub(crate) const API: &str = "https://api.example.com/";

type Pick = fn(&RequestHead<'_>) -> Option<()>;

/// Latency of a token request.
pub(crate) const LATENCY: Duration = Duration::from_millis(100);

/// The condition of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Case {
    /// A token is cached.
    Fresh,
    /// No token is cached.
    Cold,
    /// A token is cached, and the API rejects it.
    Rejected,
    /// A token is cached, and the API's client fails.
    Broken,
    /// No token is cached, and the authorization server fails.
    NoToken,
}

impl Case {
    pub(crate) const ALL: [Self; 5] =
        [Self::Fresh, Self::Cold, Self::Rejected, Self::Broken, Self::NoToken];
}

/// The form of the layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tokens {
    /// The layer of one cache.
    One,
    /// The layer of a keyed cache.
    Keyed,
}

pub(crate) struct World {
    cache: TokenCache,
    keyed: KeyedTokenCache<()>,
    pub(crate) api: Api,
    pub(crate) permits: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    healed: Arc<AtomicBool>,
}

impl World {
    /// For the layer of one cache.
    pub(crate) async fn new(case: Case) -> Self {
        Self::of(case, Tokens::One).await
    }

    pub(crate) async fn of(case: Case, tokens: Tokens) -> Self {
        let healed = Arc::new(AtomicBool::new(false));
        let is_healed = Arc::clone(&healed);
        let api = Api::new(move |seen| match case {
            Case::Rejected if seen.token == "t1" => Ok(rejection()),
            Case::Broken if !is_healed.load(SeqCst) => Err("broken pipe".into()),
            _ => Ok(answer(StatusCode::OK)),
        });
        let is_healed = Arc::clone(&healed);
        let works = move || case != Case::NoToken || is_healed.load(SeqCst);
        let world = Self::with(api, Duration::from_secs(3600), works, healed);
        if !matches!(case, Case::Cold | Case::NoToken) {
            world.warm_up(tokens).await;
        }
        world
    }

    pub(crate) async fn warm_up(&self, tokens: Tokens) {
        match tokens {
            Tokens::One => self.cache.warm_up().await.unwrap(),
            Tokens::Keyed => drop(self.keyed.get(&()).await.unwrap()),
        }
    }

    /// With its own API, and tokens of this lifetime.
    pub(crate) fn around(api: Api, life: Duration) -> Self {
        Self::with(api, life, || true, Arc::default())
    }

    fn with(
        api: Api,
        life: Duration,
        works: impl Fn() -> bool + Clone + Send + Sync + 'static,
        healed: Arc<AtomicBool>,
    ) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let source = move |_: AcquireContext| {
            let (nth, works) = (count.fetch_add(1, SeqCst) + 1, works.clone());
            async move {
                sleep(LATENCY).await;
                if !works() {
                    return Err(Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None));
                }
                Ok(Token::bearer(format!("t{nth}"))?.with_lifetime(life))
            }
        };
        let cache = TokenCache::new(source.clone());
        let keyed = KeyedTokenCache::new(move |(): &()| Ok(source.clone()));
        Self { cache, keyed, api, permits: Arc::new(Semaphore::new(1)), asked, healed }
    }

    /// Ends all failures.
    pub(crate) fn heal(&self) {
        self.healed.store(true, SeqCst);
    }

    /// The number of token requests.
    pub(crate) fn token_requests(&self) -> usize {
        self.asked.load(SeqCst)
    }

    pub(crate) fn ours(&self) -> OAuthClientCredentialsLayer {
        let origins = Origins::parse([API]).unwrap();
        OAuthClientCredentialsLayer::new(self.cache.clone(), origins)
    }

    pub(crate) fn keyed(&self) -> OAuthClientCredentialsLayer<EmptyBodies, ByKey<(), Pick>> {
        let origins = Origins::parse([API]).unwrap();
        let pick: Pick = |_| Some(());
        OAuthClientCredentialsLayer::keyed(self.keyed.clone(), origins, pick)
    }

    /// The API behind its one permit.
    pub(crate) fn bottom(&self) -> ConcurrencyLimit<Api> {
        ConcurrencyLimit::with_semaphore(self.api.clone(), Arc::clone(&self.permits))
    }

    /// The same, ready at once, because a load shedder treats a service that is not ready as
    /// overloaded.
    pub(crate) fn prompt_bottom(&self) -> ConcurrencyLimit<Api> {
        let api = self.api.clone().prompt();
        ConcurrencyLimit::with_semaphore(api, Arc::clone(&self.permits))
    }
}

pub(crate) fn request() -> Request<Body> {
    Request::get(API).body(Body::default()).unwrap()
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
