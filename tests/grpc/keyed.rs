//! A gRPC client whose calls carry the token of their tenant, over sockets.

use http::uri::PathAndQuery;
use tonic::{Code, Request, Status, body::Body, client::Grpc, transport::Channel};
use tower::Layer;
use tower_oauth2_client_credentials::{
    ClientCredentials, KeyedTokenCache, OAuthClientCredentialsLayer, Origins,
    grpc::OAuthGrpc,
    layer::{ByKey, RequestHead},
    replay::BufferBodies,
};

use super::{World, server::Text};

type Tenant = String;
type Pick = fn(&RequestHead<'_>) -> Option<Tenant>;
type Client = Grpc<OAuthGrpc<Channel, BufferBodies<Body>, ByKey<Tenant, Pick>>>;

fn tenant(request: &RequestHead<'_>) -> Option<Tenant> {
    request.headers().get("x-tenant")?.to_str().ok().map(Into::into)
}

/// Each tenant is a client of the authorization server.
fn client(world: &World) -> Client {
    let token_url = world.listening.token_url();
    let tokens = KeyedTokenCache::new(move |tenant: &Tenant| {
        ClientCredentials::builder(&token_url).client_secret_basic(tenant, "s3cret").build()
    });
    let origins = Origins::fixed_upstream();
    let layer = OAuthClientCredentialsLayer::keyed(tokens, origins, tenant as Pick)
        .grpc()
        .replay(BufferBodies::<Body>::new(1024, Body::new));
    Grpc::new(layer.layer(world.channel.clone()))
}

async fn call(client: &Client, tenant: &'static str, text: &str) -> Result<String, Status> {
    let mut client = client.clone();
    client.ready().await.unwrap();
    let mut request = Request::new(text.to_owned());
    request.metadata_mut().insert("x-tenant", tenant.parse().unwrap());
    let path = PathAndQuery::from_static("/test.Echo/Unary");
    client.unary(request, path, Text).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn each_tenant_has_its_token_and_its_rejections() {
    let world = World::new().await;
    let client = client(&world);
    for tenant in ["caller", "other", "caller"] {
        assert_eq!(call(&client, tenant, "one").await.unwrap(), "one");
    }
    assert_eq!(world.idp.token_requests(), 2);

    // A status 16 without messages: each tenant's token is replaced, and the call sent again.
    world.idp.revoke_all();
    for tenant in ["caller", "other"] {
        assert_eq!(call(&client, tenant, "two").await.unwrap(), "two");
    }
    assert_eq!(world.idp.token_requests(), 4);
    let expected = ["rejected", "admitted"].map(|outcome| format!("Unary {outcome}"));
    assert_eq!(world.calls()[3..], [expected.clone(), expected].concat());
}

#[tokio::test]
async fn a_call_without_a_tenant_is_sent_without_a_token() {
    let world = World::new().await;
    let mut client = client(&world);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Echo/Unary");
    let status = client.unary(Request::new("one".to_owned()), path, Text).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!((world.calls(), world.idp.token_requests()), (vec!["Unary rejected".into()], 0));
}
