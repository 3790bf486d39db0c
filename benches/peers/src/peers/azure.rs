//! azure_identity: a client secret, and the header that azure_core's policy for bearer tokens sets.

use std::sync::Arc;

use azure_core::{
    cloud::CustomConfiguration,
    credentials::{Secret, TokenCredential},
    http::{AsyncRawResponse, ClientOptions, HttpClient, Request as AzureRequest, Transport},
};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use http::{HeaderValue, Request};
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "azure_identity",
        package: "azure_identity",
        way: "`ClientSecretCredential::get_token`; renews 300 s ahead, which can't be set",
        renewed_every_3s: 303,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let mut cloud = CustomConfiguration::default();
                cloud.authority_host = setup.url.replacen("http:", "https:", 1);
                let plain = Plain(azure_core::http::new_http_client(None));
                let client_options = ClientOptions {
                    cloud: Some(Arc::new(cloud.into())),
                    transport: Some(Transport::new(Arc::new(plain))),
                    ..ClientOptions::default()
                };
                let options = ClientSecretCredentialOptions { client_options };
                let secret = Secret::new("s3cret");
                let credential =
                    ClientSecretCredential::new("tenant", "me".into(), secret, Some(options))?;
                driven(Azure { credential, inner: setup.inner })
            })
        },
    }
}

/// The credential requires https, and the endpoint here has none. The HTTP client is its own.
#[derive(Debug)]
struct Plain(Arc<dyn HttpClient>);

#[async_trait::async_trait]
impl HttpClient for Plain {
    async fn execute_request(
        &self,
        request: &AzureRequest,
    ) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        let _ = request.url_mut().set_scheme("http");
        self.0.execute_request(&request).await
    }
}

#[derive(Clone)]
struct Azure {
    credential: Arc<ClientSecretCredential>,
    inner: Inner,
}

impl Peer for Azure {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        let token = self.credential.get_token(&["scope"], None).await?;
        let value = HeaderValue::try_from(format!("Bearer {}", token.token.secret()))?;
        self.inner.send_with(request, value);
        Ok(())
    }
}
