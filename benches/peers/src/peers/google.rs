//! google-cloud-auth: external-account credentials, whose token endpoint can be set (a token
//! exchange, RFC 8693). Its own clients ask for headers in this way, once for each request.

use std::sync::Arc;

use google_cloud_auth::{
    credentials::{
        CacheableResource, Credentials,
        external_account::ProgrammaticBuilder,
        subject_token::{Builder, SubjectToken, SubjectTokenProvider},
    },
    errors::CredentialsError,
};
use http::{Extensions, Request};
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Body, Contestant, Inner, Peer, driven};

pub fn contestant() -> Contestant {
    Contestant {
        name: "google-cloud-auth",
        package: "google-cloud-auth",
        way: "external account, `Credentials::headers`; renews 240 s ahead, which can't be set",
        renewed_every_3s: 243,
        no_herd: None,
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let credentials = ProgrammaticBuilder::new(Arc::new(Subject))
                    .with_audience("audience")
                    .with_subject_token_type("urn:ietf:params:oauth:token-type:jwt")
                    .with_token_url(format!("{}/token", setup.url))
                    .build()?;
                driven(Google { credentials, inner: setup.inner })
            })
        },
    }
}

#[derive(Debug)]
struct Subject;

impl SubjectTokenProvider for Subject {
    type Error = CredentialsError;

    async fn subject_token(&self) -> Result<SubjectToken, CredentialsError> {
        Ok(Builder::new("subject").build())
    }
}

#[derive(Clone)]
struct Google {
    credentials: Credentials,
    inner: Inner,
}

impl Peer for Google {
    async fn call(&mut self, mut request: Request<Body>) -> Result<(), BoxError> {
        match self.credentials.headers(Extensions::new()).await? {
            CacheableResource::New { data, .. } => request.headers_mut().extend(data),
            CacheableResource::NotModified => return Err("no tag was sent".into()),
        }
        self.inner.send(request);
        Ok(())
    }
}
