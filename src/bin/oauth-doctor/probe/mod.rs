//! Probes an authorization server as an operator would by hand.

mod advice;
mod api;
mod attempt;
mod challenge;
mod clock;
mod connection;
mod discovery;
pub(crate) mod exchange;
mod limits;
mod quirks;
mod recorder;
mod setup;
mod thorough;
mod tls;
mod token;
mod token_answer;
mod variant;

use self::{
    setup::{Server, Setup},
    variant::{Success, Variant},
};
use crate::{
    args::Args,
    credential::Credential,
    exit::Exit,
    lines::Lines,
    recipe::Recipe,
    report::{Level, Report},
    secrets::Secrets,
};

/// Requests in a run without `--thorough`.
const DEFAULT_TOKEN_REQUESTS: usize = 1;
/// The same with `--dpop`: the server may require a nonce, which the first answer has.
const DPOP_TOKEN_REQUESTS: usize = 2;
pub(crate) const THOROUGH_TOKEN_REQUESTS: usize = 8;

/// Probes the server. The report shows no secret.
pub(crate) async fn run(args: &Args, credential: Credential) -> Report {
    let secrets = Secrets::default();
    credential.secrets().for_each(|secret| secrets.add(secret));
    let mut report = Report::new(args.server());
    let max = match (args.thorough, args.dpop) {
        (true, _) => THOROUGH_TOKEN_REQUESTS,
        (false, true) => DPOP_TOKEN_REQUESTS,
        (false, false) => DEFAULT_TOKEN_REQUESTS,
    };
    match Setup::new(args, &credential, secrets.clone(), max) {
        Ok(setup) => {
            probe(&setup, &mut report).await;
            report.exchanges = setup.recorder.exchanges();
        }
        Err(problem) => report.fail(Exit::Usage, problem),
    }
    report.scrub(&secrets);
    report
}

async fn probe(setup: &Setup<'_>, report: &mut Report) {
    let (_, options) = setup.args.redacted(&setup.given_secrets());
    if !options.is_empty() {
        report.find(
            Level::Warning,
            format!(
                "the secret equals or is part of another argument ({}), so it is replaced there; \
                 change the secret",
                options.join(", ")
            ),
        );
    }
    connection::before(setup, report);
    let Some(server) = discovery::probe(setup, report).await else {
        tls::probe(setup, report).await;
        connection::after(setup, report);
        clock::probe(setup, report);
        return;
    };
    let first = first_attempt(setup, &server, report).await;
    let mut success = first;
    let mut api_accepts = None;
    if let Some(Success { token: Some(token), .. }) = &success {
        api_accepts = api::probe(setup, token, report).await;
    }
    if setup.recorder.is_blocked() && report.exit == Exit::Works {
        let (exit, text) = advice::stopped(setup);
        report.fail(exit, text);
    }
    if setup.args.thorough {
        thorough::probe(setup, &server, &mut success, api_accepts, report).await;
    }
    tls::probe(setup, report).await;
    connection::after(setup, report);
    clock::probe(setup, report);
    let Some(success) = success else { return };
    // Secrets are replaced in the arguments only, so that the lines stay Rust.
    let (args, _) = setup.args.redacted(&setup.secrets);
    report.lines = Some(Lines::new(&recipe(setup, &args, &server, &success)));
}

/// One acquisition with the stated method, or with the one that fits best.
async fn first_attempt(setup: &Setup<'_>, server: &Server, report: &mut Report) -> Option<Success> {
    let method = setup.choose_method(server);
    let variant = Variant { method, dpop: setup.args.dpop, is_secret_encoded: false };
    let section = report.section("client_authentication");
    section.text("method", method.name());
    let listed = server.is_listed(method);
    let offered = match &server.metadata {
        Some(metadata) => {
            let names = metadata.token_endpoint_auth_methods();
            names.iter().map(|name| setup.secrets.clean(name)).collect()
        }
        None => Vec::new(),
    };
    let text = match (&server.metadata, offered.is_empty()) {
        (None, _) => "unknown without metadata".to_owned(),
        (_, true) => "not stated, which means client_secret_basic (RFC 8414)".to_owned(),
        _ => offered.join(", "),
    };
    section.fact("offered", offered, text);
    let outcome = attempt::run(setup, server, variant).await;
    let section = report.section("client_authentication");
    let is_accepted = outcome.is_accepted(setup);
    let text = match is_accepted {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    section.fact("accepted", is_accepted, text);
    if is_accepted == Some(true) && listed == Some(false) {
        report.find(
            Level::Note,
            format!(
                "the metadata does not list {method}, but the server accepts it; keep \
                 strict_metadata off"
            ),
        );
    }
    token::report(setup, server, variant, outcome, report)
}

fn recipe<'a>(setup: &Setup<'_>, args: &'a Args, server: &Server, success: &Success) -> Recipe<'a> {
    let key = setup.credential.signing_key(setup.args, server.signing_algorithms());
    Recipe {
        args,
        method: success.variant.method,
        dpop: success.variant.dpop,
        has_unknown_type: success.token.is_none(),
        algorithm: key.ok().map(|key| key.algorithm()),
        key_is_jwk: setup.credential.key_is_jwk(),
    }
}
