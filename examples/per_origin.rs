//! One client for several APIs, each with its own authorization server, credentials and scope. Each
//! API has a layer, which the request's origin selects. Other requests are sent unchanged.
//!
//! Needs no setup. It runs against embedded servers on loopback.

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::HyperTransport,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let billing = AuthorizationServer::builder()
        .client(RegisteredClient::new("shop").secret("billing secret"))
        .build();
    let stock = AuthorizationServer::builder()
        .client(RegisteredClient::new("shop-2").secret("stock secret"))
        .build();
    // The third API is foreign and gets no token.
    let apis = [&billing, &stock, &AuthorizationServer::new()].map(ProtectedApi::new);
    let (billing_url, stock_url) = (billing.listen().await?, stock.listen().await?);
    let [a, b, c] = [apis[0].listen().await?, apis[1].listen().await?, apis[2].listen().await?];

    // One transport for all token requests: one pool of connections, one set of root certificates.
    let transport = HyperTransport::new()?;
    let billing_tokens = ClientCredentials::builder(billing_url.token_url())
        .client_secret_basic("shop", "billing secret")
        .scope("invoices:write")
        .transport(transport.clone())
        .build()?
        .into_cache();
    let stock_tokens = ClientCredentials::builder(stock_url.token_url())
        .client_secret_post("shop-2", "stock secret")
        .scope("stock:read")
        .transport(transport)
        .build()?
        .into_cache();

    let client = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(billing_tokens, Origins::parse([a.url()])?))
        .layer(OAuthClientCredentialsLayer::new(stock_tokens, Origins::parse([b.url()])?))
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());

    for url in [a.url(), b.url(), c.url(), a.url(), b.url()] {
        let request = Request::get(url).body(Empty::new())?;
        let uri = request.uri().clone();
        println!("{uri} {}", client.clone().oneshot(request).await?.status());
    }

    for (name, idp, api) in [("billing", &billing, &apis[0]), ("stock", &stock, &apis[1])] {
        let (tokens, accepted) = (idp.token_requests(), api.accepted());
        println!("{name:8} {tokens} token request, {accepted} calls accepted");
        if (tokens, accepted, api.rejected()) != (1, 2, 0) {
            return Err(format!("{name}: another count was expected").into());
        }
    }
    println!("elsewhere {} call without a token", apis[2].unauthenticated());
    if (apis[2].requests(), apis[2].unauthenticated()) != (1, 1) {
        return Err("a token went where it does not belong".into());
    }
    Ok(())
}
