//! This crate, in its usual ways: the layer, and the cache by itself.

use http::Request;
use tower::Layer;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, OAuthClientCredentialsLayer, Origins, TokenCache,
    replay::NoReplay,
};

use crate::peer::{API, Body, Build, Contestant, Inner, Layered, Peer, Setup, driven};

pub const LAYER: &str = "this crate: layer";
pub const GET: &str = "this crate: `get().await`";
const PACKAGE: &str = "tower-oauth2-client-credentials";

pub fn contestants() -> [Contestant; 4] {
    [
        contestant(LAYER, "`OAuthClientCredentialsLayer`, all defaults", false, |setup| {
            Box::pin(async move { driven(Layered(layer(&setup)?.layer(setup.inner))) })
        }),
        contestant("this crate: layer, `NoReplay`", "no replay after a 401", true, |setup| {
            Box::pin(
                async move { driven(Layered(layer(&setup)?.replay(NoReplay).layer(setup.inner))) },
            )
        }),
        contestant(GET, "`TokenCache::get`, then `Token::header_value`", false, |setup| {
            Box::pin(async move { driven(Get { tokens: tokens(&setup)?, inner: setup.inner }) })
        }),
        contestant(
            "this crate: `current()`",
            "`TokenCache::current`, then `Token::header_value`",
            true,
            |setup| {
                Box::pin(async move {
                    let tokens = tokens(&setup)?;
                    tokens.warm_up().await?;
                    driven(Current { tokens, inner: setup.inner })
                })
            },
        ),
    ]
}

fn contestant(
    name: &'static str,
    way: &'static str,
    hot_path_only: bool,
    build: Build,
) -> Contestant {
    // The defaults suit any lifetime, so there is nothing to set up for short ones.
    let (package, no_herd) = (PACKAGE, None);
    Contestant { name, package, way, renewed_every_3s: 3, no_herd, hot_path_only, build }
}

fn tokens(setup: &Setup) -> Result<TokenCache, Error> {
    let source = ClientCredentials::builder(format!("{}/token", setup.url))
        .client_secret_basic("me", "s3cret")
        .build()?;
    Ok(source.into_cache())
}

fn layer(setup: &Setup) -> Result<OAuthClientCredentialsLayer, Error> {
    Ok(OAuthClientCredentialsLayer::new(tokens(setup)?, Origins::parse([API])?))
}

#[derive(Clone)]
struct Get {
    tokens: TokenCache,
    inner: Inner,
}

impl Peer for Get {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let token = self.tokens.get().await?;
        self.inner.send_with(request, token.header_value());
        Ok(())
    }
}

#[derive(Clone)]
struct Current {
    tokens: TokenCache,
    inner: Inner,
}

impl Peer for Current {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let token = self.tokens.current().ok_or("no token")?;
        self.inner.send_with(request, token.header_value());
        Ok(())
    }
}
