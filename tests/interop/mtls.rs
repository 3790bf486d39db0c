//! Certificates: client authentication and bound tokens (RFC 8705).

use std::fs;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Service, ServiceExt as _};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Event, Token,
    endpoint::ClientCredentialsBuilder,
    event::EventKind,
    transport::{ChainAndKey, ClientIdentity, HyperClient, TokenRequest, TokenRequestBody},
};

use crate::{
    canaries, oidc,
    support::{acquire, cache, client, get, path, read, run, secret, variable},
    tap::{Tap, trusting},
};

fn identity(name: &str) -> ClientIdentity {
    let identity = ClientIdentity::from_pem(ChainAndKey {
        chain: read(&format!("{name}.pem")),
        key: secret(&format!("{name}.key")),
    })
    .unwrap();
    canaries::shown(&identity);
    identity
}

/// The token transport and the API's client with this certificate.
fn showing(identity: &ClientIdentity) -> (Tap, Tap<HyperClient<TokenRequestBody>>) {
    let builder = || trusting().client_identity(identity.clone());
    let api = builder().build_client().unwrap();
    canaries::shown(&api);
    (Tap::around(builder().build().unwrap()), Tap::around(api))
}

fn discovering(tap: &Tap) -> ClientCredentialsBuilder {
    ClientCredentials::discover(oidc::issuer()).transport(tap.clone()).attempts(1)
}

/// The API's response to a token over these connections.
async fn present<S>(token: &Token, connections: S) -> StatusCode
where
    S: Service<TokenRequest, Response = Response<Full<Bytes>>, Error = BoxError>,
{
    let request = Request::get(oidc::api() + "/resource")
        .header("authorization", token.header_value())
        .body(TokenRequestBody::default())
        .unwrap();
    connections.oneshot(request).await.unwrap().status()
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_certificate_authenticates_and_its_tokens_are_bound_to_it() {
    run(async {
        for (id, name, stranger) in [
            ("tls", "tls-client", "tls-stranger"),
            ("tls-self-signed", "tls-self-signed", "tls-self-signed-stranger"),
        ] {
            let identity = identity(name);
            let (tokens, requests) = showing(&identity);
            let builder = discovering(&tokens);
            let builder = match id {
                "tls" => builder.tls_client_auth(id),
                _ => builder.self_signed_tls_client_auth(id),
            };
            let (cache, _) = cache(builder.client_identity(identity.clone()));
            let token = cache.get().await.unwrap();
            let asked = tokens.exchanges().pop().unwrap().uri.to_string();
            assert_eq!(asked, variable("INTEROP_OIDC_MTLS") + "/token", "the alias is preferred");

            let answer = oidc::introspect(token.secret()).await;
            assert_eq!(answer["client_id"], id);
            assert_eq!(answer["cnf"]["x5t#S256"], identity.thumbprint());

            let client = client(&cache, &oidc::api(), requests.clone());
            assert_eq!(get(&client, &(oidc::api() + "/resource")).await.0, StatusCode::OK);
            assert_eq!(requests.statuses(), [200]);

            let stranger = showing(&self::identity(stranger)).1;
            assert_eq!(present(&token, stranger).await, StatusCode::UNAUTHORIZED);
            assert_eq!(present(&token, Tap::new()).await, StatusCode::UNAUTHORIZED);
        }
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_wrong_certificate_and_none_are_refused() {
    run(async {
        let alias = || ClientCredentials::builder(variable("INTEROP_OIDC_MTLS") + "/token");
        for name in ["tls-stranger", "tls-self-signed", "tls-self-signed-stranger", "none"] {
            let tap = match name {
                "none" => Tap::new(),
                name => showing(&identity(name)).0,
            };
            let mut builders = vec![alias().tls_client_auth("tls")];
            if name != "tls-self-signed" {
                builders.push(alias().self_signed_tls_client_auth("tls-self-signed"));
            }
            for builder in builders {
                let builder = builder.transport(tap.clone()).attempts(1);
                let error = acquire(builder).await.unwrap_err();
                assert_eq!(error.code(), "invalid_client", "{name}");
            }
        }
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_secret_and_a_certificate_make_a_bound_token() {
    run(async {
        let identity = identity("tls-client");
        let (tokens, requests) = showing(&identity);
        let builder = discovering(&tokens)
            .client_secret_basic("bound", secret("secret.bound"))
            .client_identity(identity.clone());
        let token = acquire(builder).await.unwrap();
        let answer = oidc::introspect(token.secret()).await;
        assert_eq!(answer["cnf"]["x5t#S256"], identity.thumbprint());
        assert_eq!(present(&token, requests).await, StatusCode::OK);
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_certificate_that_is_replaced_takes_its_tokens_with_it() {
    run(async {
        let (chain, key) = (path("rotating.crt"), path("rotating.key"));
        let install = |name: &str| {
            fs::write(&chain, read(&format!("{name}.pem"))).unwrap();
            fs::write(&key, secret(&format!("{name}.key"))).unwrap();
        };
        install("tls-client");
        let identity =
            ClientIdentity::from_files(ChainAndKey { chain: &chain, key: &key }).unwrap();
        let (tokens, requests) = showing(&identity);
        let builder = discovering(&tokens).tls_client_auth("tls").client_identity(identity.clone());
        let (cache, events) = cache(builder);
        let client = client(&cache, &oidc::api(), requests.clone());
        let url = oidc::api() + "/resource";
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        let first = identity.thumbprint();

        install("tls-client-next");
        assert!(identity.reload().await.unwrap());
        assert_ne!(identity.thumbprint(), first);
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        assert_eq!(requests.statuses(), [200, 200], "the old token was not tried again");
        let cleared = |event: &Event| matches!(event.kind(), EventKind::Cleared);
        assert!(events.lock().unwrap().iter().any(cleared));
        let token = cache.current().unwrap();
        let answer = oidc::introspect(token.secret()).await;
        assert_eq!(answer["cnf"]["x5t#S256"], identity.thumbprint());
    });
}
