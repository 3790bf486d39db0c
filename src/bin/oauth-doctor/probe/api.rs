//! What the API answers to the token.

use std::future::poll_fn;

use http::{Method, Request, Uri};
use tower_oauth2_client_credentials::{
    BoxError, Token,
    transport::{TokenRequest, TokenRequestBody},
};
use tower_service::Service as _;

use super::{
    advice,
    exchange::{Answer, Kind},
    recorder::ForApi,
    setup::Setup,
};
use crate::{
    exit::Exit,
    report::{Level, Report},
};

/// Calls the API once, and again if it wants a DPoP nonce. `None`: it was not called, or it is
/// not known whether it accepts the token.
pub(super) async fn probe(setup: &Setup<'_>, token: &Token, report: &mut Report) -> Option<bool> {
    let uri = setup.api()?;
    if let Some(why) = setup.recorder.stopped() {
        let text = format!("not called: {why}");
        report.section("api").fact("accepted", serde_json::Value::Null, text);
        return None;
    }
    match call(setup, token, &uri).await {
        Ok(answer) => {
            let section = report.section("api");
            let status = answer.status.as_u16();
            section.fact("status", status, status.to_string());
            let challenges = answer.challenges.clone();
            if !challenges.is_empty() {
                let text = challenges.join(", ");
                section.fact("challenge", challenges, text);
            }
            let is_accepted = judge(setup, &answer, report);
            let text = match is_accepted {
                Some(true) => "yes",
                Some(false) => "no",
                None => "unknown",
            };
            report.section("api").fact("accepted", is_accepted, text);
            is_accepted
        }
        Err(error) => {
            report.section("api").fact("accepted", serde_json::Value::Null, "it did not answer");
            report.fail(Exit::ApiRefuses, format!("the API did not answer: {error}; check --api"));
            Some(false)
        }
    }
}

fn judge(setup: &Setup<'_>, answer: &Answer, report: &mut Report) -> Option<bool> {
    let challenge = answer.challenges.join(", ");
    let text = match answer.status.as_u16() {
        status @ 200..=299 if answer.is_html => {
            report.find(
                Level::Warning,
                format!(
                    "the API answers {status} with an HTML page, perhaps a login page, so it is not \
                     known whether it accepts the token; give --api the address of the API itself"
                ),
            );
            return None;
        }
        200..=299 => {
            report.find(Level::Ok, "the API accepts the token");
            return Some(true);
        }
        401 if answer.wants_scope => {
            "the API wants another scope; have it allowed for this client, and give --scope".into()
        }
        401 => format!(
            "the API rejects a token that was just issued (401, {}); check that issuer, audience \
             and scope are those that the API expects",
            if challenge.is_empty() { "without a challenge" } else { &*challenge }
        ),
        403 => {
            "the API refuses the token (403); check the scope and the rights of this client".into()
        }
        404 | 405 => {
            let status = answer.status.as_u16();
            report.find(
                Level::Note,
                format!(
                    "the API answers {status} and not 401, so it probably accepts the token; \
                         give --api a URL that can be read with GET to be sure"
                ),
            );
            return Some(true);
        }
        // A 401 has its own line above.
        429 | 500..=599 if setup.recorder.is_blocked() => {
            let (exit, text) = advice::stopped(setup);
            report.fail(exit, text);
            return Some(false);
        }
        300..=399 => format!(
            "the API redirects (to {}), as to a login page; give the address of the API itself",
            answer.location.as_deref().unwrap_or("no address")
        ),
        status => format!("the API answers {status}; check its log, and --api"),
    };
    report.fail(Exit::ApiRefuses, text);
    Some(false)
}

/// One call, which is sent again with a nonce if the API wants one.
pub(super) async fn call(setup: &Setup<'_>, token: &Token, uri: &Uri) -> Result<Answer, BoxError> {
    let answer = send(setup, token, uri).await?;
    if answer.wants_nonce { send(setup, token, uri).await } else { Ok(answer) }
}

async fn send(setup: &Setup<'_>, token: &Token, uri: &Uri) -> Result<Answer, BoxError> {
    let mut request: TokenRequest =
        Request::get(uri).extension(ForApi).body(TokenRequestBody::default())?;
    token.authorize(&Method::GET, uri, request.headers_mut())?;
    let mut recorder = setup.recorder.clone();
    let exchange = async {
        poll_fn(|cx| recorder.poll_ready(cx)).await?;
        recorder.call(request).await
    };
    let response = tokio::time::timeout(setup.args.timeout(), exchange)
        .await
        .map_err(|_| format!("it took longer than {} s", setup.args.timeout().as_secs()))??;
    token.observe_response(uri, response.headers());
    let answer = setup.recorder.last(Kind::Api).and_then(|exchange| exchange.answer);
    Ok(answer.ok_or("it was not recorded")?)
}
