//! The protected APIs, as services below the layer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use tower_oauth2_client_credentials::BoxError;
use tower_service::Service;

use crate::world::{Shared, World, lock};

/// The number of a request, in its extensions.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) usize);

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) shared: Shared,
    pub(crate) number: usize,
}

/// A response, and whether the crate must treat it as a rejection of the token (RFC 6750 §3).
#[derive(Clone, Copy)]
struct Reply {
    status: u16,
    challenge: &'static str,
    rejects: bool,
}

const GOOD: Reply = Reply { status: 200, challenge: "", rejects: false };
const REJECTIONS: [Reply; 4] = [
    Reply { status: 401, challenge: "", rejects: true },
    Reply { status: 401, challenge: "Bearer", rejects: true },
    Reply { status: 401, challenge: "Bearer realm=\"a\", error=\"invalid_token\"", rejects: true },
    Reply {
        status: 401,
        challenge: "Basic realm=\"b\", Bearer error=invalid_token",
        rejects: true,
    },
];
const OTHERS: [Reply; 4] = [
    Reply { status: 500, challenge: "", rejects: false },
    Reply { status: 403, challenge: "Bearer error=\"insufficient_scope\"", rejects: false },
    Reply { status: 400, challenge: "Bearer error=\"invalid_request\"", rejects: false },
    Reply { status: 401, challenge: "Basic realm=\"b\"", rejects: false },
];

impl Service<Request<Full<Bytes>>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let Id(id) = *request.extensions().get().expect("each request has a number");
        let token = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer t")?.parse().ok());
        let (delay, reply) = lock(&self.shared).received(self.number, id, token);
        let shared = self.shared.clone();
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut world = lock(&shared);
            world.note("answer", "", id as u64, reply.status.into());
            world.replied(id, token, reply.status, reply.rejects);
            drop(world);
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::from_u16(reply.status)?;
            if !reply.challenge.is_empty() {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, reply.challenge.parse()?);
            }
            Ok(response)
        })
    }
}

impl World {
    fn received(&mut self, api: usize, id: usize, token: Option<usize>) -> (Duration, Reply) {
        self.sent(id, token);
        let (now, real) = (self.now().clock, self.real());
        let plan = self.plan.apis[api];
        let good = token
            .and_then(|token| self.issued.get(token))
            .is_some_and(|issued| !issued.revoked && real < issued.dies_at);
        let strict = plan.rejects_from <= now && now < plan.rejects_to;
        let reply = if !good || strict && self.rng.f64() < plan.rejects {
            REJECTIONS[self.rng.usize(0..REJECTIONS.len())]
        } else if self.rng.u8(0..50) == 0 {
            OTHERS[self.rng.usize(0..OTHERS.len())]
        } else {
            GOOD
        };
        (plan.latency.draw(&mut self.rng), reply)
    }
}
