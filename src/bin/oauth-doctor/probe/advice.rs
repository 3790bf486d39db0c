//! What to do about a failure.

use http::Uri;
use tower_oauth2_client_credentials::{Error, ErrorKind};

use super::{
    exchange::{Answer, Kind},
    setup::{Server, Setup, in_options},
    variant::Variant,
};
use crate::{exit::Exit, method::Method};

/// The end of the crate's message for `invalid_client`.
const LIBRARY_ADVICE: &str = "; check the client id and secret, and whether this client must \
                              authenticate another way (basic, post, private_key_jwt, …)";

/// A failed discovery: the exit code, and a line that says what to do.
pub(super) fn discovery(setup: &Setup<'_>, error: &Error) -> (Exit, String) {
    let last = setup.recorder.last(Kind::Metadata);
    if setup.recorder.is_blocked() {
        return stopped(setup);
    }
    let answer = last.as_ref().and_then(|exchange| exchange.answer.as_ref());
    if setup.recorder.is_too_large() {
        return (Exit::Discovery, too_large("--issuer"));
    }
    if error.kind() == ErrorKind::Transport || (last.is_some() && answer.is_none()) {
        return unreachable(setup, error);
    }
    let more = match answer {
        _ if error.code() == "issuer_mismatch" => {
            // The last exchange may be of another place, which has no document.
            let document = setup.last_document().and_then(|exchange| exchange.answer?.document);
            match document.as_ref().and_then(|it| it.get("issuer")?.as_str()) {
                Some(issuer) => format!(
                    "if that is the server you mean, run again with --issuer {}",
                    setup.secrets.clean(issuer)
                ),
                None => "check --issuer".to_owned(),
            }
        }
        Some(answer) if answer.is_html => page(answer),
        Some(answer) if answer.status.is_redirection() => moved(answer, "--issuer"),
        _ => "check --issuer, or give --token-url".to_owned(),
    };
    let mut text = in_options(error);
    // The status is that of the last place, and the mismatch of another one.
    if error.code() == "issuer_mismatch" && text.ends_with(')') {
        text.truncate(text.rfind(" (HTTP ").unwrap_or(text.len()));
    }
    (Exit::Discovery, format!("{text}; {more}"))
}

/// A failed token request.
pub(super) fn token(setup: &Setup<'_>, variant: Variant, error: &Error) -> (Exit, String) {
    if setup.recorder.is_blocked() {
        return stopped(setup);
    }
    if setup.recorder.is_too_large() {
        return (Exit::NoToken, too_large("--token-url"));
    }
    let last = setup.last_token_answer();
    let answer = last.as_ref().and_then(|exchange| exchange.answer.as_ref());
    if matches!(error.kind(), ErrorKind::Transport | ErrorKind::AcquisitionTimeout) {
        return unreachable(setup, error);
    }
    let more = match (error.code(), answer) {
        _ if !variant.dpop && wants_dpop(error) => {
            "the server wants DPoP: run again with --dpop".to_owned()
        }
        ("invalid_client", _) => refused(setup, variant),
        (_, Some(answer)) if answer.status == 401 => refused(setup, variant),
        (_, Some(answer)) if answer.status.is_redirection() => moved(answer, "--token-url"),
        (_, Some(answer)) if answer.is_html => page(answer),
        ("invalid_scope", _) => "check --scope, or leave it out".to_owned(),
        ("invalid_target", _) => "check --resource and --audience".to_owned(),
        ("unauthorized_client" | "unsupported_grant_type", _) => {
            "have the grant client_credentials enabled for this client".to_owned()
        }
        (_, Some(answer)) if answer.status == 404 || answer.status == 405 => {
            "check the path of --token-url".to_owned()
        }
        _ => return (Exit::NoToken, in_options(error)),
    };
    // The advice for this program is shorter.
    let text = in_options(error).replace(LIBRARY_ADVICE, "");
    (Exit::NoToken, format!("{text}; {more}"))
}

/// Whether the server refuses a request without a proof, or issues a token that needs one. Some servers
/// say so in the description only.
pub(super) fn wants_dpop(error: &Error) -> bool {
    let codes = ["invalid_dpop_proof", "use_dpop_nonce", "unsupported_token_type"];
    let in_text = || error.kind() == ErrorKind::OAuth && error.to_string().contains("DPoP proof");
    codes.contains(&error.code()) || in_text()
}

/// Whether DPoP is offered and may be the reason for a refusal. oidc-provider answers `invalid_grant`
/// and no more.
pub(super) fn may_want_dpop(server: &Server, error: &Error) -> bool {
    let is_offered =
        server.metadata.as_ref().is_some_and(|it| !it.dpop_signing_algorithms().is_empty());
    is_offered && matches!(error.code(), "invalid_grant" | "invalid_request" | "access_denied")
}

pub(super) fn stopped(setup: &Setup<'_>) -> (Exit, String) {
    let why = setup.recorder.stopped().unwrap_or_default();
    let pause = setup.recorder.exchanges().into_iter().rev();
    let pause = pause.filter_map(|exchange| exchange.answer?.retry_after).next();
    let what = match pause {
        Some(pause) if pause.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("run again in {pause} s")
        }
        Some(pause) => format!("run again after its Retry-After ({pause})"),
        None => "wait before you run this again, and check limits, firewall and allow-lists".into(),
    };
    (Exit::Stopped, format!("stopped: {why}; {what}"))
}

fn too_large(option: &str) -> String {
    format!(
        "the answer is larger than 1 MiB, so it is neither metadata nor a token; check {option}"
    )
}

fn unreachable(setup: &Setup<'_>, error: &Error) -> (Exit, String) {
    if error.kind() == ErrorKind::AcquisitionTimeout {
        let endpoint = match setup.last_token_answer() {
            Some(_) => "the token endpoint",
            None => "the server",
        };
        let text = format!(
            "{endpoint} did not answer within {} s; check firewalls, or raise --timeout",
            setup.args.timeout().as_secs()
        );
        return (Exit::Unreachable, text);
    }
    let text = error.to_string();
    let has_proxy = || {
        let uri = setup.args.server().parse::<Uri>();
        uri.is_ok_and(|uri| setup.transport.proxy_for(&uri).is_some())
    };
    let more = if text.contains("unknown authority") {
        "; for this program: --ca-file FILE, with the authority of the server or of a proxy that \
         opens TLS in between"
    } else if setup.args.proxy.is_none() && text.contains("proxy") && has_proxy() {
        "; for this program: --proxy none to connect without it"
    } else if text.contains("timed out") {
        "; check firewalls, or raise --timeout"
    } else {
        ""
    };
    (Exit::Unreachable, format!("{text}{more}"))
}

/// Refused credentials.
fn refused(setup: &Setup<'_>, variant: Variant) -> String {
    let mut text = match variant.method.needs_secret() {
        true => "check --client-id and the secret",
        false => {
            "check --client-id, the credential, and the method that the client is registered for"
        }
    }
    .to_owned();
    let id = setup.args.client_id();
    if variant.method == Method::ClientSecretBasic && setup.credential.is_changed_by_encoding(id) {
        text.push_str(
            "; id or secret have characters that form-encoding changes, and this server may not \
             decode them: try --auth-method client_secret_basic_raw or client_secret_post",
        );
    } else if variant.method.needs_secret() {
        let other = match variant.method {
            Method::ClientSecretPost => Method::ClientSecretBasic,
            _ => Method::ClientSecretPost,
        };
        text.push_str(&format!(", then try --auth-method {other}"));
    }
    let secret = setup.credential.secret.as_ref().map(|secret| secret.as_str());
    if secret.is_some_and(has_paste_marks) {
        text.push_str(
            "; the secret has quotes or white space around it, which are probably not part of it",
        );
    }
    text
}

fn has_paste_marks(secret: &str) -> bool {
    let quoted = |mark| secret.len() > 1 && secret.starts_with(mark) && secret.ends_with(mark);
    secret.trim() != secret || quoted('"') || quoted('\'')
}

fn page(answer: &Answer) -> String {
    match &answer.proxy_field {
        Some(field) => format!(
            "the answer is an HTML page of a proxy (it has the field {field}); have the proxy allow \
             this host, or list it in NO_PROXY"
        ),
        None => "the answer is an HTML page, such as a login page or an error of a proxy or \
                 gateway; check the URL in a browser, and proxies in between"
            .to_owned(),
    }
}

fn moved(answer: &Answer, option: &str) -> String {
    match &answer.location {
        Some(location) => format!(
            "it redirects to {location}; if that is a login page the URL is wrong, otherwise set \
             {option} to the final address"
        ),
        None => format!("set {option} to the final address"),
    }
}
