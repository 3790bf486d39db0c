//! A secret in the wrong place appears in no error and in no `Debug`.

use std::{error::Error as _, fmt::Debug};

use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    Error, TokenCache,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, MockResponse, RegisteredClient},
};

use crate::support::{App, TempFile, env_of, json};

const CANARY: &str = "canary-4e1f0a77";
/// A secret that needs no quotes.
const NUMBER: &str = "40960077";

pub(crate) const SETTINGS: &[&str] = &[
    "token_url",
    "issuer",
    "client_id",
    "client_secret",
    "client_secret_file",
    "auth_method",
    "private_key_file",
    "signing_algorithm",
    "key_id",
    "jwt_claims",
    "jwt_lifetime",
    "assertion_audience",
    "client_assertion_file",
    "client_assertion_type",
    "client_certificate_file",
    "client_key_file",
    "grant_type",
    "ca_file",
    "proxy",
    "scope",
    "audience",
    "resource",
    "authorization_details",
    "parameters",
    "parameter_files",
    "attempts",
    "attempt_timeout",
    "lifetime_cap",
    "token_lifetime",
    "acquisition_timeout",
    "wait_timeout",
    "leeway",
    "default_lifetime",
    "keep_warm",
];

fn silent(what: &dyn Debug, place: &str) {
    let text = format!("{what:?} {what:#?}");
    assert!(!text.contains(CANARY) && !text.contains(NUMBER), "{place}: {text}");
}

fn silent_error(error: &Error, place: &str) {
    silent(error, place);
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!("; {cause}");
        source = cause.source();
    }
    assert!(!text.contains(CANARY) && !text.contains(NUMBER), "{place}: {text}");
}

/// Collects all output: of the builder, the cache, and a refused acquisition.
async fn tell_all(config: &ClientCredentialsConfig, place: &str) -> bool {
    silent(config, place);
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    idp.always(MockResponse::OAuthError { status: 400, code: "invalid_request" });
    let source =
        config.source_builder().and_then(|builder| builder.transport(idp.service()).build());
    match source {
        Err(error) => {
            silent_error(&error, place);
            if let Err(error) = config.cache_builder(|_| async { unreachable!() }) {
                silent_error(&error, place);
            }
            false
        }
        Ok(source) => {
            let tokens = TokenCache::new(source);
            is_named_after_public_settings(tokens.name(), place);
            if let Err(error) = tokens.get().await {
                // Without the name of the client, which was checked.
                let shown = format!("{error} {error:?} {error:#?}").replace(tokens.name(), "");
                assert!(!shown.contains(CANARY) && !shown.contains(NUMBER), "{place}: {shown}");
                if let Some(cause) = error.source() {
                    silent(&cause, place);
                }
            }
            true
        }
    }
}

/// The client id, the host of the server and the scope are not secret. The name has nothing else.
fn is_named_after_public_settings(name: &str, place: &str) {
    if name.contains(CANARY) || name.contains(NUMBER) {
        let settings: Value = serde_json::from_str(place).unwrap();
        let public = ["client_id", "scope"].map(|setting| settings[setting].to_string());
        let is_public = public.iter().any(|it| it.contains(CANARY) || it.contains(NUMBER));
        assert!(is_public, "{place}: {name}");
    }
}

/// Several client authentications, so that each setting is used in at least one of them.
fn bases(file: &str) -> [Value; 5] {
    let url = "https://idp.test/token";
    [
        json!({"token_url": url, "client_id": "my-service", "client_secret": "s3cret"}),
        json!({"token_url": url, "client_id": "my-service", "client_secret_file": file}),
        json!({
            "token_url": url, "client_id": "my-service", "private_key_file": file,
            "signing_algorithm": "ES256", "assertion_audience": "https://idp.test",
        }),
        json!({
            "issuer": "https://idp.test", "client_id": "my-service", "client_secret": "s3cret",
            "auth_method": "client_secret_jwt",
        }),
        json!({
            "token_url": url, "auth_method": "none", "private_key_file": file,
            "signing_algorithm": "ES256", "grant_type": "a", "jwt_claims": {"iss": "b"},
        }),
    ]
}

/// As text, as a number next to it, in a list, in a map, as a key: in every place except as the
/// name of an unknown setting, which errors must show.
#[tokio::test(start_paused = true)]
async fn in_every_setting_and_type() {
    let file = TempFile::new("not a key\n");
    let (mut refused, mut taken) = (0, 0);
    for &setting in SETTINGS {
        for value in [
            json!(CANARY),
            json!(format!("{CANARY}\n")),
            json!([CANARY]),
            json!([[CANARY], 1]),
            json!({CANARY: CANARY}),
            json!({"a": {"b": CANARY}}),
            json!(format!("https://{CANARY}@idp.test/")),
            json!(format!("{CANARY}={CANARY}&{CANARY}")),
            json!(format!("{CANARY}=a&{CANARY}=b")),
            json!(format!("{CANARY}==")),
        ] {
            for base in bases(file.path()) {
                let mut settings = base;
                settings[setting] = value.clone();
                let place = settings.to_string();
                match tell_all(&json(&settings), &place).await {
                    true => taken += 1,
                    false => refused += 1,
                }
                // As a variable, if it can be one.
                let pairs = settings.as_object().unwrap().iter();
                let pairs: Option<Vec<_>> = pairs
                    .map(|(name, value)| Some((name.to_uppercase(), value.as_str()?)))
                    .collect();
                if let Some(pairs) = pairs {
                    let vars = pairs.iter().map(|(name, value)| (format!("X_{name}"), *value));
                    tell_all(&ClientCredentialsConfig::from_vars("X_", vars), &place).await;
                }
            }
        }
    }
    assert!(refused > 300 && taken > 50, "{refused} refused, {taken} taken");
}

#[tokio::test(start_paused = true)]
async fn where_no_setting_is() {
    for (name, value) in [("OAUTH_CLIENT_SECRETT", CANARY), ("OAUTH_", CANARY)] {
        assert!(!tell_all(&env_of(&[(name, value)]), name).await);
    }
    let joined = [":", "=", "\u{a0}", "/"].map(|between| format!("client_secret{between}{CANARY}"));
    let joined = joined.map(|name| json!({name: null}));
    let pairs = json!({"a b": 1, format!("{CANARY} "): 1, CANARY.repeat(5): 1});
    for value in
        [json!(CANARY), json!([CANARY]), json!({"secret": CANARY}), pairs].into_iter().chain(joined)
    {
        assert!(!tell_all(&json(&value), &value.to_string()).await);
    }
}

/// The readers' own errors would print the line. There are none, for a value of any type.
#[tokio::test(start_paused = true)]
async fn through_readers_that_show_lines() {
    let number = NUMBER;
    for oauth in [
        format!("oauth = \"{CANARY}\""),
        format!("oauth = [\"{CANARY}\"]"),
        format!("[oauth]\nclient_secret = {number}"),
        format!("[oauth]\nclient_secret = [\"{CANARY}\"]"),
        format!("[oauth]\nclient_secrett = \"{CANARY}\""),
        format!("[oauth]\nleeway = \"{CANARY}\""),
        "[oauth]\nclient_secret = 4096-10-07".to_owned(),
    ] {
        let text = format!("port = 8080\n{oauth}");
        let app = toml::from_str::<App>(&text).unwrap_or_else(|error| panic!("{error}"));
        assert!(!tell_all(&app.oauth, &text).await);
    }
    for oauth in [
        CANARY.to_owned(),
        format!("[{CANARY}]"),
        format!("{{client_secret: {number}}}"),
        format!("{{client_secret: 1{number}0000000000000000000000}}"),
        format!("{{client_secret: -1{number}0000000000000000000000}}"),
        format!("{{client_secret: [{CANARY}]}}"),
        format!("{{client_secrett: {CANARY}}}"),
        format!("{{client_id: a, client_secret:{CANARY}}}"),
        format!("{{client_id: a, client_secret={CANARY}}}"),
        format!("{{client_id: a, client_secrett:{CANARY}}}"),
        format!("{{1: {CANARY}}}"),
        format!("{{[a, b]: {CANARY}}}"),
    ] {
        let text = format!("port: 8080\noauth: {oauth}\n");
        let app = yaml_serde::from_str::<App>(&text).unwrap_or_else(|error| panic!("{error}"));
        assert!(!tell_all(&app.oauth, &text).await);
    }
}
