//! Trust and certificate from the environment, for token requests and for the API.

use std::fs;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Empty;
use tower_oauth2_client_credentials::{
    ErrorKind,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::HyperClient,
};

use super::{
    NAME, call,
    support::{Authority, Files, bounded},
};

#[tokio::test]
async fn the_environment_gives_trust_and_certificate_to_both_clients() {
    let authority = Authority::new();
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new("tls").dns_name(NAME)).build();
    let api = ProtectedApi::new(&idp);
    let tls = authority.server(authority.asking(true));
    let idp_server = idp.listen_tls(tls.clone()).await.unwrap();
    let api_server = api.listen_tls(tls).await.unwrap();
    let files = Files::new(&authority.certify(NAME));
    let ca_file = files.chain.with_extension("ca");
    fs::write(&ca_file, format!("\u{feff}{}", authority.pem)).unwrap();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let config = ClientCredentialsConfig::from_vars(
        "BILLING_",
        [
            ("BILLING_TOKEN_URL", idp_server.token_url()),
            ("BILLING_CLIENT_ID", "tls".to_owned()),
            ("BILLING_AUTH_METHOD", "tls_client_auth".to_owned()),
            ("BILLING_CLIENT_CERTIFICATE_FILE", path(&files.chain)),
            ("BILLING_CLIENT_KEY_FILE", path(&files.key)),
            ("BILLING_CA_FILE", path(&ca_file)),
            ("BILLING_PROXY", "none".to_owned()),
        ],
    );
    let http: HyperClient<Empty<Bytes>> =
        config.transport_builder().unwrap().build_client().unwrap();
    let tokens = config.clone().into_cache().unwrap();
    let token = bounded(tokens.get()).await.unwrap();
    assert!(idp.is_bound(token.secret()));
    assert_eq!(call(&http, &api_server, &token).await, StatusCode::OK);

    // Both use the files as one identity. The API's client uses the new certificate as soon as a
    // token request has read it.
    let pair = authority.certify(NAME);
    files.replace(&pair);
    let token = bounded(tokens.force_refresh()).await.unwrap();
    assert_eq!(call(&http, &api_server, &token).await, StatusCode::OK);
    assert_eq!(api.recorded().last().unwrap().client_certificate, Some(pair.der));

    let without = ClientCredentialsConfig::from_vars(
        "BILLING_",
        [
            ("BILLING_TOKEN_URL", idp_server.token_url()),
            ("BILLING_CLIENT_ID", "id".to_owned()),
            ("BILLING_CLIENT_SECRET", "hunter2".to_owned()),
            ("BILLING_PROXY", "none".to_owned()),
        ],
    );
    let error = bounded(without.into_cache().unwrap().get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.to_string().contains("the setting ca_file"), "{error}");
    fs::remove_file(&ca_file).unwrap();
}

#[test]
fn a_mistake_names_the_setting_and_shows_no_value() {
    let missing = "/no/such/hunter2.pem";
    let folder = std::env::temp_dir();
    let file = folder.join(format!("toacc-mtls-no-roots-{}", std::process::id()));
    fs::write(&file, "no PEM").unwrap();
    for (name, value, why) in [
        ("OAUTH_CA_FILE", missing, "OAUTH_CA_FILE: no file can be read there"),
        ("OAUTH_CA_FILE", folder.to_str().unwrap(), "OAUTH_CA_FILE: it is a directory"),
        ("OAUTH_CA_FILE", file.to_str().unwrap(), "OAUTH_CA_FILE: no root certificates in PEM"),
        ("OAUTH_PROXY", "http://user:hunter2@ss@p.test", "OAUTH_PROXY: the user or password"),
        ("OAUTH_PROXY", "off", "OAUTH_PROXY: it has no scheme; give a URL such as"),
        ("OAUTH_PROXY", "ftp://hunter2", "OAUTH_PROXY: the scheme of the proxy URL"),
    ] {
        let config = ClientCredentialsConfig::from_vars(
            "OAUTH_",
            [
                ("OAUTH_TOKEN_URL", "https://idp.test/token"),
                ("OAUTH_CLIENT_ID", "id"),
                ("OAUTH_CLIENT_SECRET", "s3cret"),
                (name, value),
            ],
        );
        let both = [config.source_builder().map(drop), config.transport_builder().map(drop)];
        for result in both {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
    fs::remove_file(&file).unwrap();
}
