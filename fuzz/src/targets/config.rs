//! P8: any settings become a client, or an error that shows no value. Settings in a file and in
//! variables are accepted and refused alike.

use serde_json::{Map, Value};
use tower_oauth2_client_credentials::config::ClientCredentialsConfig;

use crate::support::{SECRET, check_error, leaks, with_secret};

pub fn run(data: &[u8]) {
    let Some(text) = with_secret(data) else { return };
    let Ok(settings) = serde_json::from_str::<Value>(&text) else { return };
    // Files are read.
    if reads_files(&settings) {
        return;
    }
    let config: ClientCredentialsConfig = serde_json::from_str(&text).expect("any JSON");
    assert!(!leaks(&format!("{config:?}")));
    let built = config.source_builder().map(drop);
    // The name of an unknown setting is shown if it looks like a name. Nothing else is.
    if let Err(error) = &built
        && !names_the_secret(&settings)
    {
        check_error(error);
    }
    if let Value::Object(map) = &settings
        && map.values().all(Value::is_string)
    {
        compare(map, built.is_ok());
    }
}

fn compare(map: &Map<String, Value>, is_accepted: bool) {
    let names = |it: &String| !it.is_empty() && it.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
    let is_set = |name: &str| map.contains_key(name);
    // A file may set a name twice, and only variables may be unknown to all.
    if !map.keys().all(names) {
        return;
    }
    let vars = map.iter().map(|(name, value)| {
        (format!("OAUTH_{}", name.to_ascii_uppercase()), value.as_str().expect("a string"))
    });
    let built = ClientCredentialsConfig::from_vars("OAUTH_", vars).source_builder();
    let _ = is_set;
    assert_eq!(built.is_ok(), is_accepted, "{map:?}: {:?}", built.err());
}

fn reads_files(settings: &Value) -> bool {
    settings.as_object().is_some_and(|map| map.keys().any(|name| name.contains("file")))
}

fn names_the_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, value)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            name.contains(SECRET) && name.chars().all(plain) || names_the_secret(value)
        }),
        Value::Array(values) => values.iter().any(names_the_secret),
        _ => false,
    }
}
