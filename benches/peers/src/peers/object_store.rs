//! object_store: the credentials of its Azure store, which get tokens by client credentials. Its
//! own requests make the header from the token in this way.

use ::object_store::azure::{AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder};
use http::{HeaderValue, Request};
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "object_store",
        package: "object_store",
        way: "`MicrosoftAzure::credentials`, client secret; renews 300 s ahead, which can't be set",
        renewed_every_3s: 303,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let store = MicrosoftAzureBuilder::new()
                    .with_account("account")
                    .with_container_name("container")
                    .with_client_secret_authorization("me", "s3cret", "tenant")
                    .with_authority_host(setup.url)
                    .with_allow_http(true)
                    .build()?;
                let credentials = store.credentials().clone();
                driven(ObjectStore { credentials, inner: setup.inner })
            })
        },
    }
}

#[derive(Clone)]
struct ObjectStore {
    credentials: AzureCredentialProvider,
    inner: Inner,
}

impl Peer for ObjectStore {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let credential = self.credentials.get_credential().await?;
        let AzureCredential::BearerToken(token) = &*credential else {
            return Err("not a token".into());
        };
        self.inner.send_with(request, HeaderValue::try_from(format!("Bearer {token}"))?);
        Ok(())
    }
}
