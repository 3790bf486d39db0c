//! The members of a token response that are read, from JSON or a form.

use std::fmt;

use serde_core::de::{
    Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::json_text;
use crate::client_auth::form_decoded;

/// Maximum size of a granted scope in bytes. Real scopes are far smaller, and a longer one would cost
/// memory in every copy of the token.
pub(super) const MAX_SCOPE_BYTES: usize = 16 * 1024;

/// One member. `null` is absent.
#[derive(Default)]
pub(super) enum Member {
    #[default]
    Absent,
    Text(Zeroizing<String>),
    Number(f64),
    /// A list of strings, space-separated.
    List(String),
    /// Of another type, which differs from absent.
    Other,
}

/// The members of RFC 6749 §5.1 and §5.2, and `refresh_in` (Entra ID).
#[derive(Default)]
pub(super) struct Fields {
    pub(super) access_token: Member,
    pub(super) token_type: Member,
    pub(super) expires_in: Member,
    pub(super) refresh_in: Member,
    pub(super) scope: Member,
    pub(super) error: Member,
    pub(super) error_description: Member,
}

/// The body cannot be parsed. Errors show positions but no content, which may be a token.
#[derive(Debug, PartialEq)]
pub(super) enum ParseError {
    /// It ends early. The next response may be complete.
    Truncated,
    Malformed(String),
}

impl Fields {
    /// Reads a JSON object.
    pub(super) fn from_json(body: &[u8]) -> Result<Self, ParseError> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let text = str::from_utf8(body).map_err(|error| match error.error_len() {
            None => ParseError::Truncated,
            Some(_) => ParseError::Malformed("it is not UTF-8".into()),
        })?;
        serde_json::from_str(text).map_err(|error| {
            if error.is_eof() {
                return ParseError::Truncated;
            }
            // Only the position: serde's own text may quote the value.
            let (line, column) = (error.line(), error.column());
            ParseError::Malformed(format!("not as expected at line {line}, column {column}"))
        })
    }

    /// Reads a form. Some servers ignore `Accept` and return a form.
    pub(super) fn from_form(body: &[u8]) -> Result<Self, ParseError> {
        let malformed = |what: &str| ParseError::Malformed(what.into());
        let text = str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
        let mut fields = Self::default();
        for pair in text.trim_ascii().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decoded(name).ok_or_else(|| malformed("it is not UTF-8"))?;
            let Some(slot) = fields.slot(&name) else { continue };
            if !matches!(slot, Member::Absent) {
                return Err(malformed("a field is given twice"));
            }
            *slot = form_decoded(value).map_or(Member::Other, Member::Text);
        }
        Ok(fields)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Member> {
        Some(match name {
            "access_token" => &mut self.access_token,
            "token_type" => &mut self.token_type,
            "expires_in" => &mut self.expires_in,
            "refresh_in" => &mut self.refresh_in,
            "scope" => &mut self.scope,
            "error" => &mut self.error,
            "error_description" => &mut self.error_description,
            _ => return None,
        })
    }
}

impl Member {
    #[cfg(test)]
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Zeroizing::new(text.to_owned()))
    }

    /// The text, if there is any.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// Reads the raw value, so that numbers may be too large for serde_json and nested values are not
    /// built.
    fn from_raw(raw: &RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'n') => Self::Absent,
            Some(b'"') => json_text::decode(text).map_or(Self::Other, Self::Text),
            Some(b'-' | b'0'..=b'9') => text.parse().map_or(Self::Other, Self::Number),
            // Some servers send scopes as a list.
            Some(b'[') => {
                serde_json::from_str(text).map_or(Self::Other, |Joined(list)| Self::List(list))
            }
            _ => Self::Other,
        }
    }
}

/// The strings of a list, joined by spaces, up to the maximum size of a scope.
struct Joined(String);

impl<'de> Deserialize<'de> for Joined {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Joined;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Joined, A::Error> {
                let mut joined = String::new();
                while let Some(item) = list.next_element::<&RawValue>()? {
                    let text = json_text::decode(item.get())
                        .ok_or_else(|| A::Error::custom("an item is not a string"))?;
                    if joined.len() <= MAX_SCOPE_BYTES {
                        joined.push_str(if joined.is_empty() { "" } else { " " });
                        joined.push_str(&text);
                    }
                }
                Ok(Joined(joined))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// A map visitor, since `serde_json::Value` silently keeps the last of two equal members.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                let mut seen = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let Some(slot) = fields.slot(&name) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    *slot = Member::from_raw(map.next_value()?);
                    if seen.contains(&name) {
                        return Err(A::Error::custom("a member is given twice"));
                    }
                    seen.push(name);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<Fields, ParseError> {
        Fields::from_json(text.as_bytes())
    }

    #[test]
    fn a_member_given_twice_is_refused_also_when_escaped() {
        for name in ["access_token", "token_type", "expires_in", "scope", "error"] {
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
            for second in [name, &escaped] {
                let text = format!(r#"{{"{name}":null,"x":1,"x":2,"{second}":"b"}}"#);
                assert!(matches!(json(&text), Err(ParseError::Malformed(_))), "{text}");
            }
        }
        assert!(json(r#"{"x":1,"x":2}"#).is_ok());
        assert!(Fields::from_form(b"scope=a&x=1&x=2&scope=b").is_err());
    }

    #[test]
    fn a_truncated_body_differs_from_a_malformed_one() {
        let whole = r#"{"access_token":"aé\u00e9","expires_in":60,"x":[{"y":null}]}"#.as_bytes();
        assert!(Fields::from_json(whole).is_ok());
        for end in 0..whole.len() {
            let cut = Fields::from_json(&whole[..end]).err();
            assert_eq!(cut, Some(ParseError::Truncated), "{end}");
        }
        for text in ["<html>", "null", "[]", "\"2YotnFZF\"", "{}}", "{'a':1}", "{\"a\":1,}"] {
            assert!(matches!(json(text), Err(ParseError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn errors_never_quote_the_body() {
        for text in
            ["\"2YotnFZF\"", "{\"access_token\":\"2YotnFZF\"}}", "2YotnFZF", "[\"2YotnFZF\"]"]
        {
            let said = format!("{:?}", json(text).err().unwrap());
            assert!(!said.contains("2Yotn"), "{said}");
        }
    }

    #[test]
    fn types_are_kept_apart() {
        let fields = json(
            r#"{"access_token":1e999,"token_type":null,"expires_in":"\ud800","scope":["a","b"],"error":{}}"#,
        )
        .unwrap();
        assert!(matches!(fields.access_token, Member::Number(number) if number.is_infinite()));
        assert!(matches!(fields.token_type, Member::Absent));
        assert!(matches!(fields.expires_in, Member::Other));
        assert!(matches!(&fields.scope, Member::List(scope) if scope == "a b"));
        assert!(matches!(fields.error, Member::Other));
    }

    #[test]
    fn deep_nesting_is_skipped_without_recursion() {
        for deep in [r#"{"x":"#, r#"{"scope":"#] {
            let text = format!("{deep}{}{}}}", "[".repeat(300_000), "]".repeat(300_000));
            assert!(json(&text).is_ok());
        }
    }

    #[test]
    fn a_form_is_decoded_once() {
        let fields = Fields::from_form(b"access_token=a%2Bb%252F&scope=a+b&error=%ff\n").unwrap();
        assert_eq!(fields.access_token.as_text(), Some("a+b%2F"));
        assert_eq!(fields.scope.as_text(), Some("a b"));
        assert!(matches!(fields.error, Member::Other));
    }
}
