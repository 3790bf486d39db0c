//! Further token requests: a second token, DPoP, other methods.

use serde_json::Value;
use tower_oauth2_client_credentials::token::TokenType;

use super::{
    advice, api,
    attempt::{self, Outcome},
    setup::{Server, Setup},
    token,
    variant::{Success, Variant},
};
use crate::{
    exit::Exit,
    method::Method,
    report::{Level, Report},
};

pub(super) async fn probe(
    setup: &Setup<'_>,
    server: &Server,
    success: &mut Option<Success>,
    api_accepts: Option<bool>,
    report: &mut Report,
) {
    if success.is_none() && report.has("dpop", "required") {
        *success = required_dpop(setup, server, report).await;
    }
    if let Some(success) = success {
        second_token(setup, server, success, api_accepts, report).await;
        dpop(setup, server, success, report).await;
    }
    let last = setup.last_token_answer().and_then(|exchange| exchange.answer);
    // Another method helps only if this one was refused.
    if success.is_some() || last.is_some_and(|answer| answer.is_failed_login()) {
        other_methods(setup, server, success, report).await;
    }
    decoding(setup, server, success, report).await;
    if let Some(why) = setup.recorder.stopped() {
        if setup.recorder.is_blocked() {
            // Otherwise the problem is in the report already.
            if matches!(report.exit, Exit::Works | Exit::NoToken) {
                let (exit, text) = advice::stopped(setup);
                report.fail(exit, text);
            }
            report.find(
                Level::Note,
                format!("the other checks were left out: {why}; run --thorough again after that"),
            );
        } else {
            report.find(
                Level::Note,
                format!(
                    "the other checks were left out: {why}; run --thorough again with the \
                         right method if you need them"
                ),
            );
        }
    }
}

/// Whether a second request gets the same token, and what that does to the first.
async fn second_token(
    setup: &Setup<'_>,
    server: &Server,
    success: &Success,
    api_accepts: Option<bool>,
    report: &mut Report,
) {
    let Some(first) = &success.token else { return };
    let second = match attempt::run(setup, server, success.variant).await {
        Outcome::Token(second) => second,
        Outcome::Failed(_) if setup.recorder.is_blocked() => return,
        Outcome::Failed(error) => {
            let text = format!("refused: {}", error.code());
            report.section("token").fact("same_on_second_request", Value::Null, text);
            report.find(
                Level::Warning,
                format!(
                    "the server refuses a second token: {error}; share one token between instances, \
                     or give each its own client"
                ),
            );
            return;
        }
        Outcome::Mistake(_) | Outcome::NotSent(_) => return,
    };
    let is_same = first.secret() == second.secret();
    let text = if is_same { "the same token again" } else { "a new token" };
    report.section("token").fact("same_on_second_request", is_same, text);
    let uri = setup.api();
    if let (false, Some(true), Some(uri)) = (is_same, api_accepts, uri) {
        let answer = api::call(setup, first, &uri).await;
        let is_ended = answer.is_ok_and(|answer| answer.status == 401);
        report.section("token").fact(
            "second_ends_first",
            is_ended,
            if is_ended { "yes" } else { "no" },
        );
        if is_ended {
            report.find(
                Level::Warning,
                "a second token ends the first: instances of one client would end each other's \
                 tokens; give each instance its own client, or share one token between them",
            );
        }
    }
}

/// The stated method with DPoP, because the server refused a request without a proof.
async fn required_dpop(setup: &Setup<'_>, server: &Server, report: &mut Report) -> Option<Success> {
    let method = setup.choose_method(server);
    let variant = Variant { method, dpop: true, is_secret_encoded: false };
    let Outcome::Token(issued) = attempt::run(setup, server, variant).await else { return None };
    report.section("dpop").fact("required", true, "yes");
    recovered(report, "the server wants DPoP, and issues a token with it; use the lines below");
    token::success(setup, variant, &issued, report);
    api::probe(setup, &issued, report).await;
    Some(Success { variant, token: Some(issued) })
}

/// Whether the server binds tokens to a key.
async fn dpop(setup: &Setup<'_>, server: &Server, success: &Success, report: &mut Report) {
    if success.variant.dpop {
        return;
    }
    let variant = Variant { dpop: true, ..success.variant };
    let (works, text) = match attempt::run(setup, server, variant).await {
        Outcome::Token(token) if token.token_type() == TokenType::Dpop => {
            (true, "yes; add --dpop to use it".to_owned())
        }
        Outcome::Token(_) => (false, "no: the server ignores the proof".to_owned()),
        Outcome::Failed(error) => (false, format!("no: {}", error.code())),
        Outcome::Mistake(_) | Outcome::NotSent(_) => return,
    };
    report.section("dpop").fact("works", works, text);
}

/// Tries the other methods for the same credential, until the limits end it.
async fn other_methods(
    setup: &Setup<'_>,
    server: &Server,
    success: &mut Option<Success>,
    report: &mut Report,
) {
    let stated = match success {
        Some(success) => success.variant.method,
        None => setup.choose_method(server),
    };
    for method in candidates(setup, server, stated, success.is_some()) {
        let variant = Variant { method, dpop: setup.args.dpop, is_secret_encoded: false };
        let outcome = attempt::run(setup, server, variant).await;
        let (accepted, text) = match &outcome {
            Outcome::Token(_) => (true, "accepted".to_owned()),
            Outcome::Failed(error) => (false, format!("refused: {}", error.code())),
            Outcome::Mistake(_) => continue,
            Outcome::NotSent(_) => return,
        };
        report.section("other_methods").fact(method.name(), accepted, text);
        let Outcome::Token(issued) = outcome else { continue };
        token::decoding(setup, method, report);
        let is_better = match success {
            None => true,
            // The stated method was Basic, so Basic without decoding is closer than another method.
            Some(found) => {
                stated.is_basic() && method.is_basic() && !found.variant.method.is_basic()
            }
        };
        if is_better {
            let is_first = success.is_none();
            *success = Some(Success { variant, token: Some(issued.clone()) });
            if is_first {
                let text = format!(
                    "the server refuses {stated} and accepts {method}; use the lines below"
                );
                recovered(report, text);
                token::success(setup, variant, &issued, report);
                api::probe(setup, &issued, report).await;
            }
        }
    }
}

/// The stated settings failed, and others work.
fn recovered(report: &mut Report, text: impl Into<String>) {
    report.find(Level::Warning, text);
    if report.exit == Exit::NoToken {
        report.exit = Exit::Works;
        report.lower_problems();
    }
}

/// Methods that may work with the same credential. Those that the metadata lists come first.
fn candidates(
    setup: &Setup<'_>,
    server: &Server,
    stated: Method,
    is_accepted: bool,
) -> Vec<Method> {
    let mut methods = setup.credential.methods();
    let is_changed = setup.credential.is_changed_by_encoding(setup.args.client_id());
    // A server that decodes refuses the other form, so that login would fail.
    if stated == Method::ClientSecretBasic && is_changed && !is_accepted {
        methods.insert(1, Method::ClientSecretBasicRaw);
    }
    methods.retain(|method| {
        // Servers that do not list these rarely have them, and a failed login has a cost.
        let is_rare = matches!(method, Method::ClientSecretJwt | Method::SelfSignedTlsClientAuth);
        *method != stated && (!is_rare || server.is_listed(*method) == Some(true))
    });
    methods.sort_by_key(|method| server.is_listed(*method) == Some(false));
    methods
}

/// Whether the server decodes Basic credentials (RFC 6749 §2.3.1).
async fn decoding(
    setup: &Setup<'_>,
    server: &Server,
    success: &Option<Success>,
    report: &mut Report,
) {
    let Some(success) = success else { return };
    let is_changed = setup.credential.is_changed_by_encoding(setup.args.client_id());
    let basic = Method::ClientSecretBasic;
    let is_basic = success.variant.method == basic;
    if !is_basic || is_changed || setup.args.client_id().contains(':') {
        return;
    }
    let method = Method::ClientSecretBasicRaw;
    let variant = Variant { method, is_secret_encoded: true, ..success.variant };
    let decodes = match attempt::run(setup, server, variant).await {
        Outcome::Token(_) => true,
        Outcome::Failed(error) if error.code() == "invalid_client" => false,
        _ => return,
    };
    let text = if decodes { "yes" } else { "no" };
    report.section("client_authentication").fact("basic_is_decoded", decodes, text);
    if !decodes {
        report.find(
            Level::Note,
            "the server does not decode Basic credentials; if the secret ever contains other \
             characters than letters, digits and -._, use client_secret_basic_raw",
        );
    }
}
