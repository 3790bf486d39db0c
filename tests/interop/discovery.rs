//! Metadata (RFC 8414, OpenID Connect Discovery) of real servers.

use tower_oauth2_client_credentials::{ClientCredentials, ErrorKind};

use crate::{
    authlib, canaries, oidc,
    support::{acquire, again, build, run, secret},
    tap::Tap,
};

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_token_endpoint_is_found_once() {
    run(async {
        let tap = Tap::new();
        let builder = ClientCredentials::discover(oidc::issuer())
            .client_secret_post("post", secret("secret.post"))
            .strict_metadata(true)
            .transport(tap.clone());
        let source = build(builder);
        for _ in 0..2 {
            again(&source).await.unwrap();
        }
        let paths: Vec<_> =
            tap.exchanges().iter().map(|exchange| exchange.uri.path().to_owned()).collect();
        assert_eq!(paths, ["/.well-known/oauth-authorization-server", "/token", "/token"]);
        let metadata = source.server_metadata().await.unwrap().unwrap();
        canaries::shown(&metadata);
        assert_eq!(tap.count(), 3);
    });
}

#[test]
#[ignore = "needs oidc-provider and Authlib (run .ci/real-servers)"]
fn another_issuer_and_a_server_without_metadata() {
    run(async {
        let ask = |issuer: String| {
            let tap = Tap::new();
            let builder = ClientCredentials::discover(issuer)
                .client_secret_post("post", secret("secret.post"))
                .attempts(1)
                .transport(tap.clone());
            async move { (acquire(builder).await.unwrap_err(), tap.statuses()) }
        };
        // The same server under another name.
        let (error, _) = ask(oidc::issuer().replace("localhost", "127.0.0.1")).await;
        assert_eq!(error.code(), "issuer_mismatch");
        let (error, _) = ask(authlib::server()).await;
        assert_eq!(error.kind(), ErrorKind::Discovery);
    });
}
