//! A call with a DPoP token, compared with the bare signature of a text of the same size. Each
//! request needs a proof, and the proof should cost no more than its signature.
//!
//! `cargo bench --bench dpop` first prints the ratios, as medians of interleaved rounds.

mod support;

use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use bytes::Bytes;
use criterion::Criterion;
use http::{Request, Response};
use http_body_util::Full;
use support::{Body, Inner, Lean, call, one};
use tower::{Layer as _, service_fn};
use tower_oauth2_client_credentials::{
    ClientCredentials, OAuthClientCredentialsLayer,
    jose::{SigningAlgorithm, SigningKey},
    transport::TokenRequest,
};

const ROUNDS: usize = 101;
const CALLS_A_ROUND: u32 = 200;

/// The layer of a client whose token is bound to a new key.
fn layer(algorithm: SigningAlgorithm) -> OAuthClientCredentialsLayer {
    let idp = service_fn(|_: TokenRequest| {
        let body =
            r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"DPoP","expires_in":3600}"#;
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body))))
    });
    let tokens = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_basic("me", "s3cret")
        .transport(idp)
        .dpop(SigningKey::generate(algorithm).expect("a key"))
        .build()
        .expect("a source")
        .into_cache();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(tokens.warm_up()).expect("a token");
    OAuthClientCredentialsLayer::new(tokens, one())
}

/// Size of the text that a proof's signature covers.
fn signed_bytes(layer: &OAuthClientCredentialsLayer) -> usize {
    let size = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&size);
    let mut service = layer.layer(service_fn(move |request: Request<Body>| {
        let proof = request.headers()["dpop"].to_str().expect("it is ASCII");
        let (signed, _) = proof.rsplit_once('.').expect("it is a JWS");
        seen.store(signed.len(), Ordering::Relaxed);
        ready(Ok::<_, Infallible>(Response::new(())))
    }));
    call(&mut service, &Lean::default());
    size.load(Ordering::Relaxed)
}

type Run = Box<dyn FnMut()>;

struct Pair {
    name: &'static str,
    signature: Run,
    call: Run,
    /// The same call with an unbound token.
    bearer: Run,
}

fn pairs() -> [Pair; 2] {
    let calls = |layer: &OAuthClientCredentialsLayer| -> Run {
        let (mut service, builder) = (layer.layer(Inner), Lean::default());
        Box::new(move || call(&mut service, &builder))
    };
    let bearer = || calls(&support::ours(one()));
    let es256 = layer(SigningAlgorithm::Es256);
    let text = vec![b'x'; signed_bytes(&es256)];
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let random = SystemRandom::new();
    let bare_es256: Run = Box::new(move || {
        black_box(key.sign(&random, black_box(&text)).expect("a signature"));
    });
    let eddsa = layer(SigningAlgorithm::EdDsa);
    let text = vec![b'x'; signed_bytes(&eddsa)];
    let key = Ed25519KeyPair::generate().expect("a key");
    let bare_eddsa: Run = Box::new(move || {
        black_box(key.sign(black_box(&text)));
    });
    [
        Pair { name: "ES256", signature: bare_es256, call: calls(&es256), bearer: bearer() },
        Pair { name: "EdDSA", signature: bare_eddsa, call: calls(&eddsa), bearer: bearer() },
    ]
}

/// Seconds of each.
fn round(run: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..CALLS_A_ROUND).for_each(|_| run());
    start.elapsed().as_secs_f64() / f64::from(CALLS_A_ROUND)
}

fn print_ratios(pairs: &mut [Pair]) {
    println!(
        "medians of {ROUNDS} rounds, ratio to the bare signature: an authorized call, and its share"
    );
    println!("is not in the same call with a bearer token");
    for Pair { name, signature, call, bearer } in pairs {
        let rounds = (0..ROUNDS).map(|at| {
            // The order rotates, so that no subject always goes first.
            let mut took = [0.0; 3];
            for turn in 0..3 {
                let which = (at + turn) % 3;
                took[which] = round(match which {
                    0 => &mut *signature,
                    1 => &mut *call,
                    _ => &mut *bearer,
                });
            }
            took
        });
        let rounds: Vec<_> = rounds.collect();
        let of = |what: fn(&[f64; 3]) -> f64| median(rounds.iter().map(what).collect());
        let whole = of(|[bare, call, _]| call / bare);
        let more = of(|[bare, call, bearer]| (call - bearer) / bare);
        println!("  {name}: {whole:.3}, {more:.3} of {:.1} us", of(|[bare, ..]| *bare) * 1e6);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut pairs = pairs();
    // `cargo test --benches` runs everything once only.
    if std::env::args().any(|arg| arg == "--bench") {
        print_ratios(&mut pairs);
    }
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    for Pair { name, signature, call, .. } in &mut pairs {
        let mut group = criterion.benchmark_group(*name);
        group.bench_function("bare signature", |bencher| bencher.iter(&mut *signature));
        group.bench_function("authorized call", |bencher| bencher.iter(&mut *call));
        group.finish();
    }
    criterion.final_summary();
}
