//! A middleware for reqwest-middleware. It runs the layer's service around the middlewares below it,
//! so it behaves as the layer does.

mod client;

use std::fmt;

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Body, Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tower_layer::Layer;
use tower_service::Service;

use self::client::{Client, Reqwest};
use crate::{
    cache::TokenCache,
    error::{self, BoxError},
    layer::{
        OAuthClientCredentials, OAuthClientCredentialsLayer, Origins, SelectCache, SkipToken,
        replay::{ReplayPolicy, ReqwestBodies},
    },
};

/// Adds an access token to the requests of a client of [reqwest-middleware](reqwest_middleware).
///
/// It does the same as [`OAuthClientCredentialsLayer`] in a tower stack, and runs the same code.
/// [`new`](Self::new) has the defaults of the layer, except that any body in memory is sent again
/// ([`ReqwestBodies`]). For other settings, and for many tokens, convert a layer with `from`.
///
/// * A request with [`SkipToken`], set by `with_extension`, is sent without a token.
/// * [`Error::Middleware`] holds an [`Error`](crate::Error) of this crate.
///   [`Error::find`](crate::Error::find) finds it, also if another middleware, such as
///   reqwest-retry, wrapped it. All other errors are those of the client and the middlewares below.
/// * Add it *after* retries. Each attempt then gets the token that is current at that time.
/// * The client follows redirects below the middleware, and no middleware sees them. Turn redirects
///   off, or build the client with [`same_origin_redirects`](crate::transport::same_origin_redirects):
///   [why](crate::docs::stacks::reqwest#redirects). If a redirect ends at an origin that is not
///   named, that origin may have received the token. An
///   [`EventKind::RedirectedToOtherOrigin`](crate::event::EventKind::RedirectedToOtherOrigin) at level WARN reports it, at
///   most once a minute for each origin, and the token counts as rejected. The caller gets the
///   response unchanged.
///
/// # Examples
///
/// ```
/// # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, OAuthClientCredentialsLayer, Origins, layer::WithoutToken,
///     middleware::OAuthClientCredentialsMiddleware, transport::ReqwestService,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
/// # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
/// # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
/// # let (token_url, api) = (token_server.token_url(), api_server.url());
/// let http = ReqwestService::new(reqwest::Client::builder())?; // follows no redirects
/// let tokens = ClientCredentials::builder(token_url)
///     .client_secret_basic("my-service", "s3cret")
///     .transport(http.clone())
///     .build()?
///     .into_cache();
/// let client = reqwest_middleware::ClientBuilder::new(http.client().clone())
///     .with(OAuthClientCredentialsMiddleware::new(tokens.clone(), Origins::parse([&api])?))
///     .build();
/// let response = client.get(format!("{api}/invoices")).send().await?;
/// assert_eq!(response.status(), 200);
///
/// // With other settings, and without sending anything again:
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([&api])?)
///     .replay(tower_oauth2_client_credentials::replay::NoReplay)
///     .withheld(WithoutToken::Refuse);
/// let strict = reqwest_middleware::ClientBuilder::new(http.client().clone())
///     .with(OAuthClientCredentialsMiddleware::from(layer))
///     .build();
/// let error = strict.get("https://elsewhere.example.net").send().await.unwrap_err();
/// assert!(error.is_middleware());
/// # Ok(())
/// # }
/// ```
pub struct OAuthClientCredentialsMiddleware<P = ReqwestBodies, T = TokenCache> {
    service: OAuthClientCredentials<(), P, T, Reqwest>,
}

impl OAuthClientCredentialsMiddleware {
    /// A middleware that adds this cache's token to requests to these origins.
    #[must_use]
    pub fn new(cache: TokenCache, origins: Origins) -> Self {
        OAuthClientCredentialsLayer::new(cache, origins).replay(ReqwestBodies).into()
    }
}

/// Takes the layer's settings, including its replay policy.
impl<P: Clone, T: Clone> From<OAuthClientCredentialsLayer<P, T>>
    for OAuthClientCredentialsMiddleware<P, T>
{
    fn from(layer: OAuthClientCredentialsLayer<P, T>) -> Self {
        Self { service: layer.with_protocol().layer(()) }
    }
}

impl<P: Clone, T> Clone for OAuthClientCredentialsMiddleware<P, T> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone() }
    }
}

impl<P, T: fmt::Debug> fmt::Debug for OAuthClientCredentialsMiddleware<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientCredentialsMiddleware")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<P, T> Middleware for OAuthClientCredentialsMiddleware<P, T>
where
    P: ReplayPolicy<Body, Kept: Send> + Send + Sync + 'static,
    T: SelectCache + Send + Sync + 'static,
{
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let skip = extensions.get::<SkipToken>().copied();
        let client = Client::new(next, &request, extensions);
        let mut request: http::Request<Body> = request.try_into()?;
        if let Some(skip) = skip {
            request.extensions_mut().insert(skip);
        }
        match self.service.around(client).call(request).await {
            Ok(response) => Ok(client::unwrap(response)),
            Err(error) => Err(to_middleware_error(error)),
        }
    }
}

/// Returns an error of the middlewares below as it is, and wraps one of the layer.
fn to_middleware_error(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(below) => *below,
        Err(ours) => match ours.downcast::<error::Error>() {
            Ok(ours) => wrap(*ours),
            Err(other) => wrap(error::Error::from_source(other)),
        },
    }
}

/// Wraps an error with itself as its cause. Wrappers such as reqwest-retry's skip the outermost
/// error of a chain, so a single one would not be found in theirs.
fn wrap(ours: error::Error) -> Error {
    match Error::middleware(ours.clone()) {
        Error::Middleware(cause) => Error::Middleware(cause.context(ours)),
        other => other,
    }
}
