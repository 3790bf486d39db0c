//! Answers that differ from the RFCs.

use std::time::Duration;

use http::StatusCode;
use tower_oauth2_client_credentials::Token;

use super::setup::Setup;
use crate::report::{Level, Report};

/// A longer lifetime is most likely stated in milliseconds.
const SUSPICIOUS: Duration = Duration::from_secs(365 * 24 * 3600);
/// With a shorter lifetime tokens are refreshed all the time.
const SHORT: Duration = Duration::from_secs(60);

pub(super) fn report(setup: &Setup<'_>, token: Option<&Token>, report: &mut Report) {
    let quirks = find(setup, token);
    let names: Vec<_> = quirks.iter().map(|(name, _)| *name).collect();
    let text = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    report.section("quirks").fact("found", names, text);
    for (_, text) in quirks {
        report.find(Level::Note, text);
    }
}

/// The name and a line for each quirk.
fn find(setup: &Setup<'_>, token: Option<&Token>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut add = |name: &'static str, text: &str| found.push((name, text.to_owned()));
    let Some(answer) = setup.last_token_answer().and_then(|exchange| exchange.answer) else {
        return found;
    };
    let Some(form) = &answer.token else { return found };
    match form.lifetime_form {
        "a number" => {}
        "missing" | "null" => add(
            "no_expires_in",
            "the server states no lifetime: tokens are used for 5 minutes; set \
             TokenCacheBuilder::default_lifetime (OAUTH_DEFAULT_LIFETIME) to the real one",
        ),
        "a string" => {
            add("expires_in_text", "expires_in is a string and not a number; it is read anyway")
        }
        "a number with a fraction" => {
            add("expires_in_fraction", "expires_in has a fraction; it is read anyway");
        }
        _ => add(
            "expires_in_unusable",
            "expires_in is not a lifetime; set token_lifetime (OAUTH_TOKEN_LIFETIME) to the real one",
        ),
    }
    let is_unusable = found.iter().any(|(name, _)| *name == "expires_in_unusable");
    let mut add = |name: &'static str, text: &str| found.push((name, text.to_owned()));
    // One line about the lifetime is enough.
    let lifetime = token.and_then(Token::lifetime).filter(|_| !is_unusable);
    if lifetime.is_some_and(|it| it.is_zero()) {
        add(
            "zero_lifetime",
            "the lifetime is zero; if it means \"does not expire\", set token_lifetime \
             (OAUTH_TOKEN_LIFETIME)",
        );
    } else if lifetime.is_some_and(|it| it < SHORT) {
        add(
            "short_lifetime",
            "tokens live for less than a minute; ask the server's operator to raise the lifetime",
        );
    } else if lifetime.is_some_and(|it| it > SUSPICIOUS) {
        add(
            "long_lifetime",
            "the lifetime is longer than a year, perhaps stated in milliseconds; set lifetime_cap \
             (OAUTH_LIFETIME_CAP)",
        );
    }
    if let (Some(jwt), Some(stated)) = (form.jwt_lifetime, lifetime)
        && stated.saturating_sub(jwt) > Duration::from_secs(5)
    {
        let text = format!(
            "the token's exp is {} s after its iat, but expires_in is {} s; set lifetime_cap \
             (OAUTH_LIFETIME_CAP) to the shorter one",
            jwt.as_secs(),
            stated.as_secs()
        );
        add("jwt_expires_earlier", &text);
    }
    if form.is_jwt_expired {
        add(
            "jwt_expired",
            "the token's exp has passed or is before its iat; check the clocks, and ask the server's \
             operator to correct it",
        );
    }
    if form.token_type.as_deref().is_some_and(str::is_empty) {
        add("empty_token_type", "token_type is empty; ask the server's operator to state Bearer");
    }
    if form.token_type.is_none() {
        add("no_token_type", "token_type is missing, though it is required; it is taken as Bearer");
    }
    if form.has_odd_scope {
        add(
            "odd_scope",
            "scope is not a text, though RFC 6749 §3.3 says so; check what is granted",
        );
    }
    if form.has_refresh_token {
        add(
            "refresh_token",
            "the answer has a refresh token, which RFC 6749 §4.4.3 advises against; it is not used",
        );
    }
    if !answer.is_json {
        add(
            "content_type",
            "the content type of the token response is not JSON; it is read anyway",
        );
    }
    if !answer.is_no_store {
        add(
            "no_cache_control",
            "the token response lacks Cache-Control: no-store (RFC 6749 §5.1); ask the \
             server's operator to add it, so that no cache stores tokens",
        );
    }
    if answer.status != StatusCode::OK {
        let text = format!("tokens come with status {}; it is read anyway", answer.status.as_u16());
        add("status", &text);
    }
    if let (Some(asked), Some(granted)) =
        (setup.args.scope.as_deref(), token.and_then(Token::scope))
    {
        let granted: Vec<_> = granted.split_whitespace().collect();
        if !asked.split_whitespace().all(|scope| granted.contains(&scope)) {
            add(
                "scope_narrowed",
                "less scope is granted than was asked for; ask the server's operator to allow the \
                 rest for this client, or do not ask for it",
            );
        }
    }
    found
}
