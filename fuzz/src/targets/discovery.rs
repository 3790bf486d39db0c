//! P9, P12, P8: any metadata document becomes bounded metadata of exactly the issuer that was asked
//! for, with https endpoints, or an error. Neither shows a secret that the document repeats.

use http::Uri;
use tower::service_fn;
use tower_oauth2_client_credentials::ClientCredentials;

use crate::support::{
    SECRET, answer, check_error, leaks, response_with_secret, run as block_on, set_answer,
};

const ISSUER: &str = "https://idp.example.com/t";

pub fn run(data: &[u8]) {
    let Some(answer_to_both) = response_with_secret(data) else { return };
    set_answer(answer_to_both);
    let source = ClientCredentials::discover(ISSUER)
        .client_secret_post("client", SECRET)
        .transport(service_fn(answer))
        .build()
        .expect("the settings are good");
    let metadata = match block_on(source.server_metadata()) {
        Ok(metadata) => metadata.expect("the source is discovered"),
        Err(error) => return check_error(&error),
    };
    assert_eq!(metadata.issuer(), ISSUER);
    check_endpoint(metadata.token_endpoint());
    metadata.mtls_token_endpoint().into_iter().for_each(check_endpoint);
    for names in [
        metadata.token_endpoint_auth_methods(),
        metadata.token_endpoint_auth_signing_algorithms(),
        metadata.dpop_signing_algorithms(),
        metadata.grant_types(),
    ] {
        assert!(names.len() <= 64);
        for name in names {
            assert!(name.chars().count() <= 201 && !name.contains(char::is_control), "{name:?}");
            assert!(!leaks(name), "{name}");
        }
    }
}

fn check_endpoint(endpoint: &Uri) {
    assert_eq!(endpoint.scheme_str(), Some("https"));
    assert!(endpoint.host().is_some_and(|host| !host.is_empty()));
    assert!(!endpoint.authority().is_some_and(|it| it.as_str().contains('@')));
    let text = endpoint.to_string();
    assert!(text.len() <= 2049 && !text.contains('#'), "{text}");
    assert_eq!(text.parse().as_ref().ok(), Some(endpoint));
}
