//! cf-gears-toolkit-auth: `BearerAuthLayer` over a `TokenProvider`. The most similar crate: a tower
//! layer, an `ArcSwap`, and a task that refreshes.

use std::time::Duration;

use toolkit_auth::{BearerAuthLayer, OAuthClientConfig, SecretString, TokenProvider};
use toolkit_http::HttpError;
use tower::{Layer, ServiceExt};

use crate::peer::{Contestant, Layered, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "cf-gears-toolkit-auth",
        package: "cf-gears-toolkit-auth",
        way: "`BearerAuthLayer`; for tokens of 3 s: offset 1 s, no jitter, a refresh per 0.5 s at most",
        renewed_every_3s: 3,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let mut config = OAuthClientConfig {
                    token_endpoint: Some(format!("{}/token", setup.url).parse()?),
                    client_id: "me".into(),
                    client_secret: SecretString::new("s3cret"),
                    ..OAuthClientConfig::default()
                };
                if setup.tuned {
                    config.refresh_offset = Duration::from_secs(1);
                    config.jitter_max = Duration::ZERO;
                    config.min_refresh_period = Duration::from_millis(500);
                }
                let inner = setup.inner.map_err(|never| -> HttpError { match never {} });
                driven(Layered(BearerAuthLayer::new(TokenProvider::new(config)?).layer(inner)))
            })
        },
    }
}
