//! reqwest-middleware: the layer's own service, around what is below the middleware. So whatever
//! the layer decides, it decides here too, in the same code.

mod below;

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Body, Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tower_layer::Layer;
use tower_service::Service;

use self::below::Below;
use crate::{
    cache::TokenCache,
    error::{self, BoxError},
    layer::OAuthClientCredentialsLayer,
    origins::Origins,
    replay::{ReplayPolicy, ReqwestBodies},
    service::OAuthClientCredentials,
    settings::SkipToken,
};

/// Adds an access token to the requests of a client of [reqwest-middleware](reqwest_middleware), as
/// [`OAuthClientCredentialsLayer`] does in a tower stack: it is made of the layer, and waits, judges
/// answers and sends again by the layer's code.
///
/// [`new`](Self::new) has the layer's defaults, but for what is sent again: any body in memory
/// ([`ReqwestBodies`]). Other settings are the layer's, with `from`.
///
/// * A request is kept from the token by [`SkipToken`], put in with `with_extension`.
/// * Of errors, [`Error::Middleware`] holds an [`Error`](crate::Error) of this crate.
///   [`Error::find`](crate::Error::find) finds it, also if a middleware above, such as
///   reqwest-retry, wrapped it. All others are those of the client and the middlewares below.
/// * Add it *after* retries: so each attempt gets the token that is current then.
/// * Redirects are followed below it, by the client, and no middleware sees them. Turn them off, or
///   build the client with [`same_origin_redirects`](crate::same_origin_redirects):
///   [why](crate::docs::stacks::reqwest#redirects). If a redirect ends at an origin that was not
///   named, that origin may have received the token: an
///   [`Event::RedirectedElsewhere`](crate::Event::RedirectedElsewhere) at level WARN
///   says so, at most once a minute for each origin, and the token counts as rejected. The caller
///   gets the answer as it is.
///
/// # Examples
///
/// ```
/// # use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, Elsewhere, OAuthClientCredentialsLayer, OAuthClientCredentialsMiddleware,
///     Origins, ReqwestService,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
/// # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
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
///     .replay(tower_oauth2_client_credentials::Never)
///     .elsewhere(Elsewhere::Refuse);
/// let strict = reqwest_middleware::ClientBuilder::new(http.client().clone())
///     .with(OAuthClientCredentialsMiddleware::from(layer))
///     .build();
/// let error = strict.get("https://elsewhere.example.net").send().await.unwrap_err();
/// assert!(error.is_middleware());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OAuthClientCredentialsMiddleware<P = ReqwestBodies> {
    service: OAuthClientCredentials<(), P>,
}

impl OAuthClientCredentialsMiddleware {
    /// A middleware that adds this cache's token to requests to these origins.
    pub fn new(cache: TokenCache, origins: Origins) -> Self {
        OAuthClientCredentialsLayer::new(cache, origins).replay(ReqwestBodies).into()
    }
}

/// With the layer's settings, its replay policy among them.
impl<P: Clone> From<OAuthClientCredentialsLayer<P>> for OAuthClientCredentialsMiddleware<P> {
    fn from(layer: OAuthClientCredentialsLayer<P>) -> Self {
        Self { service: layer.layer(()) }
    }
}

#[async_trait]
impl<P> Middleware for OAuthClientCredentialsMiddleware<P>
where
    P: ReplayPolicy<Body, Kept: Send> + Send + Sync + 'static,
{
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let skip = extensions.get::<SkipToken>().copied();
        let below = Below::new(next, &request, extensions, &self.service);
        let mut request: http::Request<Body> = request.try_into()?;
        if let Some(skip) = skip {
            request.extensions_mut().insert(skip);
        }
        let mut service = self.service.around(below);
        match service.call(request).await {
            Ok(response) => Ok(below::unwrap(response)),
            Err(error) => Err(sort(error)),
        }
    }
}

/// Tells the errors from below from the layer's.
fn sort(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(below) => *below,
        Err(ours) => match ours.downcast::<error::Error>() {
            Ok(ours) => wrap(*ours),
            Err(other) => wrap(error::Error::from_source(other)),
        },
    }
}

/// The error, with itself as its cause. Wrappers such as reqwest-retry's skip the outermost error
/// of a chain, so that it alone would not be found in theirs.
fn wrap(ours: error::Error) -> Error {
    match Error::middleware(ours.clone()) {
        Error::Middleware(cause) => Error::Middleware(cause.context(ours)),
        other => other,
    }
}
