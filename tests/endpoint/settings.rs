//! `build` reports errors in the settings of `ClientCredentials`.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::service_fn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, ErrorKind,
    client_auth::Secret,
    endpoint::{ClientCredentialsBuilder, ParameterValue, SignedJwt},
    jose::{SigningAlgorithm, SigningKey},
    token::TokenType,
    transport::TokenRequest,
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
    assert!(error.is_permanent() && !error.is_retryable());
    error.to_string()
}

#[test]
fn the_message_names_the_setting_and_what_to_do() {
    let http = bare("http://idp.example.com/token").client_secret_post("id", "pw");
    assert_eq!(
        config_error(http),
        "config: a setting is wrong; token URL: plain http would show the client's credentials \
         to the network; use https, or call allow_plain_http"
    );
    assert_eq!(
        config_error(bare("https://idp.example.com/token")),
        "config: a setting is wrong; client authentication: none was chosen; call \
         client_secret_basic, client_secret_post or public_client"
    );
    assert_eq!(
        config_error(good().parameter("scope", "x")),
        "config: a setting is wrong; parameter \"scope\": it is reserved; use the builder's method for it"
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
        ("not an object", good().authorization_details("[1]")),
        ("\"type\"", good().authorization_details("[{}]")),
        ("\"type\"", good().authorization_details(r#"[{"type":1}]"#)),
        ("resource: it is not an absolute URI", good().resource("api")),
        ("resource: it is not an absolute URI", good().resource("/relative")),
        ("resource: it is not an absolute URI", good().resource("https://a.test").resource("")),
        ("resource: it has a fragment", good().resource("https://a.test/#f")),
        ("grant_type: it is empty", good().grant_type("")),
        ("grant_type: it contains a space", good().grant_type("client credentials")),
        ("no_client_authentication", good().no_client_authentication()),
        ("client id", good().client_secret_post(" ", "pw")),
        ("name is empty", good().parameter(" ", "1")),
        ("twice", good().parameter("a", Secret::from("1")).parameter("a", "2")),
        ("zero", good().attempts(0)),
        ("zero", good().attempt_timeout(Duration::ZERO)),
        ("zero", good().body_cap(0)),
        ("below 1 s", good().token_lifetime(Duration::ZERO)),
        ("below 1 s", good().token_lifetime(Duration::from_millis(999))),
        ("below 1 s", good().lifetime_cap(Duration::from_millis(999))),
        ("DPoP", good().token_type_override(TokenType::Dpop)),
    ] {
        let message = config_error(builder);
        assert!(message.contains(mistake), "{mistake}: {message}");
        assert_form(&message);
    }
}

/// All builders write an error as `setting: problem; what to do`.
fn assert_form(message: &str) {
    let detail = message.strip_prefix("config: a setting is wrong; ").expect(message);
    let (setting, rest) = detail.split_once(": ").expect(message);
    let (problem, advice) = rest.rsplit_once("; ").expect(message);
    assert!([setting, problem, advice].iter().all(|part| !part.is_empty()), "{message}");
}

/// Mistakes in a JWT that is signed as a parameter.
#[test]
fn mistakes_in_a_signed_jwt_name_the_parameter() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let jwt = || SignedJwt::new(key.clone()).issuer("me").audience("https://idp.test");
    for (mistake, jwt) in [
        ("not a JSON object", jwt().claims("[]")),
        ("not a JSON object", jwt().claims("{")),
        ("the claim exp is added for each attempt", jwt().claim("exp", "1")),
        ("the claim iat is added for each attempt", jwt().claims(r#"{"a":1,"iat":1}"#)),
        ("the claim jti is added for each attempt", jwt().claim("jti", "hunter2")),
        ("the name of a claim is empty", jwt().claim("", "hunter2")),
        ("below 1 s; set 1 s or more", jwt().lifetime(Duration::from_millis(999))),
        ("the audience of its JWT is empty", jwt().audience("")),
    ] {
        let message = config_error(good().grant_type("x").parameter("assertion", jwt));
        assert!(message.contains("parameter \"assertion\": "), "{message}");
        assert!(message.contains(mistake), "{mistake}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
        assert_form(&message);
    }
    let shortest = jwt().lifetime(Duration::from_secs(1));
    good().grant_type("x").parameter("assertion", shortest).build().unwrap();
    let issuer =
        tower_oauth2_client_credentials::client_auth::AssertionAudience::discovered_issuer();
    let message = config_error(good().parameter("assertion", jwt().audience(issuer)));
    assert!(message.contains("discovery is not used"), "{message}");
}

#[test]
fn a_parameter_that_has_its_own_setting_is_refused() {
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

#[cfg(not(feature = "hyper-transport"))]
#[test]
fn without_the_hyper_feature_a_transport_must_be_given() {
    let builder = ClientCredentials::builder("https://idp/token").public_client("id");
    assert!(config_error(builder).contains("transport(…)"));
}

#[test]
fn debug_shows_no_secret() {
    let builder = bare("https://idp.example.com/token?key=sesame")
        .client_secret_basic("my-service", "hunter2")
        .parameter("x", "sesame")
        .parameter("y", Secret::from("sesame"))
        .parameter("z", ParameterValue::from_fn(|| async { Ok("sesame".to_owned()) }));
    let mut shown = format!("{builder:?} {:?}", ParameterValue::from("sesame"));
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let jwt = SignedJwt::new(key).issuer("sesame");
    shown.push_str(&format!("{jwt:?} {:?}", ParameterValue::from(jwt.clone())));
    shown.push_str(&format!("{:?}", ParameterValue::from(Secret::from("sesame"))));
    shown.push_str(&format!("{:?}", builder.build().unwrap()));
    assert!(shown.contains("my-service") && shown.contains("idp.example.com"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
}
