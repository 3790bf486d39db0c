//! The result of a token request: scope, lifetime, type.

use serde_json::Value;
use tower_oauth2_client_credentials::{Token, token::TokenType};

use super::{
    advice,
    attempt::Outcome,
    quirks,
    setup::{Server, Setup},
    token_answer::NOT_A_STRING,
    variant::{Success, Variant},
};
use crate::{
    exit::Exit,
    method::Method,
    report::{Level, Report, Section},
};

/// Reports the outcome of the first request. `None`: no settings worked.
pub(super) fn report(
    setup: &Setup<'_>,
    server: &Server,
    variant: Variant,
    outcome: Outcome,
    report: &mut Report,
) -> Option<Success> {
    match outcome {
        Outcome::Token(token) => {
            success(setup, variant, &token, report);
            Some(Success { variant, token: Some(token) })
        }
        Outcome::Failed(error) => {
            let unknown = unknown_type(setup).filter(|_| error.code() == "unsupported_token_type");
            if let Some(name) = unknown {
                let section = report.section("token");
                section.text("unknown_type", &*name);
                if !may_be_bearer(&name) {
                    report.fail(
                        Exit::NoToken,
                        format!(
                            "the token type is {name:?}, which cannot be used as a bearer token; ask \
                             the server's operator to issue bearer tokens to this client"
                        ),
                    );
                    return None;
                }
                report.find(
                    Level::Warning,
                    format!(
                        "the token type {name:?} is not registered: RFC 6749 §7.1 says to refuse it; \
                         if these are bearer tokens, use token_type_override as in the lines below"
                    ),
                );
                quirks::report(setup, None, report);
                if setup.args.api.is_some() {
                    report.section("api").fact("accepted", Value::Null, "not called");
                    report.fail(
                        Exit::ApiRefuses,
                        format!(
                            "the API was not called: the token type {name:?} is not registered; call \
                             it from your service with the lines below"
                        ),
                    );
                }
                return Some(Success { variant, token: None });
            }
            let (exit, mut text) = advice::token(setup, variant, &error);
            if !variant.dpop && advice::wants_dpop(&error) {
                report.section("dpop").fact("required", true, "yes");
            } else if !variant.dpop && advice::may_want_dpop(server, &error) {
                report.section("dpop").fact("required", Value::Null, "perhaps");
                text.push_str(
                    "; the server offers DPoP, and some servers say no more when they require it: run \
                     again with --dpop",
                );
            }
            hint_at_mtls(setup, server, report);
            report.fail(exit, text);
            None
        }
        Outcome::Mistake(text) => {
            report.fail(Exit::Usage, text);
            None
        }
        Outcome::NotSent(why) => {
            let blocked = setup.recorder.is_blocked();
            let exit = if blocked { Exit::Stopped } else { Exit::NoToken };
            report.fail(exit, format!("no token request was sent: {why}; see the findings above"));
            None
        }
    }
}

/// The facts about a token.
pub(super) fn success(setup: &Setup<'_>, variant: Variant, token: &Token, report: &mut Report) {
    report.find(Level::Ok, format!("the server issues a token with {}", variant.method));
    decoding(setup, variant.method, report);
    let answer = setup.last_token_answer().and_then(|exchange| exchange.answer?.token);
    let section = report.section("token");
    section.text("type", token.token_type().scheme());
    scope(setup, token, section);
    let form = answer.as_ref().map_or("missing", |answer| answer.lifetime_form);
    match token.lifetime() {
        Some(lifetime) => {
            let text = format!("{} s, stated as {form}", lifetime.as_secs_f64());
            section.fact("lifetime_seconds", lifetime.as_secs_f64(), text);
        }
        None => section.fact(
            "lifetime_seconds",
            Value::Null,
            format!("not known: expires_in is {form}"),
        ),
    }
    section.fact("lifetime_form", form, "");
    match token.refresh_in() {
        Some(hint) => {
            section.fact(
                "refresh_in_seconds",
                hint.as_secs_f64(),
                format!("{} s", hint.as_secs_f64()),
            );
        }
        None => section.fact("refresh_in_seconds", Value::Null, "not stated"),
    }
    let is_jwt = answer.as_ref().is_some_and(|answer| answer.is_jwt);
    section.text("format", if is_jwt { "JWT" } else { "opaque" });
    binding(setup, variant, token, report);
    quirks::report(setup, Some(token), report);
}

/// What a success with Basic tells about decoding (RFC 6749 §2.3.1).
pub(super) fn decoding(setup: &Setup<'_>, method: Method, report: &mut Report) {
    if !method.is_basic() {
        return;
    }
    let section = report.section("client_authentication");
    if setup.credential.is_changed_by_encoding(setup.args.client_id()) {
        let decodes = method == Method::ClientSecretBasic;
        section.fact("basic_is_decoded", decodes, if decodes { "yes" } else { "no" });
    } else {
        let text = "not known: encoding changes neither id nor secret (--thorough finds out)";
        section.fact("basic_is_decoded", Value::Null, text);
    }
}

fn scope(setup: &Setup<'_>, token: &Token, section: &mut Section) {
    let asked = setup.args.scope.as_deref();
    let granted = token.scope().map(|scope| setup.secrets.clean(scope));
    section.fact("scope_asked", asked, asked.unwrap_or("none"));
    let text = match (&granted, asked) {
        (Some(granted), _) => granted.clone(),
        (None, Some(_)) => "not stated, which means all that was asked for (RFC 6749 §5.1)".into(),
        (None, None) => "not stated".into(),
    };
    section.fact("scope_granted", granted, text);
}

fn binding(setup: &Setup<'_>, variant: Variant, token: &Token, report: &mut Report) {
    if variant.dpop {
        let is_bound = token.token_type() == TokenType::Dpop;
        let text = if is_bound { "yes" } else { "no: the server ignores the proof" };
        report.section("dpop").fact("bound", is_bound, text);
        let nonce = setup.recorder.exchanges().iter().any(|exchange| {
            exchange.answer.as_ref().is_some_and(|answer| {
                answer.has_dpop_nonce && answer.code == Some("use_dpop_nonce")
            })
        });
        report.section("dpop").fact("nonce_required", nonce, if nonce { "yes" } else { "no" });
        if !is_bound {
            report.find(
                Level::Warning,
                "the server ignores the DPoP proof and issues a bearer token, which the crate refuses; \
                 have DPoP enabled for this client, or leave it out",
            );
        }
    }
    let answer = setup.last_token_answer().and_then(|exchange| exchange.answer?.token);
    let jwt_binding = answer.and_then(|answer| answer.jwt_binding);
    if let (Some("x5t#S256"), Some(_)) = (jwt_binding, &setup.credential.identity) {
        report.section("mtls").fact("bound", true, "yes: the token is bound to the certificate");
    }
}

/// The token type, unless it is Bearer or DPoP.
fn unknown_type(setup: &Setup<'_>) -> Option<String> {
    let name = setup.last_token_answer()?.answer?.token?.token_type?;
    let known = ["bearer", "dpop"].contains(&name.to_ascii_lowercase().as_str());
    (!known).then_some(name)
}

/// Whether tokens of an unknown type may be bearer tokens. Other registered types need a signature of
/// each request, or are no access tokens.
fn may_be_bearer(name: &str) -> bool {
    !["mac", "pop", "n_a", NOT_A_STRING].contains(&name.to_ascii_lowercase().as_str())
}

fn hint_at_mtls(setup: &Setup<'_>, server: &Server, report: &mut Report) {
    let Some(metadata) = &server.metadata else { return };
    let methods = metadata.token_endpoint_auth_methods();
    let only = !methods.is_empty() && methods.iter().all(|it| it.ends_with("tls_client_auth"));
    if only && setup.credential.identity.is_none() {
        report.section("mtls").fact("required", true, "yes");
        report.find(
            Level::Note,
            "the metadata lists certificates as the only client authentication; give --cert",
        );
    }
}
