//! huskarl: an `HttpAuthorizer` over `InMemoryTokenCache`, as its `cached_client` example has it.

use std::{sync::Arc, time::Duration};

use ::huskarl::{
    authorizer::HttpAuthorizer,
    cache::{GrantTokenSource, InMemoryRefreshTokenStore, InMemoryTokenCache},
    core::{
        EndpointUrl,
        client_auth::ClientSecret,
        secrets::{ProvidedSecret, SecretString},
    },
    grant::client_credentials::{ClientCredentialsGrant, ClientCredentialsGrantParameters},
};
use http::{Request, Uri};
use huskarl_reqwest::ReqwestClient;
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "huskarl",
        package: "huskarl",
        way: "`HttpAuthorizer::get_headers`; for tokens of 3 s: margin 0.5 s, refresh 1 s ahead",
        renewed_every_3s: 3,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let secret = SecretString::new("s3cret");
                let url: Uri = format!("{}/token", setup.url).parse()?;
                let grant = ClientCredentialsGrant::builder()
                    .client_id("me")
                    .client_auth(ClientSecret::new(ProvidedSecret::new(secret)))
                    .http_client(ReqwestClient::from(reqwest::Client::new()))
                    .token_endpoint(EndpointUrl::try_from(url)?)
                    .build();
                let source = GrantTokenSource::builder()
                    .grant(grant)
                    .grant_parameters(ClientCredentialsGrantParameters::new())
                    .refresh_store(InMemoryRefreshTokenStore::default())
                    .build();
                let cache = InMemoryTokenCache::builder().source(source);
                let cache = if setup.tuned {
                    let cache = cache.expires_margin(Duration::from_millis(500));
                    cache.refresh_ahead(Duration::from_secs(1)).build()
                } else {
                    cache.build()
                };
                let authorizer = Arc::new(HttpAuthorizer::builder().cache(cache).build());
                driven(Huskarl { authorizer, inner: setup.inner })
            })
        },
    }
}

#[derive(Clone)]
struct Huskarl {
    authorizer: Arc<HttpAuthorizer>,
    inner: Inner,
}

impl Peer for Huskarl {
    async fn call(&mut self, mut request: Request<Body>) -> Result<(), BoxError> {
        let headers = self.authorizer.get_headers(request.method(), request.uri()).await?;
        request.headers_mut().extend(headers);
        self.inner.send(request);
        Ok(())
    }
}
