//! P8: any settings become a client, or an error that shows no value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_oauth2_client_credentials::config::ClientCredentialsConfig;

const SECRET: &str = "c4n4ry-s3cret";

fuzz_target!(|text: &str| {
    // Each value is the secret in one place. It must not be shown in the wrong place either.
    let text = text.replace("SECRET", SECRET);
    let Ok(config) = serde_json::from_str::<ClientCredentialsConfig>(&text) else { return };
    let mut shown = format!("{config:?}");
    if let Err(error) = config.source_builder() {
        shown.push_str(&format!("{error} {error:?}"));
    }
    // The name of an unknown setting is shown if it looks like a name. Nothing else is.
    let settings: serde_json::Value = serde_json::from_str(&text).expect("it was read before");
    if !names_the_secret(&settings) {
        assert!(!shown.contains(SECRET), "{shown}");
    }
});

fn names_the_secret(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().any(|(name, value)| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                name.contains(SECRET) && name.chars().all(plain) || names_the_secret(value)
            })
        }
        serde_json::Value::Array(values) => values.iter().any(names_the_secret),
        _ => false,
    }
}
