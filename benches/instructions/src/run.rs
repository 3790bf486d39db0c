//! The counted calls.

use http::{Request, Response};
use tower::{Layer, Service};

use crate::support::{Body, Check, Inner, Lean, assert_authorizes, call, call_cloned};

/// valgrind counts in this function only: random numbers, which the store's lease needs at the start,
/// take a different number of instructions in each run.
#[inline(never)]
fn counted(calls: impl FnOnce()) {
    calls();
}

pub(crate) struct Run<'a> {
    pub(crate) request: Lean,
    pub(crate) way: &'a str,
    pub(crate) calls: u64,
}

impl Run<'_> {
    pub(crate) fn through<L>(self, layer: &L)
    where
        L: Layer<Inner> + Layer<Check>,
        <L as Layer<Inner>>::Service: Service<Request<Body>, Response = Response<()>> + Clone,
        <L as Layer<Check>>::Service: Service<Request<Body>, Response = Response<()>>,
    {
        assert_authorizes(layer, &self.request);
        self.of(Layer::<Inner>::layer(layer, Inner));
    }

    pub(crate) fn of<S>(self, mut service: S)
    where
        S: Service<Request<Body>, Response = Response<()>> + Clone,
    {
        let Self { request, way, calls } = self;
        match way {
            "held" => counted(|| (0..calls).for_each(|_| call(&mut service, &request))),
            "cloned" => counted(|| (0..calls).for_each(|_| call_cloned(&service, &request))),
            _ => panic!("held or cloned, not {way}"),
        }
    }
}
