use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value as Json;

use super::{Class, Piece, Pieces, RejectionPolicy, Verdict, classify};

const CASES: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/www_authenticate.json"));

/// A string in the notation of the cases' README.
fn bytes(text: &Json) -> Vec<u8> {
    if let Some(text) = text.as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(base64) = text["base64"].as_str() {
        return STANDARD.decode(base64).unwrap();
    }
    if let Some(parts) = text["concat"].as_array() {
        return parts.iter().flat_map(bytes).collect();
    }
    bytes(&text["repeat"][0]).repeat(text["repeat"][1].as_u64().unwrap() as usize)
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::InvalidToken => "invalid_token",
        Class::InsufficientScope => "insufficient_scope",
        Class::InvalidRequest => "invalid_request",
        Class::UseDpopNonce => "use_dpop_nonce",
        Class::InvalidDpopProof => "invalid_dpop_proof",
        Class::InsufficientClaims => "insufficient_claims",
        Class::InsufficientUserAuthentication => "insufficient_user_authentication",
        Class::UnknownError => "unknown_error",
        Class::NoError => "bearer_no_error",
        Class::OtherScheme | Class::OtherSchemeInvalidToken => "other_scheme",
        Class::Malformed => "malformed",
        Class::None => "none",
        Class::Ignored => "ignored",
    }
}

/// The verdict that a case's action comes to. Storing a nonce is the DPoP code's affair.
fn verdict_of(action: &str, status: StatusCode) -> Verdict {
    match action {
        "refresh_and_retry_once" => Verdict::Rejected,
        "as_no_challenge" if status == StatusCode::UNAUTHORIZED => Verdict::Rejected,
        "as_no_challenge" | "no_retry" | "store_nonce" => Verdict::PassThrough,
        "refresh_with_claims_if_enabled" => Verdict::PassThrough,
        "retry_once_with_nonce" => Verdict::UseNonce,
        other => panic!("unknown action {other}"),
    }
}

/// Challenges, and the parameters of our scheme's, compared with what the case names.
fn check_parsed(case: &Json, headers: &HeaderMap, scheme: &str) -> Result<(), String> {
    let (mut challenges, mut ours) = (0, false);
    let mut params: Vec<(String, String)> = Vec::new();
    for line in headers.get_all(header::WWW_AUTHENTICATE) {
        for piece in Pieces::new(line.as_bytes()) {
            match piece {
                Piece::Challenge(name) => {
                    challenges += 1;
                    ours = name.eq_ignore_ascii_case(scheme.as_bytes());
                }
                Piece::Param { name, value } if ours => {
                    let value: Vec<u8> = value.unescaped().collect();
                    params.push((
                        String::from_utf8_lossy(name).into_owned(),
                        String::from_utf8_lossy(&value).into_owned(),
                    ));
                }
                Piece::Param { .. } | Piece::Malformed => {}
            }
        }
    }
    let expect = &case["expect"];
    if expect["challenges"].as_u64().is_some_and(|expected| expected != challenges) {
        return Err(format!("{challenges} challenges, not {}", expect["challenges"]));
    }
    for name in ["error", "realm", "scope", "claims", "resource_metadata"] {
        let Some(expected) = expect[name].as_str() else { continue };
        let found = params.iter().find(|(found, _)| found == name).map(|(_, value)| &**value);
        if found != Some(expected) {
            return Err(format!("{name} is {found:?}, not {expected:?}"));
        }
    }
    Ok(())
}

fn check(case: &Json) -> Result<(), String> {
    let status = StatusCode::from_u16(case["status"].as_u64().unwrap() as u16).unwrap();
    let scheme = case["request_scheme"].as_str().unwrap();
    let mut headers = HeaderMap::new();
    for line in case["www_authenticate"].as_array().unwrap() {
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_bytes(&bytes(line)).unwrap());
    }
    let field = header::WWW_AUTHENTICATE;
    let class = class_name(Class::of(status, &headers, &field, scheme));
    let verdict = classify(status, &headers, &field, scheme, &RejectionPolicy::default());

    let expect = &case["expect"];
    let main = (expect["class"].as_str().unwrap(), expect["action"].as_str().unwrap());
    let others = expect["also_ok"].as_array().into_iter().flatten();
    let others = others.map(|ok| {
        let ok = ok.as_str().unwrap();
        ok.split_once(':').unwrap_or((main.0, ok))
    });
    let fits = |(expected, action): (&str, &str)| {
        expected == class && verdict_of(action, status) == verdict
    };
    if !std::iter::once(main).chain(others).any(fits) {
        return Err(format!("{class}, {verdict:?}; expected {main:?}"));
    }
    if class == main.0 { check_parsed(case, &headers, scheme) } else { Ok(()) }
}

#[test]
fn every_case_of_www_authenticate_json() {
    check_all(CASES, 41);
}

pub(super) fn check_all(cases: &str, at_least: usize) {
    let cases: Vec<Json> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|error| format!("{}: {error}", case["name"])))
        .collect();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

fn class(line: &str) -> Class {
    Class::of_lines(std::iter::once(line.as_bytes()), b"Bearer")
}

#[test]
fn a_code_that_was_read_stands_whatever_follows() {
    let long = format!("Bearer error=\"insufficient_scope\", x=\"{}\"", "a".repeat(20_000));
    for line in [
        "Bearer error=\"insufficient_scope\", error_description=\"oops",
        "Bearer error=insufficient_scope, error=invalid_token",
        "Bearer error=insufficient_scope, Bearer error=invalid_token",
        "bearer ERROR = \"insufficient_scope\" junk\"",
        &long,
    ] {
        assert_eq!(class(line), Class::InsufficientScope, "{line}");
    }
}

#[test]
fn what_sloppy_servers_send_is_read() {
    for (line, expected) in [
        (
            "Bearer authorization_uri=https://login.example/o/authorize, error=invalid_token",
            Class::InvalidToken,
        ),
        ("Bearer realm=\"x\",, ,error=invalid_token", Class::InvalidToken),
        ("Bearer\terror=invalid_token", Class::InvalidToken),
        ("Bearer", Class::NoError),
        ("Bearer error=\"\"", Class::NoError),
        ("Bearer realm=\"error=\\\"invalid_token\\\"\"", Class::NoError),
        ("Bearer error_description=invalid_token", Class::NoError),
        ("Bearer;error=invalid_token", Class::Malformed),
        ("Bearer =, realm=x", Class::Malformed),
        ("Basic realm=\"x\" Bearer", Class::NoError),
        ("Basic error=invalid_grant, Digest error=\"\"", Class::OtherScheme),
        ("Negotiate Bearer=, Bearer error=\"insufficient_scope\"", Class::InsufficientScope),
        ("\u{0}", Class::Malformed),
        ("", Class::None),
    ] {
        assert_eq!(class(line), expected, "{line}");
    }
}

#[test]
fn a_challenge_after_a_token68_is_not_lost() {
    for before in ["Negotiate abc", "Negotiate abc=", "Negotiate oRQw==", "NTLM a/b+c", "Negotiate"]
    {
        let pieces = |line: &str| {
            let pieces = Pieces::new(line.as_bytes());
            pieces.map(|piece| format!("{piece:?}")).collect::<Vec<_>>()
        };
        let scheme = before.split(' ').next().unwrap();
        assert_eq!(pieces(&format!("{before}, Bearer")), pieces(&format!("{scheme}, Bearer")));
        for (bearer, expected) in [
            ("Bearer", Class::NoError),
            ("Bearer realm=\"x\"", Class::NoError),
            ("Bearer error=\"insufficient_scope\"", Class::InsufficientScope),
            ("Bearer error=\"invalid_token\"", Class::InvalidToken),
        ] {
            for line in [format!("{before}, {bearer}"), format!("{before} ,{bearer}, {before}")] {
                assert_eq!(class(&line), expected, "{line}");
            }
        }
    }
}

#[test]
fn invalid_token_counts_under_any_scheme() {
    let default = RejectionPolicy::default();
    for challenge in [
        "OAuth2 realm=\"api\", error=\"invalid_token\"",
        "OAuth realm=x, ERROR=invalid_token",
        "BearerX error=invalid_token",
        "Basic realm=x, Token error=\"invalid\\_token\", error_description=\"oops",
        "Bearer realm=x, OAuth2 error=invalid_token",
    ] {
        assert_eq!(verdict(401, challenge, &default), Verdict::Rejected, "{challenge}");
        assert_eq!(verdict(403, challenge, &default), Verdict::Rejected, "{challenge}");
        assert_eq!(verdict(400, challenge, &default), Verdict::PassThrough, "{challenge}");
        assert_eq!(verdict(401, challenge, &RejectionPolicy::never()), Verdict::PassThrough);
    }
    for challenge in [
        "OAuth2 error=\"insufficient_scope\"",
        "OAuth2 error=\"invalid_tokens\"",
        "Basic realm=\"error=invalid_token\"",
        "OAuth2 error_description=invalid_token",
        "OAuth2 error=invalid_token, Bearer error=insufficient_scope",
    ] {
        assert_eq!(verdict(401, challenge, &default), Verdict::PassThrough, "{challenge}");
    }
}

/// A wrong guess costs one acquisition within the limits for rejections; no guess costs an outage
/// until the token expires.
#[test]
fn a_401_rejects_the_token_unless_its_code_says_that_no_token_helps() {
    let default = RejectionPolicy::default();
    for challenge in [
        "Bearer error=token_revoked_by_admin",
        "Bearer error=Invalid_Token",
        "Bearer error=insufficient_claims",
        "Bearer error=",
        "Bearer",
        "garbage\"",
    ] {
        assert_eq!(verdict(401, challenge, &default), Verdict::Rejected, "{challenge}");
        assert_eq!(verdict(403, challenge, &default), Verdict::PassThrough, "{challenge}");
    }
    for code in [
        "insufficient_scope",
        "invalid_request",
        "invalid_dpop_proof",
        "insufficient_user_authentication",
    ] {
        let mut headers = HeaderMap::new();
        let challenge = format!("Bearer error=\"{code}\"").parse().unwrap();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
        for rejections in [RejectionPolicy::by_challenge(), RejectionPolicy::any_scheme()] {
            let field = header::WWW_AUTHENTICATE;
            let verdict =
                classify(StatusCode::UNAUTHORIZED, &headers, &field, "Bearer", &rejections);
            assert_eq!(verdict, Verdict::PassThrough, "{code}");
        }
    }
}

#[test]
fn a_backslash_escapes_in_a_quoted_value_only() {
    assert_eq!(class(r#"Bearer error="invalid\_token""#), Class::InvalidToken);
    assert_eq!(class(r"Bearer error=invalid\_token"), Class::UnknownError);
}

#[test]
fn two_challenges_of_one_kind_mean_the_same_as_one() {
    assert_eq!(class("Bearer realm=\"a\", Bearer realm=\"b\""), Class::NoError);
    let other = "DPoP error=\"invalid_token\"";
    assert_eq!(class(&format!("{other}, {other}")), Class::OtherSchemeInvalidToken);
    assert_eq!(class("Basic realm=\"a\", Digest realm=\"b\""), Class::OtherScheme);
}

#[test]
fn challenges_may_be_split_over_lines() {
    let lines: [&[u8]; 3] =
        [b"Basic realm=\"broken", b"Bearer realm=\"x\"", b"error=invalid_token"];
    assert_eq!(Class::of_lines(lines.into_iter(), b"bearer"), Class::InvalidToken);
}

#[test]
fn the_total_of_all_lines_is_bounded() {
    let filler = "Basic ,".repeat(1000);
    let lines =
        [filler.as_bytes(), filler.as_bytes(), filler.as_bytes(), b"Bearer error=invalid_token"];
    assert_eq!(Class::of_lines(lines.into_iter(), b"Bearer"), Class::Malformed);
    assert_eq!(Class::of_lines(lines[1..].iter().copied(), b"Bearer"), Class::InvalidToken);
}

fn verdict(status: u16, challenge: &'static str, rejections: &RejectionPolicy) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    let status = StatusCode::from_u16(status).unwrap();
    classify(status, &headers, &header::WWW_AUTHENTICATE, "Bearer", rejections)
}

#[test]
fn a_proxy_answers_407_in_a_field_of_its_own() {
    let mut headers = HeaderMap::new();
    headers.insert(header::PROXY_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    let ask =
        |status, field| classify(status, &headers, &field, "Bearer", &RejectionPolicy::default());
    let proxy = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    assert_eq!(ask(proxy, header::PROXY_AUTHENTICATE), Verdict::Rejected);
    assert_eq!(ask(StatusCode::UNAUTHORIZED, header::PROXY_AUTHENTICATE), Verdict::PassThrough);
    assert_eq!(ask(proxy, header::WWW_AUTHENTICATE), Verdict::PassThrough);
    assert_eq!(ask(StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE), Verdict::PassThrough);
}

#[test]
fn the_rule_is_a_setting() {
    let any = RejectionPolicy::any_scheme();
    assert_eq!(verdict(401, "Token", &any), Verdict::Rejected);
    assert_eq!(verdict(401, "Bearer error=revoked", &any), Verdict::Rejected);
    assert_eq!(verdict(401, "Bearer error=insufficient_scope", &any), Verdict::PassThrough);
    assert_eq!(verdict(401, "Bearer error=use_dpop_nonce", &any), Verdict::UseNonce);
    assert_eq!(verdict(403, "Token", &any), Verdict::PassThrough);

    let never = RejectionPolicy::never();
    assert_eq!(verdict(401, "Bearer error=invalid_token", &never), Verdict::PassThrough);
    assert_eq!(verdict(401, "Bearer error=use_dpop_nonce", &never), Verdict::UseNonce);

    let when = RejectionPolicy::when(|status, headers| {
        status == StatusCode::IM_A_TEAPOT && headers.contains_key(header::WWW_AUTHENTICATE)
    });
    assert_eq!(verdict(418, "Tea", &when), Verdict::Rejected);
    assert_eq!(verdict(401, "Bearer error=invalid_token", &when), Verdict::PassThrough);
}

#[test]
fn a_bad_request_is_never_about_the_token() {
    let default = RejectionPolicy::default();
    assert_eq!(verdict(400, "Bearer error=invalid_request", &default), Verdict::PassThrough);
    assert_eq!(verdict(400, "Bearer error=invalid_token", &default), Verdict::PassThrough);
    assert_eq!(verdict(400, "Bearer", &default), Verdict::PassThrough);
}

#[test]
fn random_bytes_never_panic_and_stay_inside_the_line() {
    const PARTS: [&[u8]; 16] = [
        b"Bearer",
        b"error",
        b"=",
        b"\"",
        b"\\",
        b",",
        b" ",
        b"\t",
        b"invalid_token",
        b"Basic",
        b"\xff",
        b"==",
        b"'",
        b"\0",
        b"Bearer ",
        b"error=\"invalid_token\"",
    ];
    let mut classes = std::collections::HashSet::new();
    for seed in 0..50_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut line = Vec::new();
        for _ in 0..rng.usize(..24) {
            if rng.u8(..10) == 0 {
                line.push(rng.u8(..));
            } else {
                line.extend_from_slice(PARTS[rng.usize(..PARTS.len())]);
            }
        }
        assert!(Pieces::new(&line).count() <= line.len(), "seed {seed}");
        classes.insert(class_name(Class::of_lines(std::iter::once(&*line), b"Bearer")));
    }
    assert!(classes.len() >= 6, "{classes:?}");
}

/// At 1 MiB anything quadratic takes many minutes; linear time takes milliseconds.
#[test]
fn reading_takes_linear_time() {
    const SIZE: usize = 1024 * 1024;
    for part in [
        "a", "a ", "a  \t ", "a=", "a= ", "a=b ", "=", ",", " ", "\\", "\"", "a \"", "\\\"", "a==",
        "a,", "a =\"\" ", "Bearer a", "a /",
    ] {
        for prefix in ["", "Bearer ", "Bearer x=\""] {
            let line = format!("{prefix}{}", part.repeat(SIZE / part.len()));
            let start = Instant::now();
            let pieces = Pieces::new(line.as_bytes()).count();
            assert!(start.elapsed() < Duration::from_secs(20), "{prefix}{part}…: {pieces} pieces");
        }
    }
}
