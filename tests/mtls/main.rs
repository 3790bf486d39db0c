//! Mutual TLS (RFC 8705) over real sockets: client authentication, bound tokens, rotation.
#![cfg(all(feature = "rustls", feature = "testing-rustls"))]
#![allow(missing_docs, unreachable_pub)]

mod configured;
mod identity;
mod rotation;
mod support;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use serde_json::json;
use tower::{Service as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, OAuthClientCredentialsLayer, Origins, Token,
    TokenSource as _,
    event::AcquisitionReason,
    source::AcquireContext,
    testing::{AuthorizationServer, MockServer, ProtectedApi, RegisteredClient},
    transport::{ClientIdentity, HyperClient},
};

use support::{Any, Authority, Pair, bounded};

const NAME: &str = "service.test";

/// A token of this server for the client `tls`, with this certificate or none.
async fn ask(
    authority: &Authority,
    server: &MockServer,
    identity: Option<ClientIdentity>,
) -> Result<Token, Error> {
    let mut transport = authority.client();
    if let Some(identity) = identity {
        transport = transport.client_identity(identity);
    }
    let source = ClientCredentials::builder(server.token_url())
        .tls_client_auth("tls")
        .transport(transport.build().unwrap())
        .attempts(1)
        .build()
        .unwrap();
    bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await
}

/// The API's response to a token over this client's connections.
async fn call(client: &HyperClient<Empty<Bytes>>, api: &MockServer, token: &Token) -> StatusCode {
    let request = Request::get(format!("{}/things", api.url()))
        .header("authorization", token.header_value())
        .body(Empty::new())
        .unwrap();
    bounded(client.clone().call(request)).await.unwrap().status()
}

#[tokio::test]
async fn the_right_certificate_is_accepted_and_only_the_id_is_in_the_request() {
    let authority = Authority::new();
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("tls").dns_name(NAME)).build();
    let server = idp.listen_tls(authority.server(authority.asking(true))).await.unwrap();
    let pair = authority.certify(NAME);
    let token = ask(&authority, &server, Some(pair.identity())).await.unwrap();
    assert!(idp.is_bound(token.secret()));
    let request = &idp.requests()[0];
    assert_eq!(request.body, "grant_type=client_credentials&client_id=tls");
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.client_certificate, Some(pair.der));
}

#[tokio::test]
async fn a_wrong_certificate_and_none_are_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("tls").dns_name(NAME)).build();
    let strict = idp.listen_tls(authority.server(authority.asking(true))).await.unwrap();
    // TLS refuses the connection, so there is no request.
    for identity in [Some(other.certify(NAME).identity()), None] {
        let error = ask(&authority, &strict, identity).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport);
    }
    assert_eq!(idp.token_requests(), 0);
    // The authorization server refuses the client.
    let lax = idp.listen_tls(authority.server(authority.asking(false))).await.unwrap();
    for identity in [Some(authority.certify("other.test").identity()), None] {
        let error = ask(&authority, &lax, identity).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
    }
    assert_eq!(idp.token_requests(), 2);
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_if_it_is_the_registered_one() {
    let authority = Authority::new();
    let (pair, other) = (Pair::self_signed(NAME), Pair::self_signed(NAME));
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("tls").certificate(pair.der.clone()))
        .build();
    let server = idp.listen_tls(authority.server(std::sync::Arc::new(Any))).await.unwrap();
    ask(&authority, &server, Some(pair.identity())).await.unwrap();
    let error = ask(&authority, &server, Some(other.identity())).await.unwrap_err();
    assert_eq!(error.code(), "invalid_client");
}

#[tokio::test]
async fn one_identity_serves_the_token_endpoint_and_the_api_and_no_other_passes() {
    let authority = Authority::new();
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("tls").dns_name(NAME)).build();
    let api = ProtectedApi::new(&idp);
    let tls = authority.server(authority.asking(false));
    let idp_server = idp.listen_tls(tls.clone()).await.unwrap();
    let api_server = api.listen_tls(tls).await.unwrap();
    let identity = authority.certify(NAME).identity();
    let transport = || authority.client().client_identity(identity.clone());

    let tokens = ClientCredentials::builder(idp_server.token_url())
        .tls_client_auth("tls")
        .client_identity(identity.clone())
        .transport(transport().build().unwrap())
        .build()
        .unwrap()
        .into_cache();
    let origins = Origins::parse([api_server.url().as_str()]).unwrap();
    let http = transport().build_client().unwrap();
    let client = tower::ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(tokens.clone(), origins))
        .service(HyperClient::clone(&http));
    let request = Request::get(format!("{}/things", api_server.url())).body(Empty::new()).unwrap();
    assert_eq!(bounded(client.oneshot(request)).await.unwrap().status(), StatusCode::OK);

    // The API refuses the same token over another connection: RFC 8705 §3.
    let token = tokens.current().unwrap();
    assert_eq!(call(&http, &api_server, &token).await, StatusCode::OK);
    let without = authority.client().build_client().unwrap();
    assert_eq!(call(&without, &api_server, &token).await, StatusCode::UNAUTHORIZED);
    let other = authority.client().client_identity(authority.certify(NAME).identity());
    let other = other.build_client().unwrap();
    assert_eq!(call(&other, &api_server, &token).await, StatusCode::UNAUTHORIZED);
    assert_eq!((api.accepted(), api.rejected(), idp.token_requests()), (2, 2, 1));
}

#[tokio::test]
async fn a_discovered_alias_is_used_whenever_a_certificate_is_configured() {
    let authority = Authority::new();
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("tls").dns_name(NAME))
        .client(RegisteredClient::new("secret").secret("s3cret"))
        .build();
    let plain = idp.listen_tls(authority.server(authority.asking(false))).await.unwrap();
    let mtls = idp.listen_tls(authority.server(authority.asking(true))).await.unwrap();
    let alias = json!({"token_endpoint": mtls.token_url()});
    idp.set_metadata("mtls_endpoint_aliases", alias);
    let identity = authority.certify(NAME).identity();
    let builder = || ClientCredentials::discover(plain.issuer()).strict_metadata(true);
    let showing = || authority.client().client_identity(identity.clone()).build().unwrap();
    let secret = || builder().client_secret_basic("secret", "s3cret");
    for (builder, server) in [
        (builder().tls_client_auth("tls").transport(showing()), &mtls),
        (secret().transport(showing()), &mtls),
        (secret().client_identity(identity.clone()).transport(showing()), &mtls),
        (secret().transport(authority.client().build().unwrap()), &plain),
        // The last transport counts.
        (secret().transport(showing()).transport(authority.client().build().unwrap()), &plain),
    ] {
        let source = builder.build().unwrap();
        bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await.unwrap();
        let request = idp.requests().pop().unwrap();
        let asked = request.uri.authority().map(|it| it.as_str()).or(request.header("host"));
        assert_eq!(asked, Some(&*server.addr().to_string()));
    }
}
