//! Texts in a JSON response that may be a token, also under names that RFC 6749 does not know. An error
//! shows no message that repeats one of them.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::json_text;
use crate::client_auth::SentSecrets;

/// Ends of the names of members with a token or another secret. Case, `_` and `-` are ignored.
const NAME_ENDS: [&str; 6] = ["token", "jwt", "assertion", "secret", "password", "apikey"];

/// Maximum nesting that is searched.
const MAX_DEPTH: usize = 8;

/// Maximum number of members and items that are searched.
const MAX_VALUES: usize = 1000;

/// A text of one word that is at least this long, with a digit in it, may be a token.
const MIN_TOKEN_LEN: usize = 16;

/// Whether a text repeats a value of the JSON object `body` that may be a token. Also true if the body
/// has too many values to compare.
pub(super) fn are_repeated(body: &str, text: &str) -> bool {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body).trim_ascii();
    let Ok(raw) = serde_json::from_str(body) else { return false };
    let mut search = Search { text, left: MAX_VALUES };
    search.finds(raw, false, MAX_DEPTH)
}

/// Whether a text as a whole looks like a token.
pub(super) fn looks_like_token(text: &str) -> bool {
    let text = text.trim();
    text.len() >= MIN_TOKEN_LEN
        && !text.contains(char::is_whitespace)
        && text.contains(|c: char| c.is_ascii_digit())
}

struct Search<'a> {
    text: &'a str,
    left: usize,
}

impl Search<'_> {
    /// `is_token`: the value is in a member whose name says so.
    fn finds(&mut self, raw: &RawValue, is_token: bool, depth: usize) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return true };
        self.left = left;
        let json = raw.get();
        match json.as_bytes().first() {
            Some(b'"') if is_token => json_text::decode(json)
                .is_none_or(|token| SentSecrets::default().are_repeated(self.text, Some(&token))),
            Some(b'{' | b'[') => {
                let Some(depth) = depth.checked_sub(1) else { return true };
                let Ok(Children(children)) = serde_json::from_str(json) else { return true };
                children.iter().any(|(named, child)| self.finds(child, is_token || *named, depth))
            }
            _ => false,
        }
    }
}

fn names_token(name: &str) -> bool {
    let plain = name.chars().filter(|c| !matches!(c, '_' | '-'));
    let plain = Zeroizing::new(plain.map(|c| c.to_ascii_lowercase()).collect::<String>());
    NAME_ENDS.iter().any(|end| plain.ends_with(end))
}

/// The members of an object or the items of a list, each with whether its name is that of a token.
struct Children<'a>(Vec<(bool, &'a RawValue)>);

impl<'de> Deserialize<'de> for Children<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Composite;

        impl<'de> Visitor<'de> for Composite {
            type Value = Children<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut children = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    children.push((names_token(&name), map.next_value()?));
                }
                Ok(Children(children))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut children = Vec::new();
                while let Some(item) = list.next_element()? {
                    children.push((false, item));
                }
                Ok(Children(children))
            }
        }

        deserializer.deserialize_any(Composite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_members_that_name_a_token_are_found() {
        for body in [
            r#"{"accessToken":"opaque-zzzz"}"#,
            r#"{"Access-Token":"opaque-zzzz"}"#,
            r#"{"data":{"access_token":"opaque-zzzz"}}"#,
            r#"{"data":[1,{"token":{"value":"opaque-zzzz"}}]}"#,
            "\u{feff}{\"id_token\":\"opaque\\u002dzzzz\"}",
        ] {
            assert!(are_repeated(body, "got opaque-zzzz today"), "{body}");
            assert!(!are_repeated(body, "invalid appid"), "{body}");
        }
        for body in ["{}", "opaque-zzzz", "{", r#"{"token_type":"Bearer","message":"Bearer"}"#] {
            assert!(!are_repeated(body, "opaque-zzzz or Bearer"), "{body}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_searched_counts_as_a_repetition() {
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert!(are_repeated(&many, "invalid appid"));
        let deep = format!("{}1{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(are_repeated(&deep, "invalid appid"));
        let few = format!("[{}1]", "1,".repeat(100));
        assert!(!are_repeated(&few, "invalid appid"));
    }

    #[test]
    fn a_long_word_with_a_digit_looks_like_a_token() {
        for token in ["2YotnFZFEjr1zCsicMWpAA", " 0123456789abcdef\n"] {
            assert!(looks_like_token(token), "{token}");
        }
        for message in ["invalid_client_credentials", "E1042", "error 0123456789abcdef", ""] {
            assert!(!looks_like_token(message), "{message}");
        }
    }
}
