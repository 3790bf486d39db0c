//! A given number of calls and nothing else, to be counted under valgrind: `.ci/instructions`
//! runs it twice with different numbers, so that the difference is that of the calls alone.
//!
//! `instructions <variant> <held|cloned> <calls>`

mod support;

use std::env::args;

use http::{Request, Response};
use support::{
    Body, Check, Inner, Lean, any, assert_authorizes, call, call_cloned, floor, never, one, ours,
};
use tower::{Layer, Service};

fn main() {
    let args: Vec<_> = args().skip(1).collect();
    let [variant, way, calls] = args.as_slice() else {
        // So `cargo bench` finds it.
        return println!("usage: instructions <variant> <held|cloned> <calls>");
    };
    let calls = calls.parse().expect("a number of calls");
    match variant.as_str() {
        "bare" => run(Inner, way, calls),
        "floor" => through(&floor(), way, calls),
        "never-any" => through(&never(any()), way, calls),
        "never-one" => through(&never(one()), way, calls),
        "empty-any" => through(&ours(any()), way, calls),
        "empty-one" => through(&ours(one()), way, calls),
        _ => panic!("no such variant: {variant}"),
    }
}

fn through<L>(layer: &L, way: &str, calls: u64)
where
    L: Layer<Inner> + Layer<Check>,
    <L as Layer<Inner>>::Service: Service<Request<Body>, Response = Response<()>> + Clone,
    <L as Layer<Check>>::Service: Service<Request<Body>, Response = Response<()>>,
{
    assert_authorizes(layer);
    run(Layer::<Inner>::layer(layer, Inner), way, calls);
}

fn run<S>(mut service: S, way: &str, calls: u64)
where
    S: Service<Request<Body>, Response = Response<()>> + Clone,
{
    let builder = Lean::default();
    match way {
        "held" => (0..calls).for_each(|_| call(&mut service, &builder)),
        "cloned" => (0..calls).for_each(|_| call_cloned(&service, &builder)),
        _ => panic!("held or cloned, not {way}"),
    }
}
