//! The error type: its text and its parts.

use super::*;

#[test]
fn invalid_client_says_what_to_do_next() {
    let error = Error::of(Problem::InvalidClient)
        .with_oauth_code("invalid_client", Some("Client authentication failed"))
        .with_status(StatusCode::UNAUTHORIZED);
    assert_eq!(
        error.to_string(),
        "invalid_client: the authorization server does not accept these credentials; check \
         the client id and secret, and whether this client must authenticate another way \
         (basic, post, private_key_jwt, …) (HTTP 401: \"Client authentication failed\")"
    );
    assert_eq!(error.oauth_code(), Some("invalid_client"));
    assert!(!error.is_retryable() && error.is_permanent() && !error.is_timeout());
}

#[test]
fn an_unknown_code_is_named_by_the_server_and_sanitised() {
    let error = Error::of(Problem::OtherOAuthError).with_oauth_code("inv\"alid\\x\n", None);
    assert_eq!(
        error.to_string(),
        "inv'alid\\x?: the authorization server refused the request with an unregistered \
         error code; look the code up in the server's documentation"
    );
}

#[test]
fn a_code_changes_no_explicit_choice() {
    let explicit = Error::new(ErrorKind::OAuth).with_permanent(false).with_retryable(true);
    let error = explicit.with_oauth_code("invalid_grant", None);
    assert_eq!((error.is_permanent(), error.is_retryable()), (false, true));
    assert_eq!(error.code(), "invalid_grant");
    let error = Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None);
    assert_eq!((error.is_permanent(), error.is_retryable()), (false, true));
}

#[test]
fn a_later_code_replaces_an_earlier_one() {
    let codes = ["invalid_grant", "server_error", "unheard_of", "invalid_scope"];
    let mut error = Error::new(ErrorKind::OAuth);
    for code in codes {
        error = error.with_oauth_code(code, None);
        let known = if code == "unheard_of" { "other_oauth_error" } else { code };
        assert_eq!((error.oauth_code(), error.code()), (Some(code), known));
        assert_eq!(error.kind(), ErrorKind::OAuth);
        assert_eq!(error.is_permanent(), code != "server_error");
        assert!(error.to_string().starts_with(code), "{error}");
    }
    // The kind of another error is not changed.
    for kind in [ErrorKind::RateLimited, ErrorKind::Source] {
        let error = Error::new(kind).with_oauth_code("a", None).with_oauth_code("b", None);
        let error = error.with_oauth_code("invalid_client", None);
        assert_eq!((error.kind(), error.is_permanent()), (kind, false));
    }
}

#[test]
fn a_remembered_failure_names_the_next_attempt() {
    let error = Error::of(Problem::ServerError)
        .with_status(StatusCode::BAD_GATEWAY)
        .with_next_attempt_in(Duration::from_millis(1500));
    assert_eq!(
        error.to_string(),
        "server_error: the authorization server failed to answer; it may be down or \
         overloaded, and is asked again after a pause (HTTP 502); the next attempt is due in 1.5 s"
    );
    assert_eq!(error.next_attempt_in(), Some(Duration::from_millis(1500)));
}

#[test]
fn debug_is_the_message_with_its_causes() {
    let error = Error::from_source(Error::from_source("disk full"))
        .with_oauth_code("a", Some("no \"such\" client"))
        .with_status(StatusCode::UNAUTHORIZED);
    let message = error.to_string();
    assert_eq!(
        format!("{error:?}"),
        format!("{message}; caused by: {}; caused by: disk full", error.source().unwrap())
    );
    let boxed: BoxError = error.into();
    let (line, fields) = (format!("{boxed:?}"), format!("{boxed:#?}"));
    assert!(line.contains(&message) && !line.contains('\n'), "{line}");
    assert!(fields.contains(&message) && fields.contains("kind: Source,"), "{fields}");
}

#[test]
fn the_cause_is_behind_source_and_not_in_the_text() {
    let error = Error::from_source("disk full");
    assert_eq!(error.source().unwrap().to_string(), "disk full");
    assert!(!error.to_string().contains("disk full"));
    assert!(error.is_retryable());
}

#[test]
fn a_registered_code_decides_about_kind_and_retries() {
    let oauth = |code| Error::new(ErrorKind::OAuth).with_oauth_code(code, None);
    for (code, name, permanent) in [
        ("invalid_scope", "invalid_scope", true),
        ("server_error", "server_error", false),
        ("temporarily_unavailable", "temporarily_unavailable", false),
        ("unregistered", "other_oauth_error", true),
    ] {
        let error = oauth(code);
        assert_eq!((error.kind(), error.code()), (ErrorKind::OAuth, name));
        assert_eq!((error.is_permanent(), error.is_retryable()), (permanent, !permanent), "{code}");
        assert_eq!(error.oauth_code(), Some(code));
    }
    // The status decided here, so an unregistered code changes neither the name nor the retries.
    let failing = Error::of(Problem::ServerError);
    assert_eq!(failing.kind(), ErrorKind::HttpStatus);
    let failing = failing.with_oauth_code("busy", None);
    assert_eq!((failing.kind(), failing.code()), (ErrorKind::HttpStatus, "server_error"));
    let throttled = Error::of(Problem::RateLimited).with_oauth_code("slow_down", None);
    assert_eq!(throttled.kind(), ErrorKind::RateLimited);
    assert!(!failing.is_permanent() && failing.is_retryable() && throttled.is_retryable());
}
