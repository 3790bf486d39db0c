//! P8: any settings become a client, or an error that shows no value. Settings in a file and in
//! variables are accepted and refused alike.

use serde_json::{Map, Value};
use tower_oauth2_client_credentials::config::ClientCredentialsConfig;

use crate::support::{check_error, leaks, with_secret};

pub fn run(data: &[u8]) {
    let Some(text) = with_secret(data) else { return };
    let Ok(settings) = serde_json::from_str::<Value>(&text) else { return };
    // Files are read.
    if reads_files(&settings) {
        return;
    }
    let config: ClientCredentialsConfig = serde_json::from_str(&text).expect("any JSON");
    assert!(!leaks(&format!("{config:?}")));
    // The name of an unknown setting is shown if it looks like a name. Nothing else is.
    if let Err(error) = config.source_builder()
        && !names_the_secret(&settings)
    {
        check_error(&error);
    }
    if let Value::Object(map) = &settings {
        compare(map);
    }
}

/// Compares texts in a file, each with another name, with the same texts in variables.
fn compare(map: &Map<String, Value>) {
    let is_name = |it: &String| it.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
    if !map.keys().all(is_name) || !map.values().all(Value::is_string) {
        return;
    }
    let file: ClientCredentialsConfig =
        serde_json::from_value(map.clone().into()).expect("any JSON");
    let vars = map.iter().map(|(name, value)| {
        (format!("OAUTH_{}", name.to_ascii_uppercase()), value.as_str().expect("a string"))
    });
    let vars = ClientCredentialsConfig::from_vars("OAUTH_", vars);
    let (file, vars) = (file.source_builder().map(drop), vars.source_builder().map(drop));
    assert_eq!(file.is_ok(), vars.is_ok(), "{map:?}: {file:?}, {vars:?}");
}

fn reads_files(settings: &Value) -> bool {
    settings.as_object().is_some_and(|map| map.keys().any(|name| name.contains("file")))
}

fn names_the_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, value)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            leaks(name) && name.chars().all(plain) || names_the_secret(value)
        }),
        Value::Array(values) => values.iter().any(names_the_secret),
        _ => false,
    }
}
