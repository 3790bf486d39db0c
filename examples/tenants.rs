//! One client for many tenants. The key comes from the request's extensions, and each tenant's
//! token from its own authorization server.
//!
//! Needs no setup. It runs against embedded servers on loopback: 3 tenants, 30 calls at once.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, ErrorKind, KeyedTokenCache, OAuthClientCredentialsLayer,
    Origins,
    layer::WithoutToken,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::HyperTransport,
};

const TENANTS: [&str; 3] = ["blue", "green", "red"];
const CALLS: usize = 10;

/// The tenant of a request. It is cloned for each request, so it is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tenant(Arc<str>);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (mut sides, mut token_urls, mut apis) = (Vec::new(), HashMap::new(), HashMap::new());
    for name in TENANTS {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new(name).secret("s3cret"))
            .build();
        // The API accepts this tenant's tokens only.
        let api = ProtectedApi::new(&idp);
        let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
        token_urls.insert(name, token_server.token_url());
        apis.insert(name, api_server.url());
        sides.push((name, idp, api, [token_server, api_server]));
    }
    let origins = Origins::parse(apis.values())?;

    // One transport for the token requests of all tenants.
    let transport = HyperTransport::new()?;
    let tokens = KeyedTokenCache::builder(move |tenant: &Tenant| {
        let unknown = || Error::new(ErrorKind::Config).with_detail("no such tenant");
        let token_url = token_urls.get(&*tenant.0).ok_or_else(unknown)?;
        ClientCredentials::builder(token_url)
            .client_secret_basic(&*tenant.0, "s3cret")
            .transport(transport.clone())
            .build()
    })
    .configure(|tenant, cache| {
        let tenant = tenant.clone();
        cache.observer(move |event| println!("{:6} {event:?}", tenant.0))
    })
    .build();

    let layer = OAuthClientCredentialsLayer::keyed(tokens, origins, |request| {
        request.extensions().get::<Tenant>().cloned()
    })
    .without_key(WithoutToken::Refuse);
    let client = ServiceBuilder::new()
        .layer(layer)
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());

    let call = |name: &'static str, url: &str| {
        let request = Request::get(url).extension(Tenant(name.into())).body(Empty::new());
        let client = client.clone();
        async move { Ok::<_, BoxError>(client.oneshot(request?).await?.status()) }
    };
    let calls = (0..CALLS).flat_map(|_| TENANTS).map(|name| tokio::spawn(call(name, &apis[name])));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await??, StatusCode::OK);
    }
    // An unknown tenant: its requests fail, and no other tenant's.
    let error = call("yellow", &apis["red"]).await.unwrap_err();
    println!("yellow {error}");

    for (name, idp, api, _) in &sides {
        let (tokens, accepted) = (idp.token_requests(), api.accepted());
        println!("{name:6} {tokens} token request, {accepted} calls accepted");
        if (tokens, accepted, api.requests()) != (1, CALLS as u64, CALLS as u64) {
            return Err(format!("{name}: another count was expected").into());
        }
    }
    Ok(())
}
