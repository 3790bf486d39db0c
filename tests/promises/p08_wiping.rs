//! Secrets and tokens are wiped before their memory is freed.
//!
//! The allocator of this binary searches each freed block for known secrets. A block that contains
//! one was freed by code that left a copy behind, such as a vector that grew.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenSource as _, client_auth::Secret,
    endpoint::ClientCredentialsBuilder, event::AcquisitionReason, source::AcquireContext,
    transport::TokenRequest,
};

const SECRET: &str = "secret-canary+4j6w1z3r&x";
const ASSERTION: &str = "assertion-canary.5t8v2n.7y";

/// Pieces of the secrets and tokens below, plain and in base64 after `svc:`. Each piece appears
/// unescaped in every encoding that is used here.
const CANARIES: [&[u8]; 4] =
    [b"secret-canary", b"c3ZjOnNlY3JldC1j", b"token-canary", b"assertion-canary"];

struct Searching;

static ARMED: AtomicBool = AtomicBool::new(false);
static FOUND: [AtomicUsize; CANARIES.len()] = [const { AtomicUsize::new(0) }; CANARIES.len()];

// SAFETY: the system allocator serves all memory, with the requested layouts.
// `realloc` is the default implementation, which allocates, copies and calls `dealloc`.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that `dealloc` reads only initialized memory and no old secret.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ARMED.load(Ordering::Relaxed) {
            // SAFETY: the block is valid for its whole layout until it is freed below.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            for (canary, found) in CANARIES.iter().zip(&FOUND) {
                if bytes.windows(canary.len()).any(|window| window == *canary) {
                    found.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Searching = Searching;

/// The number of freed blocks per secret in a test.
fn freed(test: impl FnOnce()) -> [usize; CANARIES.len()] {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    FOUND.iter().for_each(|found| found.store(0, Ordering::Relaxed));
    ARMED.store(true, Ordering::Relaxed);
    test();
    ARMED.store(false, Ordering::Relaxed);
    std::array::from_fn(|index| FOUND[index].load(Ordering::Relaxed))
}

/// Runs a future to its end, and drops everything that it owns.
fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

fn assert_wiped(name: impl Debug, test: impl Future<Output = ()>) {
    assert_eq!(freed(|| run(test)), [0; CANARIES.len()], "{name:?}");
}

/// A body in static memory, in small pieces, so that its buffer has to grow.
struct Pieces(VecDeque<&'static [u8]>);

impl Pieces {
    fn of(text: &'static [u8]) -> Self {
        // The first ones are single bytes.
        let (first, last) = text.split_at(text.len() / 2);
        Self(first.chunks(1).chain(last.chunks(7)).collect())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    status: u16,
    content_type: &'static str,
    body: &'static [u8],
}

const TOKEN: Answer = Answer {
    status: 200,
    content_type: "application/json",
    body: br#"{"access_token":"token-canary/8d3f6h1","token_type":"Bearer","expires_in":60}"#,
};

/// A client whose server sees the secret and gives these responses, repeating the last one.
fn client(answers: &[Answer]) -> ClientCredentialsBuilder {
    let answers = Mutex::new(answers.iter().copied().collect::<VecDeque<_>>());
    let answers = std::sync::Arc::new(answers);
    let transport = tower::service_fn(move |request: TokenRequest| {
        let mut answers = answers.lock().unwrap();
        let answer = *answers.front().unwrap();
        if answers.len() > 1 {
            answers.pop_front();
        }
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let field = parts.headers.get(AUTHORIZATION).map_or(&b""[..], |it| it.as_bytes());
            let sent = [&body[..], field].into_iter().any(|sent| {
                CANARIES.iter().any(|it| sent.windows(it.len()).any(|window| window == *it))
            });
            assert!(sent, "the request has a secret");
            let response = Response::builder().status(answer.status);
            let response = response.header("content-type", answer.content_type);
            Ok::<_, Infallible>(response.body(Pieces::of(answer.body)).unwrap())
        }
    });
    ClientCredentials::builder("https://idp.example/token").transport(transport)
}

async fn acquire(builder: ClientCredentialsBuilder) {
    let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
    acquire.single_attempt = true;
    let got = builder.build().unwrap().acquire(acquire).await;
    if let Ok(token) = &got {
        assert!(token.secret().starts_with("token-canary"));
        let field = token.header_value();
        assert!(field.is_sensitive() && field.as_bytes().starts_with(b"Bearer token-canary"));
    }
}

#[test]
fn the_search_finds_secrets_that_were_freed_unwiped() {
    let found = freed(|| {
        drop("a token-canary".to_owned());
        let mut grown = b"secret-canary".to_vec();
        grown.reserve_exact(100);
        grown.fill(0);
    });
    assert_eq!(found, [1, 0, 1, 0]);
}

#[test]
fn the_secret_the_request_and_the_token_are_wiped() {
    assert_wiped("post", async {
        acquire(client(&[TOKEN]).client_secret_post("svc", SECRET)).await;
    });
    assert_wiped("basic", async {
        acquire(client(&[TOKEN]).client_secret_basic("svc", SECRET)).await;
    });
    assert_wiped("basic raw", async {
        acquire(client(&[TOKEN]).client_secret_basic_raw("svc", SECRET)).await;
    });
    assert_wiped("a closure", async {
        let secret = Secret::from_fn(|| Ok(SECRET.to_owned()));
        acquire(client(&[TOKEN]).client_secret_post("svc", secret)).await;
    });
    assert_wiped("an assertion", async {
        let builder = client(&[TOKEN]).client_assertion_type("urn:example:opaque");
        acquire(builder.client_assertion_fn(None, || async { Ok(ASSERTION.to_owned()) })).await;
    });
}

#[test]
fn a_secret_from_a_file_is_wiped() {
    let path = std::env::temp_dir().join(format!("wiping-{}", std::process::id()));
    // Static memory, because another test may be searching now.
    std::fs::write(&path, "secret-canary+4j6w1z3r&x\n").unwrap();
    let file = path.clone();
    assert_wiped("file", async {
        acquire(client(&[TOKEN]).client_secret_post("svc", Secret::from_file(file))).await;
    });
    std::fs::remove_file(path).unwrap();
}

/// Escapes, responses that echo the secret, and responses with both a token and an error.
#[test]
fn every_shape_of_an_answer_is_wiped() {
    let answers: [(u16, &str, &[u8]); 15] = [
        (200, "application/json", br#"{"access_token":"token-canary\/8d\u0033f","x":"\n"}"#),
        (200, "application/json", br#"{"access_token":"token-canary\u00e9"}"#),
        (
            200,
            "application/json",
            br#"{"access_token":"token-canary","token_type":"token-canary"}"#,
        ),
        (200, "application/json", br#"{"access_token":"token-canary","error":"token-canary"}"#),
        (200, "application/json", br#"{"access_token":"token-canary"}}"#),
        (200, "application/json", br#"{"access_token":"token-can"#),
        (200, "application/x-www-form-urlencoded", b"access_token=token-canary%2B8d3f+6h"),
        (200, "application/x-www-form-urlencoded", b"access_token=token-canary%2B8d3f%2F6h&x=%"),
        (200, "text/html", b"<p>token-canary secret-canary+4j6w1z3r&amp;x</p>"),
        (
            401,
            "application/json",
            br#"{"error":"x","error_description":"no secret-canary\u002b4j6w1z3r"}"#,
        ),
        (
            400,
            "application/json",
            b"{\"error\":\"secret-canary+4j6w1z3r\",\"error_description\":\"J\xf6rg\"}",
        ),
        // Each byte becomes a character of three bytes, after the token.
        (
            200,
            "application/json",
            b"{\"access_token\":\"token-canary\",\"x\":\"\xe9\xe8\xe7\xe6\xe5\xe4\xe3\xe2\xe1\xe0\xe9\xe8\xe7\xe6\xe5\xe4\xe3\xe2\xe1\xe0\xe9\xe8\xe7\xe6\xe5\xe4\xe3\xe2\xe1\xe0\"}",
        ),
        (403, "application/json", br#"{"message":"no \"secret-canary%2B4j6w1z3r\""}"#),
        (401, "text/plain", b"bad header: Basic c3ZjOnNlY3JldC1jYW5hcnkrNGo2dzF6M3ImeA=="),
        (500, "text/html", b"<p>secret-canary+4j6w1z3r</p>"),
    ];
    for (status, content_type, body) in answers {
        let answer = Answer { status, content_type, body };
        assert_wiped(answer, async move {
            acquire(client(&[answer]).client_secret_post("svc", SECRET)).await;
        });
        assert_wiped(answer, async move {
            acquire(client(&[answer]).client_secret_basic("svc", SECRET)).await;
        });
    }
}

/// The buffer grows several times while it contains the token.
#[test]
fn a_long_answer_is_wiped() {
    const START: &[u8] = br#"{"access_token":"token-canary","x":""#;
    // Never freed or moved with a secret in it, because another test may be searching now.
    let body = Box::leak(vec![b'x'; 50_000].into_boxed_slice());
    body[..START.len()].copy_from_slice(START);
    body[49_998..].copy_from_slice(br#""}"#);
    let answer = Answer { body, ..TOKEN };
    assert_wiped("long", async move {
        acquire(client(&[answer]).client_secret_post("svc", SECRET)).await;
    });
}

/// The whole life of a token: cache, request, refresh, rejection, last drop.
#[test]
fn a_token_is_wiped_when_the_last_request_and_the_cache_are_gone() {
    assert_wiped("the layer", async {
        let next = Answer { body: br#"{"access_token":"token-canary-2"}"#, ..TOKEN };
        let source = client(&[TOKEN, next]).client_secret_post("svc", SECRET).build().unwrap();
        let cache = source.into_cache();
        let origins = Origins::parse(["https://api.example"]).unwrap();
        let api = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
            let field = request.headers()[AUTHORIZATION].as_bytes();
            let status = match field {
                b"Bearer token-canary-2" => StatusCode::OK,
                _ => StatusCode::UNAUTHORIZED,
            };
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        });
        let service = OAuthClientCredentialsLayer::new(cache.clone(), origins).layer(api);
        let get = || Request::get("https://api.example/").body(Empty::new()).unwrap();
        let replayed = service.clone().oneshot(get()).await.unwrap();
        assert_eq!(replayed.status(), StatusCode::OK);
        cache.force_refresh().await.unwrap();
        assert_eq!(service.oneshot(get()).await.unwrap().status(), StatusCode::OK);
    });
}
