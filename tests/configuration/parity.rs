//! Builder and configuration accept the same inputs, refuse the same inputs, and send the same
//! bytes.
//!
//! Two differences come from reading and are excluded: the configuration removes white space around
//! a value, and treats an empty value as not set.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, TokenCache,
    client_auth::Secret,
    endpoint::ClientCredentialsBuilder,
    jose::HmacAlgorithm,
    testing::{AuthorizationServer, MockResponse},
};

use crate::support::{TempFile, json};

const TOKEN_URL: &str = "https://idp.test/token";

/// The server's view of the request, and the client's view of the response.
#[derive(Debug, PartialEq)]
struct Sent {
    url: String,
    headers: Vec<(String, Bytes)>,
    body: String,
    lifetime: Option<Duration>,
}

async fn outcome(builder: Result<ClientCredentialsBuilder, Error>) -> Result<Sent, ErrorKind> {
    let idp = AuthorizationServer::new();
    let body = r#"{"access_token":"abc","token_type":"Bearer","expires_in":7200}"#;
    idp.always(MockResponse::Raw(Response::new(Bytes::from(body))));
    let source = builder.and_then(|builder| builder.transport(idp.service()).build());
    let source = source.map_err(|error| error.kind())?;
    let token = TokenCache::new(source).get().await.map_err(|error| error.kind())?;
    let request = idp.requests().remove(0);
    let headers = request.headers.iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes())))
        .collect();
    headers.sort();
    // A signed assertion is different in each request.
    let form = request.form.iter().map(|(name, value)| match name.as_str() {
        "client_assertion" if value.starts_with("eyJ") => (name.clone(), "signed".to_owned()),
        _ => (name.clone(), value.clone()),
    });
    let form: Vec<_> = form.collect();
    let signed = form.iter().any(|(_, value)| value == "signed");
    let bytes = String::from_utf8(request.body.to_vec()).unwrap();
    Ok(Sent {
        url: request.uri.to_string(),
        headers,
        body: if signed { format!("{form:?}") } else { bytes },
        lifetime: token.lifetime(),
    })
}

fn settings(more: Value) -> Result<ClientCredentialsBuilder, Error> {
    let mut settings =
        json!({"token_url": TOKEN_URL, "client_id": "my-service", "client_secret": "s3cret"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json(&settings).source_builder()
}

fn base() -> ClientCredentialsBuilder {
    ClientCredentials::builder(TOKEN_URL).client_secret_basic("my-service", "s3cret")
}

/// Passes one input to both. Returns whether they accept it.
async fn same(more: Value, builder: ClientCredentialsBuilder) -> bool {
    let (configured, built) = (outcome(settings(more.clone())).await, outcome(Ok(builder)).await);
    assert_eq!(configured, built, "{more}");
    if let Err(kind) = &built {
        assert_eq!(*kind, ErrorKind::Config, "{more}");
    }
    built.is_ok()
}

type Set = fn(&str) -> ClientCredentialsBuilder;

/// Each setting that is one text, with accepted and refused inputs.
const TEXTS: &[(&str, Set, &[&str], &[&str])] = &[
    (
        "token_url",
        |url| ClientCredentials::builder(url).client_secret_basic("my-service", "s3cret"),
        &["https://idp.test/token?a=b", "HTTPS://idp.test/token", "http://127.0.0.1:1/token"],
        &[
            "idp.test/token",
            "/token",
            "ftp://idp.test/token",
            "https://idp.test/token#a",
            "https://a:b@idp.test/token",
            "https://idp.test:99999/token",
            "http://idp.test/token",
            "http://idp.localhost/token",
            "http://localhost./token",
            "https:///token",
        ],
    ),
    (
        "client_id",
        |id| ClientCredentials::builder(TOKEN_URL).client_secret_basic(id, "s3cret"),
        &["a", "a:b", "ü & =", "sb-app!t1|b"],
        &[" ", ""],
    ),
    (
        "client_secret",
        |secret| ClientCredentials::builder(TOKEN_URL).client_secret_basic("my-service", secret),
        &["a", " a ", "ü %+&="],
        &[],
    ),
    (
        "scope",
        |scope| base().scope(scope),
        &["a", " read  write ", "read\twrite\n", " ", "https://a.test/.default", "ü"],
        &[],
    ),
    ("audience", |audience| base().audience(audience), &["a b", " https://a.test ", " "], &[]),
    (
        "resource",
        |resource| base().resource(resource),
        &["https://a.test", "https://a.test/b?c=d", "urn:a:b", "api://a-b"],
        &["api", "/relative", "//a.test", "https://a.test/#f", "https:", "https://", "ä:b", "a:%z"],
    ),
    (
        "authorization_details",
        |json| base().authorization_details(json),
        &["[]", r#"[{"type":"a"}]"#, " [ {\"b\" : 1e999, \"type\" : \"a\"} ]\n"],
        &["{}", "[{}]", "[1]", r#"[{"type":1}]"#, r#"[{"type":""}]"#, "[{", r#""a""#],
    ),
    (
        "grant_type",
        |grant| base().grant_type(grant),
        &["client_credentials", "account_credentials", " urn:a:b:c "],
        &["a b", "ä", "a\u{7f}b"],
    ),
];

#[tokio::test(start_paused = true)]
async fn of_texts() {
    for (setting, set, accepted, refused) in TEXTS {
        for text in *accepted {
            assert!(same(json!({*setting: text}), set(text)).await, "{setting} {text:?}");
        }
        for text in *refused {
            assert!(!same(json!({*setting: text}), set(text)).await, "{setting} {text:?}");
        }
    }
    for (issuer, accepted) in [
        ("https://idp.test", true),
        ("http://idp.test", false),
        ("https://idp.test?a=b", false),
        ("https://idp.test/.well-known/openid-configuration", false),
        ("http://idp.localhost", false),
    ] {
        let builder =
            ClientCredentials::discover(issuer).client_secret_basic("my-service", "s3cret");
        let set = json!({"token_url": null, "issuer": issuer});
        assert_eq!(same(set, builder).await, accepted, "{issuer}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_parameters() {
    for (parameters, accepted) in [
        (&[("a", "1")][..], true),
        (&[("a", "1"), ("b", "ü =&+")], true),
        (&[("a", "")], true),
        (&[("a", ""), ("b", "1")], true),
        (&[("a", " ")], true),
        (&[("", "1")], false),
        (&[(" ", "1")], false),
        (&[("scope", "a")], false),
        (&[("grant_type", "a")], false),
        (&[("client_secret", "a")], false),
        (&[("client_assertion", "a")], false),
        (&[("resource", "https://a.test")], false),
    ] {
        let builder =
            parameters.iter().fold(base(), |it, (name, value)| it.parameter(*name, *value));
        let map: serde_json::Map<_, _> =
            parameters.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
        assert_eq!(same(json!({"parameters": map}), builder).await, accepted, "{parameters:?}");
    }
    // As a form, which can name a parameter twice.
    assert!(same(json!({"parameters": "a=&b=1+2"}), base().parameter("b", "1 2")).await);
    let twice = base().parameter("a", "1").parameter("a", "2");
    assert!(!same(json!({"parameters": "a=1&a=2"}), twice).await);

    let file = TempFile::new("from a file\n");
    let secret = || Secret::from_file(file.path());
    let files = json!({"parameter_files": {"a": file.path()}});
    assert!(same(files, base().parameter("a", secret())).await);
    let form = json!({"parameters": "a=1", "parameter_files": format!("b={}", file.path())});
    assert!(same(form, base().parameter("a", "1").parameter("b", secret())).await);
    for (name, twice) in [("a", base().parameter("a", "1")), ("scope", base()), ("", base())] {
        let both = json!({"parameters": {"a": "1"}, "parameter_files": {name: file.path()}});
        assert!(!same(both, twice.parameter(name, secret())).await, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_numbers() {
    let secs = Duration::from_secs;
    for (setting, zero, some) in [
        ("attempts", base().attempts(0), base().attempts(2)),
        (
            "attempt_timeout",
            base().attempt_timeout(Duration::ZERO),
            base().attempt_timeout(secs(2)),
        ),
        ("lifetime_cap", base().lifetime_cap(Duration::ZERO), base().lifetime_cap(secs(2))),
        ("token_lifetime", base().token_lifetime(Duration::ZERO), base().token_lifetime(secs(2))),
    ] {
        assert!(!same(json!({setting: 0}), zero).await, "{setting}");
        assert!(same(json!({setting: 2}), some).await, "{setting}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_client_authentication() {
    let file = TempFile::new("an assertion\n");
    let opaque = "urn:example:opaque";
    let builder = || ClientCredentials::builder(TOKEN_URL);
    let (id, secret, audience) =
        ("my-service", "0123456789abcdef0123456789abcdef", "https://idp.test");
    let plain = |method: &str| json!({"auth_method": method, "client_secret": secret});
    let none = |more: Value| {
        let mut settings = json!({"client_secret": null});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings
    };
    for (settings, builder, accepted) in [
        (plain("client_secret_basic"), builder().client_secret_basic(id, secret), true),
        (plain("client_secret_basic_raw"), builder().client_secret_basic_raw(id, secret), true),
        (plain("client_secret_post"), builder().client_secret_post(id, secret), true),
        (
            json!({"auth_method": "client_secret_basic_raw", "client_id": "a:b"}),
            builder().client_secret_basic_raw("a:b", "s3cret"),
            false,
        ),
        (
            json!({
                "auth_method": "client_secret_jwt", "client_secret": secret,
                "assertion_audience": audience,
            }),
            builder().client_secret_jwt(id, secret, HmacAlgorithm::Hs256, audience),
            true,
        ),
        (
            none(json!({
                "client_assertion_file": file.path(), "client_assertion_type": opaque,
            })),
            builder().client_assertion_file(id, file.path()).client_assertion_type(opaque),
            true,
        ),
        (none(json!({"auth_method": "none"})), builder().public_client(id), true),
        (
            none(json!({"auth_method": "none", "client_id": null, "grant_type": "a"})),
            builder().no_client_authentication().grant_type("a"),
            true,
        ),
        (
            none(json!({"auth_method": "none", "client_id": null})),
            builder().no_client_authentication(),
            false,
        ),
        (none(json!({"auth_method": "tls_client_auth"})), builder().tls_client_auth(id), true),
        (
            none(json!({"auth_method": "self_signed_tls_client_auth"})),
            builder().self_signed_tls_client_auth(id),
            true,
        ),
    ] {
        assert_eq!(same(settings.clone(), builder).await, accepted, "{settings}");
    }
}
