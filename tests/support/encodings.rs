//! The encodings in which a text may repeat a secret.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

/// A text that shares this many characters with an encoding repeats the secret.
pub(crate) const SHARED: usize = 8;

pub(crate) fn form(text: &str, space: &str, upper: bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => space.to_owned(),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    text.replace('\'', "&#39;")
}

fn json_escaped(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A secret of the client `id` in every encoding, whole and as a prefix of 16 characters.
pub(crate) fn encodings(id: &str, secret: &str) -> Vec<String> {
    let escaped = form(secret, "%20", true);
    let pair = format!("{id}:{secret}");
    let mut all = vec![secret.to_owned(), escaped.clone(), html(secret), json_escaped(secret)];
    for (space, upper) in [("+", true), ("+", false), ("%20", false)] {
        all.push(form(secret, space, upper));
    }
    for text in [secret, &escaped, &pair, &format!("{id}:{escaped}")] {
        all.extend([STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text)]);
    }
    let prefixes: Vec<_> = all.iter().map(|text| text[..16].to_owned()).collect();
    all.extend(prefixes);
    all
}
