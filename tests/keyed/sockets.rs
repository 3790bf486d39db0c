//! Two tenants with separate authorization servers, over real sockets.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    ClientCredentials, KeyedTokenCache, OAuthClientCredentialsLayer, Origins,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
};

use super::support::all;

/// The parts that change the token: tenant and scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: usize,
    scope: &'static str,
}

#[tokio::test]
async fn two_tenants_with_two_authorization_servers() {
    let idps = [0, 1].map(|it| {
        AuthorizationServer::builder()
            .client(RegisteredClient::new(format!("client-{it}")).secret(format!("s3cret-{it}")))
            .build()
    });
    let apis = [0, 1].map(|it| ProtectedApi::new(&idps[it]));
    let token_servers = [idps[0].listen().await.unwrap(), idps[1].listen().await.unwrap()];
    let api_servers = [apis[0].listen().await.unwrap(), apis[1].listen().await.unwrap()];
    let urls = [api_servers[0].url(), api_servers[1].url()];
    let token_urls = [token_servers[0].token_url(), token_servers[1].token_url()];

    let web = Client::builder(TokioExecutor::new()).build_http();
    let tokens = KeyedTokenCache::new(move |key: &Key| {
        ClientCredentials::builder(&token_urls[key.tenant])
            .client_secret_post(format!("client-{}", key.tenant), format!("s3cret-{}", key.tenant))
            .scope(key.scope)
            .transport(web.clone())
            .build()
    });
    let layer =
        OAuthClientCredentialsLayer::keyed(tokens, Origins::parse(&urls).unwrap(), |request| {
            request.extensions().get::<Key>().cloned()
        });
    let client = layer.layer(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());
    let call = |tenant: usize, scope: &'static str, url: usize| {
        let request = Request::get(&urls[url]).extension(Key { tenant, scope });
        let client = client.clone();
        async move { client.oneshot(request.body(Empty::new()).unwrap()).await.unwrap().status() }
    };

    let calls = (0..100).map(|it| call(it % 2, ["read", "write"][it / 2 % 2], it % 2));
    assert!(all(calls).await.iter().all(|status| *status == StatusCode::OK));
    for (idp, api) in idps.iter().zip(&apis) {
        let mut scopes: Vec<_> =
            idp.requests().iter().map(|it| it.form_value("scope").unwrap().to_owned()).collect();
        scopes.sort();
        assert_eq!(scopes, ["read", "write"]);
        assert_eq!((api.accepted(), api.rejected()), (50, 0));
    }

    // One tenant's tokens are revoked. Its requests get new ones, and the other tenant notices
    // nothing.
    idps[0].revoke_all();
    assert_eq!([call(0, "read", 0).await, call(1, "read", 1).await], [StatusCode::OK; 2]);
    assert_eq!((idps[0].token_requests(), idps[1].token_requests()), (3, 2));
    assert_eq!((apis[0].rejected(), apis[1].rejected()), (1, 0));

    // The key decides, not the address: the other tenant's API refuses the token.
    assert_eq!(call(0, "read", 1).await, StatusCode::UNAUTHORIZED);
    assert_eq!(apis[1].accepted(), 51);
}
