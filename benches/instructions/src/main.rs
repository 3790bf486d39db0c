//! Makes a given number of calls and nothing else. `.ci/instructions` runs it under valgrind with
//! two numbers, so that the difference is the calls only.
//!
//! A separate package, so that it is built as users build it: without tokio's `test-util`, whose
//! clock is slower, and with one call site per kind of service.
//!
//! `instructions <variant> <held|cloned> <calls>`

mod run;
#[path = "../../support/mod.rs"]
mod support;

use std::{env::args, time::Duration};

use run::Run;
use support::{
    Inner, Lean, any, assert_handles_rejection, environment_floor, fixed, floor, never, one, ours,
};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    replay::{EmptyBodies, NoReplay},
    source::AcquireContext,
    store::{MemoryStore, Shared},
};

fn main() {
    let args: Vec<_> = args().skip(1).collect();
    let [variant, way, calls] = args.as_slice() else {
        panic!("usage: instructions <variant> <held|cloned> <calls>");
    };
    let calls = calls.parse().expect("a number of calls");
    assert_handles_rejection(NoReplay, false);
    assert_handles_rejection(EmptyBodies, true);
    // A request without an authority, for a fixed connection, needs almost no origin check.
    let (variant, request) = match variant.strip_prefix("relative-") {
        Some(variant) => (variant, Lean::relative()),
        None => (variant.as_str(), Lean::default()),
    };
    let run = Run { request, way, calls };
    match variant {
        "bare" => run.of(Inner),
        "floor" => run.through(&floor()),
        "environment" => run.through(&environment_floor()),
        "never-fixed" => run.through(&never(fixed())),
        "never-any" => run.through(&never(any())),
        "never-one" => run.through(&never(one())),
        "never-one-shared" => run.through(&shared(one()).replay(NoReplay)),
        "empty-any" => run.through(&ours(any())),
        "empty-one" => run.through(&ours(one())),
        _ => panic!("no such variant: {variant}"),
    }
}

/// The layer with a token that processes share. A call must not ask the store.
fn shared(origins: Origins) -> OAuthClientCredentialsLayer {
    let source = |_: AcquireContext| async {
        Ok(Token::bearer("2YotnFZFEjr1zCsicMWpAA")?.with_lifetime(Duration::from_secs(3600)))
    };
    let shared = Shared::builder(source, MemoryStore::new()).plain_text().namespace("bench");
    let tokens = TokenCache::new(shared.build().expect("the settings are valid"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(tokens.warm_up()).expect("a token");
    OAuthClientCredentialsLayer::new(tokens, origins)
}
