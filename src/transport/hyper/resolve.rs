//! Name lookups.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::progress::{Progress, Stage};
use crate::net::LOCALHOST;

/// The system's resolver, except for `localhost`. That name is exempt from TLS and from proxies, and
/// a resolver could return another address for it (RFC 6761 §6.3).
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    progress: Progress,
}

impl Resolver {
    pub(super) fn new(progress: Progress) -> Self {
        Self { system: GaiResolver::new(), progress }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if name.as_str().eq_ignore_ascii_case("localhost") {
            return Box::pin(async { Ok(LOCALHOST.to_vec().into_iter()) });
        }
        self.progress.reach(Stage::Lookup);
        let (lookup, progress) = (self.system.call(name), self.progress.clone());
        Box::pin(async move {
            let addresses: Vec<_> = lookup.await?.collect();
            progress.reach(Stage::Tcp);
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_not_looked_up() {
        for name in ["localhost", "LocalHost"] {
            let addresses =
                Resolver::new(Progress::default()).call(name.parse().unwrap()).await.unwrap();
            let addresses: Vec<_> = addresses.map(|it| it.ip().to_string()).collect();
            assert_eq!(addresses, ["127.0.0.1", "::1"]);
        }
    }
}
