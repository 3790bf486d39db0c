//! Tests: responses without a usable token and without an OAuth error code.

use super::{
    tests::{answered, refused},
    *,
};
use crate::error::ErrorKind;

#[test]
fn a_401_and_a_403_without_a_code_are_refused_credentials() {
    let html = [("content-type", "text/html; charset=utf-8")];
    let later = [("retry-after", "120")];
    let gzip = [("content-encoding", "gzip")];
    type Fields<'a> = &'a [(&'static str, &'a str)];
    let packed_html = [("content-type", "text/html"), ("content-encoding", "gzip")];
    let packed_json = [("content-type", "application/json"), ("content-encoding", "br")];
    let cases: [(u16, Fields<'_>, &str, bool, &str); 23] = [
        (401, &[], "", true, ""),
        (403, &[], "", true, ""),
        (401, &[], "Unauthorized", true, "Unauthorized"),
        (403, &[("content-type", "text/plain")], "Forbidden\n", true, "Forbidden"),
        (403, &[], r#"{"status":403,"message":"no such client"}"#, true, "no such client"),
        (401, &[], r#"{"detail":"Invalid client"}"#, true, "Invalid client"),
        (401, &[], r#"{"error":{"message":"bad key"}}"#, true, "bad key"),
        (401, &[], r#"{"error":401,"message":"Unauthorized"}"#, true, "Unauthorized"),
        (401, &html, "<html><h1>401</h1>", true, "<html><h1>401</h1>"),
        (401, &later, "", true, ""),
        (403, &[], "<?xml version='1.0'?><e>no</e>", true, "<e>no</e>"),
        (403, &html, r#"{"message":"locked"}"#, true, "locked"),
        (403, &html, "", true, ""),
        (401, &gzip, "\u{1f}", true, ""),
        (403, &gzip, "\u{1f}", true, ""),
        (403, &packed_json, "\u{1f}", true, ""),
        (401, &packed_html, "\u{1f}", true, ""),
        (403, &packed_html, "\u{1f}", false, ""),
        (403, &later, "", false, ""),
        (403, &later, r#"{"message":"slow down"}"#, false, "slow down"),
        (403, &html, "Access denied", false, "Access denied"),
        (403, &html, "<!DOCTYPE html><title>Blocked</title>", false, "Blocked"),
        (403, &[("content-type", "application/json")], " <HTML>no</HTML>", false, "<HTML>no"),
    ];
    for (status, headers, body, refused, words) in cases {
        let error = answered(status, headers, Ok(body.as_bytes())).unwrap_err();
        let problem = if refused { Problem::CredentialsRefused } else { Problem::HttpStatus };
        assert_eq!(error.problem(), problem, "{status} {body}");
        assert_eq!(error.kind(), ErrorKind::HttpStatus, "{status} {body}");
        assert_eq!((error.is_permanent(), error.is_retryable()), (refused, !refused), "{error}");
        let text = error.to_string();
        assert!(text.contains(words), "{text}");
        let advice = if refused { "refuses these credentials" } else { "a firewall or proxy" };
        assert!(text.contains(advice), "{text}");
    }
    let unread = || [BodyError::TooLarge, BodyError::Broken("reset".into())];
    for why in unread() {
        assert!(answered(401, &[], Err(why)).unwrap_err().is_permanent());
    }
    // The page of a firewall that is too large or breaks off.
    for why in unread() {
        let blocked = answered(403, &html, Err(why)).unwrap_err();
        assert_eq!((blocked.is_permanent(), blocked.is_retryable()), (false, true), "{blocked}");
        assert!(blocked.to_string().contains("a firewall or proxy"), "{blocked}");
    }
    for why in unread() {
        assert!(answered(403, &[], Err(why)).unwrap_err().is_permanent());
    }
    let neighbor = answered(405, &[], Ok(b"GET only")).unwrap_err();
    assert!(!neighbor.is_permanent() && neighbor.to_string().contains("GET only"), "{neighbor}");
}

#[test]
fn the_error_of_a_wrong_address_has_the_words_of_a_framework() {
    for (body, words) in [
        (r#"{"status":404,"error":"Not Found","path":"/old"}"#, "\"Not Found\""),
        (r#"{"error":"Not Found","message":"No handler"}"#, "\"Not Found: No handler\""),
        ("<html>Not Found</html>", "\"<html>Not Found</html>\""),
    ] {
        let error = answered(404, &[], Ok(body.as_bytes())).unwrap_err();
        assert_eq!((error.kind(), error.oauth_code()), (ErrorKind::HttpStatus, None), "{error}");
        let text = error.to_string();
        assert!(text.contains("check the token URL") && text.contains(words), "{text}");
    }
}

#[test]
fn an_unknown_code_of_a_blocking_403_leaves_it_transient() {
    let body = br#"{"error":"Forbidden","message":"Bad credentials"}"#;
    let refused = answered(403, &[], Ok(body)).unwrap_err();
    assert!(refused.is_permanent() && refused.to_string().contains("Bad credentials"));
    let blocked = answered(403, &[("retry-after", "9")], Ok(body)).unwrap_err();
    assert!(!blocked.is_permanent() && blocked.is_retryable());
    assert_eq!(blocked.oauth_code(), Some("Forbidden"));
}

#[test]
fn a_success_that_has_no_body_on_purpose_is_final() {
    use Problem as K;
    for status in [201, 202, 203, 204, 205] {
        assert_eq!(refused(status, &[], b""), (K::MissingAccessToken, false), "{status}");
        assert_eq!(refused(status, &[], b"\r\n"), (K::MissingAccessToken, false), "{status}");
    }
    let error = answered(200, &[], Ok(br#"{"errcode":1,"errmsg":"invalid appid"}"#));
    assert!(error.unwrap_err().to_string().contains("invalid appid"));
}

#[test]
fn a_message_that_repeats_a_token_of_the_same_body_is_not_shown() {
    for (body, token) in [
        (r#"{"accessToken":"opaque-zz","message":"opaque-zz"}"#, "opaque-zz"),
        (r#"{"data":{"access_token":"opaque"},"detail":"it is opaque"}"#, "opaque"),
        (r#"{"message":"2YotnFZFEjr1zCsicMWpAA"}"#, "2Yotn"),
        (r#"{"error":"odd","idToken":"opaque-zz","error_description":"opaque-zz"}"#, "opaque-zz"),
        (r#"{"error":"opaque-zz","token":"opaque-zz"}"#, "opaque-zz"),
    ] {
        let error = answered(200, &[], Ok(body.as_bytes())).unwrap_err();
        let text = format!("{error} {error:?} {error:#?}");
        assert!(!text.contains(token), "{text}");
    }
    let body = br#"{"accessToken":null,"data":{"token":"abcdefgh"},"message":"invalid appid 7"}"#;
    assert!(answered(200, &[], Ok(body)).unwrap_err().to_string().contains("invalid appid 7"));
}

#[test]
fn an_unknown_token_type_is_named_with_the_setting_for_it() {
    let text = |body: &str| answered(200, &[], Ok(body.as_bytes())).unwrap_err().to_string();
    for (name, expected) in [
        (r#""Application Access Token""#, "its token_type is \"Application Access Token\";"),
        (r#""mac\u202e""#, "its token_type is \"mac?\";"),
        ("1", "its token_type is not a string;"),
        (r#""x 2YotnFZF x""#, "its token_type is not Bearer; the server's text is left out"),
    ] {
        let text = text(&format!(r#"{{"access_token":"2YotnFZFEjr1","token_type":{name}}}"#));
        assert!(text.contains(expected) && text.contains("token_type_override"), "{text}");
    }
}

#[test]
fn a_scope_that_is_too_long_or_repeats_a_secret_is_not_kept() {
    let mut secrets = SentSecrets::default();
    secrets.push(zeroize::Zeroizing::new("hunter2hunter2".to_owned()));
    let scope = |scope: &str, requested_scope| {
        let body = format!(r#"{{"access_token":"a","scope":{scope}}}"#);
        let token = read(RawResponse {
            status: StatusCode::OK,
            headers: &HeaderMap::new(),
            body: Ok(body.as_bytes()),
            now: SystemTime::UNIX_EPOCH,
            secrets: &secrets,
            requested_scope,
            policy: &ReadPolicy::default(),
        });
        token.unwrap().scope().map(str::to_owned)
    };
    let long = format!("\"{}\"", "a ".repeat(MAX_SCOPE_BYTES));
    assert_eq!(scope(&long, None), None);
    for (length, is_kept) in [(MAX_SCOPE_BYTES, true), (MAX_SCOPE_BYTES + 1, false)] {
        let text = format!("\"{}\"", "a".repeat(length));
        assert_eq!(scope(&text, None).is_some(), is_kept, "{length}");
    }
    let list = format!("[{}\"a\"]", "\"aaaa\",".repeat(100_000));
    assert_eq!(scope(&list, None), None);
    assert_eq!(scope(r#""a b""#, None).as_deref(), Some("a b"));
    assert_eq!(scope(r#""a hunter2hunter2 b""#, Some("b a")).as_deref(), Some("a b"));
    assert_eq!(scope(r#"["hunter2hunter2"]"#, Some("a")), None);
    assert_eq!(
        scope(r#""hunter2hunter2""#, Some("hunter2hunter2")).as_deref(),
        Some("hunter2hunter2")
    );
}

/// Some servers put a text of the response into the wrong member.
#[test]
fn a_scope_that_repeats_a_token_of_the_response_is_not_kept() {
    let scope = |body: &str, content_type: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(content_type));
        let token = read(RawResponse {
            status: StatusCode::OK,
            headers: &headers,
            body: Ok(body.as_bytes()),
            now: SystemTime::UNIX_EPOCH,
            secrets: &SentSecrets::default(),
            requested_scope: Some("read write"),
            policy: &ReadPolicy::default(),
        });
        token.unwrap().scope().map(str::to_owned)
    };
    const JSON: &str = "application/json";
    let with = |scope: &str| {
        format!(
            r#"{{"access_token":"2YotnFZFEjr1zCsicMWpAA","id_token":"tGzv3JOkF0XG5Qx2TlKWIA",
                "scope":"{scope}"}}"#
        )
    };
    for token in ["2YotnFZFEjr1zCsicMWpAA", "tGzv3JOkF0XG5Qx2TlKWIA", "FZFEjr1zCsicMWpAA"] {
        assert_eq!(scope(&with(token), JSON), None, "{token}");
        assert_eq!(scope(&with(&format!("read {token}")), JSON).as_deref(), Some("read"));
    }
    let form = "access_token=2YotnFZFEjr1zCsicMWpAA&scope=2YotnFZFEjr1zCsicMWpAA";
    assert_eq!(scope(form, "application/x-www-form-urlencoded"), None);
    let api = "api://6f1b2c3d-0000-4000-8000-aabbccddeeff/.default";
    assert_eq!(scope(&with(api), JSON).as_deref(), Some(api));
    assert_eq!(scope(&with("read admin"), JSON).as_deref(), Some("read admin"));
}
