//! Checks parameters against their specifications, also for the configuration.
//!
//! Errors show no value, since a secret may be in the wrong setting.

use serde_json::value::RawValue;

use crate::json_members;

/// A grant name or an absolute URI (RFC 6749 §4.5, App. A.10): visible ASCII either way.
///
/// # Errors
///
/// What is wrong with it and what to do.
pub(crate) fn grant_type(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty; leave it out for client_credentials, or pass the grant's name");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it contains a space or a character that no grant type contains; pass a name \
                    or a URI (RFC 6749 §4.5)");
    }
    Ok(())
}

/// A JSON array of objects that each have a `type` (RFC 9396 §2).
///
/// # Errors
///
/// What is wrong with it and what to do.
pub(crate) fn authorization_details(json: &str) -> Result<(), &'static str> {
    let Ok(details) = serde_json::from_str::<Vec<&RawValue>>(json) else {
        return Err("it is not a JSON array; pass an array of objects (RFC 9396 §2)");
    };
    for detail in details {
        // Raw values, so that numbers may have any size.
        let Ok([type_of]) = json_members::read(detail.get().as_bytes(), &["type"]) else {
            return Err("its array contains a value that is not an object; pass objects with a \
                        \"type\" (RFC 9396 §2)");
        };
        let type_of = type_of.map(|it| serde_json::from_str::<String>(it.get()));
        if !type_of.is_some_and(|it| it.is_ok_and(|name| !name.is_empty())) {
            return Err(
                "one of its objects has no \"type\" that is a string; add it (RFC 9396 §2)",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization_details_are_objects_with_a_string_type() {
        for good in [
            "[]",
            r#"[{"type":"a"}]"#,
            r#"[{"type":"a","b":{"c":[1]}},{"d":1e999,"type":"e"}]"#,
            r#"[ {"t\u0079pe" : "\u0061"} ]"#,
        ] {
            assert_eq!(authorization_details(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "not a JSON array"),
            ("{}", "not a JSON array"),
            (r#"{"type":"a"}"#, "not a JSON array"),
            (r#""a""#, "not a JSON array"),
            ("null", "not a JSON array"),
            ("[{]", "not a JSON array"),
            (r#"[{"type":"a"}] x"#, "not a JSON array"),
            ("[1]", "not an object"),
            ("[null]", "not an object"),
            (r#"["type"]"#, "not an object"),
            (r#"[["type"]]"#, "not an object"),
            (r#"[{"type":"a"},1]"#, "not an object"),
            ("[{}]", "no \"type\""),
            (r#"[{"type":1}]"#, "no \"type\""),
            (r#"[{"type":null}]"#, "no \"type\""),
            (r#"[{"type":["a"]}]"#, "no \"type\""),
            (r#"[{"type":""}]"#, "no \"type\""),
            (r#"[{"Type":"a"}]"#, "no \"type\""),
            (r#"[{"type":"a"},{"b":"c"}]"#, "no \"type\""),
        ] {
            let found = authorization_details(bad).expect_err(bad);
            assert!(found.contains(why), "{bad}: {found}");
        }
    }

    #[test]
    fn a_grant_type_is_a_name_or_a_uri() {
        for good in ["client_credentials", "account_credentials", "urn:ietf:params:oauth:x", "a"] {
            assert_eq!(grant_type(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a\n", "ä", "a\0"] {
            assert!(grant_type(bad).is_err(), "{bad:?}");
        }
    }
}
