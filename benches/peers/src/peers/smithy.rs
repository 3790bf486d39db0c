//! aws-smithy-runtime: its lazy identity cache, and the header of its bearer scheme. The user
//! provides the resolver; here it is a plain hyper client.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_runtime::client::{
    auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme},
    identity::{IdentityCache, no_auth::NoAuthIdentityResolver},
    orchestrator::endpoints::StaticUriEndpointResolver,
    retries::strategy::NeverRetryStrategy,
};
use aws_smithy_runtime_api::client::{
    auth::static_resolver::StaticAuthSchemeOptionResolver,
    identity::{
        Identity, IdentityFuture, ResolveCachedIdentity, ResolveIdentity, SharedIdentityCache,
        SharedIdentityResolver, http::Token,
    },
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "aws-smithy-runtime",
        package: "aws-smithy-runtime",
        way: "`IdentityCache::lazy`; for tokens of 3 s: buffer 0.5 s",
        renewed_every_3s: 3,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let cache = IdentityCache::lazy();
                let cache = match setup.tuned {
                    true => cache.buffer_time(Duration::from_millis(500)).build(),
                    false => cache.build(),
                };
                // The cache uses time and sleep. The other parts are required but unused.
                let schemes = StaticAuthSchemeOptionResolver::new(vec![NO_AUTH_SCHEME_ID]);
                let components = RuntimeComponents::builder("peers")
                    .with_auth_scheme_option_resolver(Some(schemes))
                    .with_auth_scheme(NoAuthScheme::new())
                    .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri(&setup.url)))
                    .with_identity_cache(Some(cache.clone()))
                    .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
                    .with_retry_strategy(Some(NeverRetryStrategy::new()))
                    .with_sleep_impl(Some(TokioSleep::new()))
                    .with_time_source(Some(SystemTimeSource::new()))
                    .build()?;
                let client = Client::builder(TokioExecutor::new()).build_http();
                let resolver = Resolver { client, url: format!("{}/token", setup.url) };
                driven(Smithy {
                    cache,
                    resolver: SharedIdentityResolver::new(resolver),
                    shared: Arc::new((components, ConfigBag::base())),
                    inner: setup.inner,
                })
            })
        },
    }
}

#[derive(Debug)]
struct Resolver {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl Resolver {
    async fn token(&self) -> Result<Identity, BoxError> {
        let request = Request::post(&self.url).body(Full::from("grant_type=client_credentials"))?;
        let response = self.client.request(request).await?;
        if !response.status().is_success() {
            return Err(response.status().to_string().into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let token = answer["access_token"].as_str().ok_or("no token")?;
        let lifetime = answer["expires_in"].as_u64().ok_or("no lifetime")?;
        let expiration = Some(SystemTime::now() + Duration::from_secs(lifetime));
        Ok(Identity::new(Token::new(token, expiration), expiration))
    }
}

impl ResolveIdentity for Resolver {
    fn resolve_identity<'a>(
        &'a self,
        _: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(self.token())
    }
}

#[derive(Clone)]
struct Smithy {
    cache: SharedIdentityCache,
    resolver: SharedIdentityResolver,
    shared: Arc<(RuntimeComponents, ConfigBag)>,
    inner: Inner,
}

impl Peer for Smithy {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let (components, config) = &*self.shared;
        let resolver = self.resolver.clone();
        let identity = self.cache.resolve_cached_identity(resolver, components, config).await?;
        let token = identity.data::<Token>().ok_or("no token")?;
        let value = HeaderValue::try_from(format!("Bearer {}", token.token()))?;
        self.inner.send_with(request, value);
        Ok(())
    }
}
