//! a2a-protocol-client: `OAuth2ClientCredentials`, a token provider with single flight.

use std::{sync::Arc, time::Duration};

use a2a_protocol_client::token_provider::{OAuth2ClientCredentials, TokenProvider};
use http::{HeaderValue, Request};
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "a2a-protocol-client",
        package: "a2a-protocol-client",
        way: "`OAuth2ClientCredentials::access_token`; for tokens of 3 s: leeway 0.5 s",
        renewed_every_3s: 3,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let url = format!("{}/token", setup.url);
                let mut provider = OAuth2ClientCredentials::new(url, "me", "s3cret");
                if setup.tuned {
                    provider = provider.with_refresh_leeway(Duration::from_millis(500));
                }
                driven(A2a { provider: Arc::new(provider), inner: setup.inner })
            })
        },
    }
}

#[derive(Clone)]
struct A2a {
    provider: Arc<OAuth2ClientCredentials>,
    inner: Inner,
}

impl Peer for A2a {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let token = self.provider.access_token().await?;
        self.inner.send_with(request, HeaderValue::try_from(format!("Bearer {token}"))?);
        Ok(())
    }
}
