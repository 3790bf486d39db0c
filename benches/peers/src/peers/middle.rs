//! middle: an authorizer with a refreshing task. The header is read without waiting.

use std::{sync::Arc, time::Duration};

use ::middle::{
    Authorizer, BasicClientCredentialAuthorizer, BasicClientCredentialAuthorizerBuilder,
};
use http::Request;
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "middle",
        package: "middle",
        way: "`authorization_header`; for tokens of 3 s: tolerance 1 s",
        renewed_every_3s: 3,
        no_herd: Some("`build` gets the first token, so there is no cold start"),
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let url = format!("{}/token", setup.url).parse()?;
                let mut builder = BasicClientCredentialAuthorizerBuilder::new("me", "s3cret", url);
                if setup.tuned {
                    builder = builder.refresh_tolerance(Duration::from_secs(1));
                }
                driven(Middle { authorizer: builder.build().await?, inner: setup.inner })
            })
        },
    }
}

#[derive(Clone)]
struct Middle {
    authorizer: BasicClientCredentialAuthorizer,
    inner: Inner,
}

impl Peer for Middle {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let header = self.authorizer.authorization_header()?;
        self.inner.send_with(request, Arc::unwrap_or_clone(header));
        Ok(())
    }
}
