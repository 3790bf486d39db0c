//! One TLS setting for the token endpoint and the API: root certificates, and a certificate that
//! tokens are bound to (RFC 8705 §3).

use http::StatusCode;
use reqwest::{Certificate, Identity};
use reqwest_middleware::ClientBuilder;
use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, Origins,
    middleware::OAuthClientCredentialsMiddleware,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::ReqwestService,
};

use crate::{
    certificates::{Authority, bounded},
    support::{direct, ours},
};

#[tokio::test]
async fn one_certificate_serves_both_and_the_token_is_worthless_without_it() {
    let authority = Authority::new();
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("tls").dns_name("service.test"))
        .build();
    let api = ProtectedApi::new(&idp);
    let asking = authority.server(authority.asking(false));
    let token_server = idp.listen_tls(asking.clone()).await.unwrap();
    let api_server = api.listen_tls(asking).await.unwrap();

    let pair = authority.certify("service.test");
    let identity = Identity::from_pem((pair.chain.clone() + &pair.key).as_bytes()).unwrap();
    let trusting = || {
        let root = Certificate::from_pem(authority.pem.as_bytes()).unwrap();
        direct().tls_certs_only([root])
    };
    let http = ReqwestService::new(trusting().identity(identity)).unwrap();
    let tokens = ClientCredentials::builder(token_server.token_url())
        .tls_client_auth("tls")
        .transport(http.clone())
        .build()
        .unwrap()
        .into_cache();
    let origins = Origins::parse([api_server.url()]).unwrap();
    let middleware = OAuthClientCredentialsMiddleware::new(tokens.clone(), origins);
    let url = format!("{}/things", api_server.url());
    let get = |http: &ReqwestService| {
        let client = ClientBuilder::new(http.client().clone()).with(middleware.clone()).build();
        bounded(client.get(&url).send())
    };
    assert_eq!(get(&http).await.unwrap().status(), StatusCode::OK);
    assert!(idp.is_bound(tokens.get().await.unwrap().secret()));
    assert_eq!(idp.requests()[0].client_certificate, Some(pair.der));

    let bare = ReqwestService::new(trusting()).unwrap();
    assert_eq!(get(&bare).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_no_secret() {
    let (authority, other) = (Authority::new(), Authority::new());
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("me").secret("s3cret")).build();
    let server = idp.listen_tls(other.server(other.asking(false))).await.unwrap();
    let root = Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let http = ReqwestService::new(direct().tls_certs_only([root])).unwrap();
    let tokens = ClientCredentials::builder(server.token_url())
        .client_secret_basic("me", "s3cret")
        .attempts(1)
        .transport(http.clone())
        .build()
        .unwrap()
        .into_cache();
    let middleware = OAuthClientCredentialsMiddleware::new(tokens, Origins::any());
    let client = ClientBuilder::new(http.client().clone()).with(middleware).build();
    let error = bounded(client.get("https://api.invalid/").send()).await.unwrap_err();
    assert_eq!(ours(&error).unwrap().kind(), ErrorKind::Transport);
    assert_eq!(idp.token_requests(), 0);
}
