//! The server's message in a response that is not an OAuth error: a JSON object of another shape, or a
//! line of text.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::json_text;

/// Members with a human-readable message, the most specific first: RFC 9457, Spring, FastAPI, IBM,
/// Okta, Apigee, WeChat and others. Case, `_` and `-` are ignored.
const MEMBERS: [&str; 18] = [
    "errordescription",
    "message",
    "detail",
    "details",
    "errormessage",
    "errormsg",
    "errmsg",
    "msg",
    "errorsummary",
    "faultstring",
    "description",
    "statusmessage",
    "reason",
    "title",
    "error",
    "errors",
    "fault",
    "exception",
];

/// Maximum nesting of a message: `{"detail":[{"msg":"…"}]}`.
const MAX_DEPTH: usize = 4;

/// The message in a JSON object.
pub(super) fn from_json(body: &str) -> Option<Zeroizing<String>> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body).trim_ascii();
    let raw: &RawValue = serde_json::from_str(body).ok().filter(|_| body.starts_with('{'))?;
    from_value(raw, MAX_DEPTH).filter(|text| !contains_token(text))
}

/// A body that is a line or two of text.
pub(super) fn from_text(body: &str) -> Option<&str> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body).trim();
    let binary =
        |c: char| (c.is_control() && !c.is_whitespace()) || c == char::REPLACEMENT_CHARACTER;
    let text = !body.is_empty() && !body.starts_with(['<', '{', '[']) && !body.contains(binary);
    (text && !contains_token(body)).then_some(body)
}

/// A failure that contains a token is not shown.
fn contains_token(text: &str) -> bool {
    ["access_token", "refresh_token", "id_token", "eyJ"].iter().any(|part| text.contains(part))
}

fn from_value(raw: &RawValue, depth: usize) -> Option<Zeroizing<String>> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => json_text::decode(text).filter(|text| !text.trim().is_empty()),
        b'{' if depth > 0 => {
            let Members(members) = serde_json::from_str(text).ok()?;
            // Not sorted: a sort compiles to much more code.
            let of_rank = |wanted| members.iter().filter(move |(rank, _)| *rank == wanted);
            let mut ranked = (0..MEMBERS.len()).flat_map(of_rank);
            ranked.find_map(|(_, member)| from_value(member, depth - 1))
        }
        b'[' if depth > 0 => {
            let First(first) = serde_json::from_str(text).ok()?;
            from_value(first?, depth - 1)
        }
        _ => None,
    }
}

fn rank(name: &str) -> Option<usize> {
    let mut plain = String::with_capacity(name.len().min(32));
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-')).take(32);
    plain.extend(letters.map(|c| c.to_ascii_lowercase()));
    MEMBERS.iter().position(|member| *member == plain)
}

/// The members with a message, and their ranks.
struct Members<'a>(Vec<(usize, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    match rank(&name).filter(|_| members.len() < MEMBERS.len()) {
                        Some(rank) => members.push((rank, map.next_value()?)),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The first item of a list.
struct First<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for First<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = First<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let first = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_object_of_any_shape_is_found() {
        for (body, expected) in [
            (r#"{"status":403,"message":"invalid client secret"}"#, Some("invalid client secret")),
            (r#"{"detail":"Invalid client"}"#, Some("Invalid client")),
            (r#"{"error":{"message":"bad secret"}}"#, Some("bad secret")),
            (r#"{"error":{"code":"E1","message":"No such key."}}"#, Some("No such key.")),
            (r#"{"errorCode":"E1","errorMessage":"No such key."}"#, Some("No such key.")),
            (r#"{"errcode":40013,"errmsg":"invalid appid"}"#, Some("invalid appid")),
            (r#"{"title":"Unauthorized","detail":"No such client"}"#, Some("No such client")),
            (r#"{"detail":[{"loc":["a"],"msg":"field required"}]}"#, Some("field required")),
            (
                r#"{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"x"}}}"#,
                Some("Invalid ApiKey"),
            ),
            (r#"{"errors":["nope"]}"#, Some("nope")),
            (r#"{"error":401,"Message":"Unauthorized"}"#, Some("Unauthorized")),
            (r#"{"error":"","message":null,"reason":"locked"}"#, Some("locked")),
            ("\u{feff} {\"message\":\"\\u00e9\"}\n", Some("é")),
            (r#"{"message":"eyJhbGciOiJub25lIn0.e30."}"#, None),
            (r#"{"x":1}"#, None),
            (r#"{"message":""}"#, None),
            (r#"["message"]"#, None),
            (r#""message""#, None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(from_json(body).as_ref().map(|it| it.as_str()), expected, "{body}");
        }
        let deep = format!("{}1{}", r#"{"error":"#.repeat(100_000), "}".repeat(100_000));
        assert!(from_json(&deep).is_none());
        let many = format!("{{{}\"x\":1}}", r#""message":1,"#.repeat(80_000));
        assert!(from_json(&many).is_none());
    }

    #[test]
    fn a_line_of_text_is_not_markup_or_binary() {
        for (body, expected) in [
            ("Unauthorized", Some("Unauthorized")),
            (" client authentication failed\r\n", Some("client authentication failed")),
            ("<html>", None),
            ("{}", None),
            ("a\0b", None),
            ("a\u{fffd}b", None),
            ("access_token=abc", None),
            (" \n", None),
        ] {
            assert_eq!(from_text(body), expected, "{body:?}");
        }
    }
}
