//! The middleware with a token for each tenant, over sockets.

use http::StatusCode;
use tower_oauth2_client_credentials::{
    ClientCredentials, KeyedTokenCache, OAuthClientCredentialsLayer,
    middleware::OAuthClientCredentialsMiddleware,
    replay::ReqwestBodies,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
};

use crate::support::Stage;

#[tokio::test]
async fn each_tenant_has_its_token_and_its_rejections() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("one").secret("s3cret"))
        .client(RegisteredClient::new("two").secret("s3cret"));
    let idp = idp.build();
    let stage = Stage::of(idp.clone(), ProtectedApi::new(&idp)).await;
    let (token_url, http) = (stage.token_server.token_url(), stage.http.clone());
    let tokens = KeyedTokenCache::new(move |tenant: &String| {
        ClientCredentials::builder(&token_url)
            .client_secret_basic(tenant, "s3cret")
            .transport(http.clone())
            .build()
    });
    let layer = OAuthClientCredentialsLayer::keyed(tokens, stage.origins(), |request| {
        request.headers().get("x-tenant")?.to_str().ok().map(str::to_owned)
    });
    let middleware = OAuthClientCredentialsMiddleware::from(layer.replay(ReqwestBodies));
    let client = reqwest_middleware::ClientBuilder::new(stage.http.client().clone())
        .with(middleware)
        .build();
    let call = async |tenant: &str| {
        let request = client.post(stage.url()).header("x-tenant", tenant).body("hello");
        request.send().await.unwrap().status()
    };

    for tenant in ["one", "two", "one"] {
        assert_eq!(call(tenant).await, StatusCode::OK);
    }
    assert_eq!((stage.idp.token_requests(), stage.api.accepted()), (2, 3));
    stage.idp.revoke_all();
    for tenant in ["one", "two"] {
        assert_eq!(call(tenant).await, StatusCode::OK);
    }
    assert_eq!((stage.idp.token_requests(), stage.api.rejected()), (4, 2));
    // A request without a tenant carries no token.
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((stage.idp.token_requests(), stage.api.unauthenticated()), (4, 1));
}
