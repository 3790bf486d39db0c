//! P7: the reasons for not replaying a rejected request, and their events.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use http::{Method, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    BoxError, Event, KeyedTokenCache, OAuthClientCredentialsLayer, Origins, TokenCache,
    event::{EventKind, NotReplayedReason},
    replay::{CloneBodies, NoReplay, ReplayPolicy},
    source::AcquireContext,
};

use crate::support::{API, Api, Body, Idp, failure, oauth, rejection, request, secs, token};

type Log = Arc<Mutex<Vec<NotReplayedReason>>>;

/// A cache with a token, and the reasons why requests were not replayed.
async fn logged(idp: &Idp) -> (TokenCache, Log) {
    let log = Log::default();
    let events = Arc::clone(&log);
    let observer = move |event: &Event| {
        if let EventKind::NotReplayed { reason, .. } = event.kind() {
            events.lock().unwrap().push(*reason);
        }
    };
    let cache = idp.builder().observer(observer).build();
    cache.warm_up().await.unwrap();
    (cache, log)
}

fn layer(cache: &TokenCache) -> OAuthClientCredentialsLayer {
    OAuthClientCredentialsLayer::new(cache.clone(), Origins::any())
}

fn post() -> Request<Body> {
    Request::post(API).body(Body::from("hello")).unwrap()
}

fn taken(log: &Log) -> Vec<NotReplayedReason> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Keeps bodies and returns none.
#[derive(Clone)]
struct Losing;

impl ReplayPolicy<Body> for Losing {
    type Kept = ();

    fn keep(&self, body: Body) -> (Body, Option<()>) {
        (body, Some(()))
    }

    fn restore(&self, (): ()) -> Option<Body> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn p14_the_event_says_that_a_body_was_not_kept() {
    let idp = Idp::healthy(3600.0, 0.1);
    let (cache, log) = logged(&idp).await;
    let api = Api::accepting(|token| token != "t1");
    let client = layer(&cache).layer(api.clone());
    assert_eq!(client.clone().oneshot(post()).await.unwrap().status(), 401);
    assert_eq!((api.seen().len(), taken(&log)), (1, vec![NotReplayedReason::Policy]));
    assert_eq!(client.oneshot(post()).await.unwrap().status(), 200, "the next has another token");

    let (cache, log) = logged(&Idp::healthy(3600.0, 0.1)).await;
    let client = layer(&cache).replay(NoReplay).layer(Api::accepting(|token| token != "t1"));
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 401);
    assert_eq!(taken(&log), [NotReplayedReason::Policy]);

    let (cache, log) = logged(&Idp::healthy(3600.0, 0.1)).await;
    let client = layer(&cache).replay(Losing).layer(Api::accepting(|token| token != "t1"));
    assert_eq!(client.oneshot(post()).await.unwrap().status(), 401);
    assert_eq!(taken(&log), [NotReplayedReason::BodyUnavailable]);
}

#[tokio::test(start_paused = true)]
async fn p14_the_event_says_that_no_token_helped() {
    let (cache, log) = logged(&Idp::healthy(3600.0, 0.1)).await;
    let client = layer(&cache).layer(Api::new(|_| rejection()));
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 401);
    assert_eq!(taken(&log), [NotReplayedReason::AlreadyReplayed]);

    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        _ => failure(oauth("server_error")),
    });
    let (cache, log) = logged(&idp).await;
    let client = layer(&cache).layer(Api::new(|_| rejection()));
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 401);
    assert_eq!(taken(&log), [NotReplayedReason::NoOtherToken]);
}

/// A replayed request is not reported, and neither is one whose response does not concern the
/// token.
#[tokio::test(start_paused = true)]
async fn p14_the_event_comes_once_a_minute_and_only_with_a_rejection() {
    let (cache, log) = logged(&Idp::healthy(3600.0, 0.1)).await;
    let client = layer(&cache).layer(Api::accepting(|token| token != "t1"));
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 200);
    let api = Api::new(|_| Response::builder().status(404).body(Body::default()).unwrap());
    layer(&cache).layer(api).oneshot(post()).await.unwrap();
    assert_eq!(taken(&log), []);

    let client = layer(&cache).layer(Api::new(|_| rejection()));
    for _ in 0..10 {
        client.clone().oneshot(post()).await.unwrap();
    }
    assert_eq!(taken(&log), [NotReplayedReason::Policy]);
    tokio::time::advance(secs(60.0)).await;
    client.oneshot(post()).await.unwrap();
    assert_eq!(taken(&log), [NotReplayedReason::Policy]);
}

/// With `REPLAYS` off no method is called, for any path of a request.
#[tokio::test(start_paused = true)]
async fn a_policy_that_replays_nothing_is_not_asked() {
    #[derive(Clone)]
    struct Off;

    impl ReplayPolicy<Body> for Off {
        type Kept = ();

        const REPLAYS: bool = false;

        fn keep(&self, _: Body) -> (Body, Option<()>) {
            panic!("asked to keep a body")
        }

        fn restore(&self, (): ()) -> Option<Body> {
            panic!("asked to restore a body")
        }
    }

    for warm in [true, false] {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = idp.cache();
        if warm {
            cache.warm_up().await.unwrap();
        }
        let api = Api::new(|_| rejection());
        let mut client = layer(&cache).replay(Off).layer(api.clone());
        assert_eq!(client.clone().oneshot(post()).await.unwrap().status(), 401);
        assert_eq!(client.ready().await.unwrap().call(post()).await.unwrap().status(), 401);
        assert_eq!(api.seen().len(), 2);

        let (api, keyed) = (
            Api::new(|_| rejection()),
            KeyedTokenCache::new(move |(): &()| {
                let idp = idp.clone();
                Ok(move |acquire: AcquireContext| {
                    let idp = idp.clone();
                    async move { idp.ask(&acquire).await }
                })
            }),
        );
        if warm {
            keyed.get(&()).await.unwrap();
        }
        let layer = OAuthClientCredentialsLayer::keyed(keyed, Origins::any(), |_| Some(()));
        let client = layer.replay(Off).layer(api.clone());
        assert_eq!(client.oneshot(post()).await.unwrap().status(), 401);
        assert_eq!(api.seen().len(), 1);
    }
}

/// The service's reactions to the requests, in order.
#[derive(Clone, Copy)]
enum Does {
    Reject,
    Accept,
    Fail(io::ErrorKind),
}

struct Outcome {
    status: Result<u16, io::ErrorKind>,
    sent: usize,
    reported: Vec<NotReplayedReason>,
}

/// One request through a service with these reactions.
async fn sent(method: Method, script: &'static [Does]) -> Outcome {
    let idp = Idp::healthy(3600.0, 0.1);
    let (cache, log) = logged(&idp).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let api = service_fn(move |request: Request<Body>| {
        let does = script[count.fetch_add(1, SeqCst)];
        assert!(request.headers().contains_key("authorization"));
        async move {
            match does {
                Does::Reject => Ok::<_, BoxError>(rejection()),
                Does::Accept => Ok(Response::new(Body::default())),
                Does::Fail(kind) => Err(io::Error::from(kind).into()),
            }
        }
    });
    let client = layer(&cache).replay(CloneBodies).layer(api);
    let request = Request::builder().method(method).uri(API).body(Body::from("hello")).unwrap();
    let result = client.oneshot(request).await;
    let status = match result {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(error.downcast_ref::<io::Error>().unwrap().kind()),
    };
    assert!(idp.count() <= 2);
    Outcome { status, sent: sent.load(SeqCst), reported: taken(&log) }
}

const RESET: io::ErrorKind = io::ErrorKind::ConnectionReset;
const REFUSED: io::ErrorKind = io::ErrorKind::ConnectionRefused;

/// An API that returns 401 and closes. The replay meets a dead connection, which is not the
/// caller's fault.
#[tokio::test(start_paused = true)]
async fn p7_a_replay_whose_connection_is_lost_is_sent_again_if_that_is_safe() {
    use Does::{Accept, Fail, Reject};
    for (method, script, status) in [
        (Method::GET, &[Reject, Fail(RESET), Accept][..], Ok(200)),
        (Method::PUT, &[Reject, Fail(io::ErrorKind::UnexpectedEof), Accept], Ok(200)),
        // Nothing was sent, so any method is safe.
        (Method::POST, &[Reject, Fail(REFUSED), Accept], Ok(200)),
        (Method::GET, &[Reject, Fail(RESET), Reject], Ok(401)),
    ] {
        let outcome = sent(method, script).await;
        assert_eq!((outcome.status, outcome.sent), (status, 3));
    }
    for (method, script, status) in [
        (Method::POST, &[Reject, Fail(RESET)][..], Err(RESET)),
        (Method::PATCH, &[Reject, Fail(io::ErrorKind::BrokenPipe)], Err(io::ErrorKind::BrokenPipe)),
        (Method::GET, &[Reject, Fail(RESET), Fail(RESET)], Err(RESET)),
    ] {
        let outcome = sent(method, script).await;
        assert_eq!((outcome.status, outcome.sent), (status, script.len()));
        assert_eq!(outcome.reported, [NotReplayedReason::ConnectionLost]);
    }
}

/// The client's errors are passed on, as without this layer. A timeout was long enough for one
/// attempt.
#[tokio::test(start_paused = true)]
async fn p7_errors_of_a_first_attempt_and_timeouts_reach_the_caller() {
    use Does::{Fail, Reject};
    for (script, status) in [
        (&[Fail(RESET)][..], Err(RESET)),
        (&[Fail(REFUSED)], Err(REFUSED)),
        (&[Reject, Fail(io::ErrorKind::TimedOut)], Err(io::ErrorKind::TimedOut)),
    ] {
        let outcome = sent(Method::GET, script).await;
        assert_eq!((outcome.status, outcome.sent), (status, script.len()));
        assert_eq!(outcome.reported, []);
    }
}
