//! reqwest's client as a tower service over the types of the `http` crate.

mod connections;
mod future;

use std::{
    any::Any,
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use reqwest::{Client, ClientBuilder, Url, redirect::Policy};
use tower_service::Service;

pub use self::future::ReqwestFuture;
use self::future::{refused, refused_by_reqwest};
use super::proxy::ProxySettings;
use crate::error::{BoxError, Error, Problem};

/// reqwest's client as a service over the types of the `http` crate: below the layer, and as the
/// [transport](crate::endpoint::ClientCredentialsBuilder::transport) of token requests. So one set of
/// proxies, TLS settings, timeouts and connections serves both.
///
/// It is made of a [`ClientBuilder`] and not of a [`Client`], whose redirect and proxy settings cannot
/// be read. So it never follows redirects and never sends loopback traffic to a proxy. When reqwest
/// 0.13 follows redirects, it sends `Authorization` to another origin at the second hop. Follow
/// redirects [above the layer](crate::docs::stacks::reqwest#redirects), where each hop is checked.
///
/// Cheap to clone; clones share connections.
///
/// - **Request**: method, header fields, version and trailers are passed on. Extensions are dropped,
///   except reqwest's own. The URI must be absolute, and
///   [reqwest's URL](crate::docs::stacks::reqwest#urls) must have the same scheme, host and port. A body
///   that is not a [`reqwest::Body`] is a stream for reqwest, which then does not send it again by
///   itself.
/// - **Response**: passed on, except its `Url`, which is always the URL of the request.
/// - **Errors**, found by downcast in the [`BoxError`](crate::BoxError), are [`reqwest::Error`]s
///   without their URL, which may have secrets in its query; or an [`Error`](crate::Error) of kind
///   `Refused` for a request that can never be sent, such as over plain `http` with a client for
///   `https` only.
///
/// # Examples
///
/// ```
/// # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
/// use http::Request;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, OAuthClientCredentialsLayer, Origins, replay::ReqwestBodies,
///     transport::ReqwestService,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
/// # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
/// # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
/// # let (token_url, api) = (token_server.token_url(), api_server.url());
/// let http = ReqwestService::new(reqwest::Client::builder())?;
/// let tokens = ClientCredentials::builder(token_url)
///     .client_secret_basic("my-service", "s3cret")
///     .transport(http.clone())
///     .build()?
///     .into_cache();
/// let origins = Origins::parse([&api])?;
/// let client = ServiceBuilder::new()
///     .layer(OAuthClientCredentialsLayer::new(tokens, origins).replay(ReqwestBodies))
///     .service(http);
///
/// let request = Request::post(format!("{api}/invoices")).body(reqwest::Body::from("{}"))?;
/// let response = reqwest::Response::from(client.oneshot(request).await?);
/// assert_eq!(response.text().await?, r#"{"status":"ok"}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReqwestService {
    client: Client,
}

impl ReqwestService {
    /// Builds the client, with the proxies of the environment.
    ///
    /// These settings replace the builder's:
    ///
    /// - **Redirects** are not followed.
    /// - **Proxies** are those of [`ProxySettings::from_env`], which reads the variables as curl does
    ///   and never sends loopback traffic to a proxy. `no_proxy` of the builder has no effect; give
    ///   [`ProxySettings::direct`] to [`with_proxy`](Self::with_proxy).
    /// - **`localhost`** is 127.0.0.1 or `[::1]`, without a resolver.
    /// - **HTTP/2 PING**: while requests are in flight, a PING is sent on a connection that is silent
    ///   for 15 s. The connection is closed if the PING is not answered in 10 s.
    ///
    /// # Errors
    ///
    /// Kind [`Config`](crate::ErrorKind::Config) if TLS can't be set up, a setting of the builder
    /// is wrong, the builder has a proxy, or a proxy URL is malformed (the error names the
    /// environment's variable).
    pub fn new(builder: ClientBuilder) -> Result<Self, Error> {
        Self::with_proxy(builder, ProxySettings::from_env())
    }

    /// Builds the client like [`new`](Self::new), with these proxies.
    ///
    /// SOCKS proxies need reqwest's feature `socks`.
    ///
    /// # Errors
    ///
    /// Same errors as [`new`](Self::new).
    pub fn with_proxy(builder: ClientBuilder, proxy: ProxySettings) -> Result<Self, Error> {
        let builder = connections::configure(builder, &proxy)?;
        match builder.redirect(Policy::none()).build() {
            Ok(client) => Ok(Self { client }),
            Err(error) => Err(Error::of(Problem::Config)
                .with_detail("reqwest's client cannot be built; see the cause")
                .with_source(error)),
        }
    }

    /// The client, for requests without a token and for
    /// [reqwest-middleware](crate::docs::stacks::reqwest#reqwest-middleware).
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl<B> Service<Request<B>> for ReqwestService
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> ReqwestFuture {
        ReqwestFuture::new(convert(request).map(|request| self.client.call(request)))
    }
}

/// # Errors
///
/// Kind `Refused`, when reqwest does not accept the URI.
fn convert<B>(request: Request<B>) -> Result<reqwest::Request, Error>
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    let uri = request.uri().clone();
    if uri.scheme().is_none() || uri.authority().is_none() {
        return Err(refused("its URI has no scheme and host; pass an absolute URI"));
    }
    let request = reqwest::Request::try_from(request.map(into_body)).map_err(refused_by_reqwest)?;
    if !has_same_origin(request.url(), &uri) {
        return Err(refused("reqwest reads another host or port from its URI; correct the URI"));
    }
    Ok(request)
}

/// Whether a URL has the scheme, host and port of the URI. reqwest parses the URI's text, and reads a
/// path without a leading slash as a part of the host.
fn has_same_origin(url: &Url, uri: &Uri) -> bool {
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return false };
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    // By the same parser, since it normalizes IP addresses differently.
    let expected = Url::parse(&format!("{scheme}://{host}{port}/"));
    expected.is_ok_and(|expected| expected.origin() == url.origin())
}

/// Wraps a body, unless it is reqwest's. A wrapped body in memory would become a stream.
fn into_body<B>(body: B) -> reqwest::Body
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = Some(body);
    let same = (&mut body as &mut dyn Any).downcast_mut::<Option<reqwest::Body>>();
    match same.and_then(Option::take) {
        Some(body) => body,
        None => reqwest::Body::wrap(body.expect("it is of another type, so it was not taken")),
    }
}

/// Without the client's `Debug`, which shows default header fields, possibly with credentials.
impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}

/// Follows at most ten redirects within the origin of the first request, and returns other redirects as
/// responses. For a [`Client`] under reqwest-middleware, where redirects run below every middleware.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::transport::same_origin_redirects;
///
/// let http = reqwest::Client::builder().redirect(same_origin_redirects()).build()?;
/// # drop(http);
/// # Ok::<(), reqwest::Error>(())
/// ```
pub fn same_origin_redirects() -> Policy {
    Policy::custom(|attempt| {
        let first = attempt.previous().first();
        if first.is_some_and(|first| first.origin() != attempt.url().origin()) {
            return attempt.stop();
        }
        Policy::limited(10).redirect(attempt)
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[test]
    fn a_body_in_memory_is_not_wrapped() {
        assert_eq!(into_body(reqwest::Body::from("abc")).as_bytes(), Some(&b"abc"[..]));
        assert_eq!(into_body(Full::<Bytes>::from("abc")).as_bytes(), None);
    }

    /// The URLs are what `http` before 1.4.1 could make of the URI and a path without a slash.
    #[test]
    fn p9_a_url_has_the_origin_of_its_uri() {
        for (uri, url, same) in [
            ("https://good.example/x", "https://good.example/x", true),
            ("https://GOOD.example:443/a/../x", "https://good.example/x", true),
            ("https://good.example@evil.example/", "https://evil.example/", true),
            ("https://user@good.example/", "https://user@good.example/", true),
            ("http://[2001:DB8:0::1]:80/", "http://[2001:db8::1]/", true),
            ("http://127.1/", "http://127.0.0.1/", true),
            ("https://good.example/", "https://good.example@evil.example/x", false),
            ("https://good.example/", "https://good.example.evil.example/", false),
            ("https://good.example:8443/", "https://good.example/", false),
            ("https://good.example/", "https://good.example:8443/", false),
            ("https://good.example/", "http://good.example/", false),
            ("http://localhost/", "http://localhost*", false),
            ("/x", "http://evil.example/x", false),
        ] {
            let parsed = (url.parse().unwrap(), uri.parse().unwrap());
            assert_eq!(has_same_origin(&parsed.0, &parsed.1), same, "{uri}, {url}");
        }
    }
}
