//! Mistakes in the settings of `ClientCredentials` are found when it is built.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::service_fn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, ClientCredentialsBuilder, Error, ErrorKind, TokenRequest,
    TokenType,
};

fn bare(url: &str) -> ClientCredentialsBuilder {
    ClientCredentials::builder(url).transport(service_fn(|_: TokenRequest| async {
        Err::<Response<Full<Bytes>>, BoxError>("not reached".into())
    }))
}

fn good() -> ClientCredentialsBuilder {
    bare("https://idp.example.com/token").client_secret_post("id", "pw")
}

fn config_error(builder: ClientCredentialsBuilder) -> String {
    let error: Error = builder.build().expect_err("a mistake in the settings");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.is_terminal() && !error.is_retryable());
    error.to_string()
}

#[test]
fn the_message_names_the_setting_and_what_to_do() {
    let http = bare("http://idp.example.com/token").client_secret_post("id", "pw");
    assert_eq!(
        config_error(http),
        "config: a setting is wrong; token URL: plain http would show the client's credentials \
         to the network; use https, or allow_plain_http if you must"
    );
    assert_eq!(
        config_error(bare("https://idp.example.com/token")),
        "config: a setting is wrong; client authentication: none was chosen; call \
         client_secret_basic, client_secret_post or public_client"
    );
    assert_eq!(
        config_error(good().parameter("scope", "x")),
        "config: a setting is wrong; parameter \"scope\": it has a setting of its own; use that"
    );
}

#[test]
fn every_mistake_is_a_config_error() {
    for (mistake, builder) in [
        ("fragment", bare("https://idp/token#x").public_client("id")),
        ("credentials", bare("https://a:b@idp/token").public_client("id")),
        ("not absolute", bare("idp/token").public_client("id")),
        ("scheme", bare("ftp://idp/token").public_client("id")),
        ("client id", good().client_secret_post("", "pw")),
        ("client id", good().client_secret_basic("", "pw")),
        ("client id", good().client_secret_basic_raw("", "pw")),
        ("client id", good().public_client("")),
        ("':'", good().client_secret_basic_raw("a:b", "pw")),
        ("twice", good().parameter("a", "1").parameter("b", "1").parameter("a", "2")),
        ("name is empty", good().parameter("", "1")),
        ("JSON array", good().authorization_details("{}")),
        ("JSON array", good().authorization_details("[{]")),
        ("JSON array", good().authorization_details("")),
        ("zero", good().attempts(0)),
        ("zero", good().attempt_timeout(Duration::ZERO)),
        ("zero", good().body_cap(0)),
        ("DPoP", good().token_type_override(TokenType::Dpop)),
    ] {
        let message = config_error(builder);
        assert!(message.contains(mistake), "{mistake}: {message}");
    }
}

#[test]
fn no_parameter_with_a_setting_of_its_own_is_taken() {
    for name in [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "audience",
        "resource",
        "authorization_details",
    ] {
        assert!(config_error(good().parameter(name, "x")).contains(name));
    }
}

#[test]
fn a_later_choice_replaces_an_earlier_mistake() {
    good().client_secret_basic_raw("a:b", "pw").client_secret_basic("a:b", "pw").build().unwrap();
    bare("http://idp/token").public_client("id").allow_plain_http().build().unwrap();
    good().authorization_details(" [ {\"type\":\"x\"} ] ").build().unwrap();
}

#[cfg(not(feature = "hyper"))]
#[test]
fn without_the_hyper_feature_a_transport_must_be_given() {
    let builder = ClientCredentials::builder("https://idp/token").public_client("id");
    assert!(config_error(builder).contains("transport(…)"));
}

#[test]
fn debug_shows_no_secret() {
    let builder = bare("https://idp.example.com/token?key=sesame")
        .client_secret_basic("my-service", "hunter2")
        .parameter("x", "sesame");
    let mut shown = format!("{builder:?}");
    shown.push_str(&format!("{:?}", builder.build().unwrap()));
    assert!(shown.contains("my-service") && shown.contains("idp.example.com"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
}
