//! Calls of a layer with a token for each key. A separate program, since another user of the same
//! functions in one program changes what the compiler inlines.
//!
//! `keyed never-one-keyed <held|cloned> <calls>`

mod run;
#[path = "../../support/mod.rs"]
mod support;

use std::{env::args, time::Duration};

use run::Run;
use support::{Lean, one};
use tower_oauth2_client_credentials::{
    Error, KeyedTokenCache, OAuthClientCredentialsLayer, Token, replay::NoReplay,
    source::AcquireContext,
};

const KEY: u32 = 4711;

async fn token(_: AcquireContext) -> Result<Token, Error> {
    Ok(Token::bearer("2YotnFZFEjr1zCsicMWpAA")?.with_lifetime(Duration::from_secs(3600)))
}

fn main() {
    let args: Vec<_> = args().skip(1).collect();
    let [_, way, calls] = args.as_slice() else {
        panic!("usage: keyed never-one-keyed <held|cloned> <calls>");
    };
    let calls = calls.parse().expect("a number of calls");
    let tokens = KeyedTokenCache::new(|_: &u32| Ok::<_, Error>(token));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let cache = tokens.cache(&KEY);
    runtime.expect("a runtime").block_on(cache.warm_up()).expect("a token");
    let layer = OAuthClientCredentialsLayer::keyed(tokens, one(), |_: &_| Some(KEY));
    Run { request: Lean::default(), way, calls }.through(&layer.replay(NoReplay));
}
