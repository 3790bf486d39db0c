//! Two servers on loopback, and clients of reqwest for both.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use reqwest::{Body, Client, ClientBuilder};
use reqwest_middleware::ClientWithMiddleware;
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, OAuthClientCredentialsMiddleware, Origins, ReqwestService,
    TokenCache,
    testing::{AuthorizationServer, Listening, ProtectedApi},
};

pub(crate) struct Stage {
    pub(crate) idp: AuthorizationServer,
    pub(crate) api: ProtectedApi,
    pub(crate) token_server: Listening,
    pub(crate) api_server: Listening,
    pub(crate) http: ReqwestService,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let idp = AuthorizationServer::builder().client("me", "s3cret").build();
        let api = ProtectedApi::new(&idp);
        Self::of(idp, api).await
    }

    pub(crate) async fn of(idp: AuthorizationServer, api: ProtectedApi) -> Self {
        let (token_server, api_server) = (idp.listen().await.unwrap(), api.listen().await.unwrap());
        let http = ReqwestService::new(direct()).unwrap();
        Self { idp, api, token_server, api_server, http }
    }

    pub(crate) fn source(&self) -> ClientCredentials {
        ClientCredentials::builder(self.token_server.token_url())
            .client_secret_basic("me", "s3cret")
            .transport(self.http.clone())
            .build()
            .unwrap()
    }

    pub(crate) fn tokens(&self) -> TokenCache {
        self.source().into_cache()
    }

    pub(crate) fn origins(&self) -> Origins {
        Origins::parse([self.api_server.url()]).unwrap()
    }

    /// The middleware with its defaults.
    pub(crate) fn client(&self) -> ClientWithMiddleware {
        self.client_over(self.http.client().clone())
    }

    pub(crate) fn client_over(&self, http: Client) -> ClientWithMiddleware {
        let middleware = OAuthClientCredentialsMiddleware::new(self.tokens(), self.origins());
        reqwest_middleware::ClientBuilder::new(http).with(middleware).build()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/things", self.api_server.url())
    }

    /// Of each request to the API.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        let recorded = self.api.recorded();
        recorded.iter().map(|it| it.header("authorization").map(str::to_owned)).collect()
    }
}

/// A builder that the proxy variables of whoever runs the tests don't reach.
pub(crate) fn direct() -> ClientBuilder {
    Client::builder().no_proxy().timeout(Duration::from_secs(30))
}

/// A body that is not in memory, as far as reqwest knows.
pub(crate) fn stream(text: &'static str) -> Body {
    Body::wrap(Full::<Bytes>::from(text))
}

pub(crate) fn redirect(status: u16, location: String) -> Response<Bytes> {
    Response::builder().status(status).header("location", location).body(Bytes::new()).unwrap()
}

/// The error of ours that a middleware's error holds.
pub(crate) fn ours(error: &reqwest_middleware::Error) -> Option<&Error> {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
        reqwest_middleware::Error::Reqwest(_) => None,
    }
}
