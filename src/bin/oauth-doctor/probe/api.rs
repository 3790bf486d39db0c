//! What the API answers to the token.

use std::future::poll_fn;

use http::{Method, Request, Uri};
use tower_oauth2_client_credentials::{
    BoxError, Token,
    transport::{TokenRequest, TokenRequestBody},
};
use tower_service::Service as _;

use super::{
    exchange::{Answer, Kind},
    recorder::ForApi,
    setup::Setup,
};
use crate::{
    exit::Exit,
    report::{Level, Report},
};

/// Calls the API once, and again if it wants a DPoP nonce. `None`: it was not called.
pub(super) async fn probe(setup: &Setup<'_>, token: &Token, report: &mut Report) -> Option<bool> {
    let uri = setup.api()?;
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
            let is_accepted = judge(&answer, report);
            report.section("api").fact(
                "accepted",
                is_accepted,
                if is_accepted { "yes" } else { "no" },
            );
            Some(is_accepted)
        }
        Err(error) => {
            report.section("api").fact("accepted", serde_json::Value::Null, "it did not answer");
            report.fail(Exit::ApiRefuses, format!("the API did not answer: {error}; check --api"));
            Some(false)
        }
    }
}

fn judge(answer: &Answer, report: &mut Report) -> bool {
    let challenge = answer.challenges.join(", ");
    let text = match answer.status.as_u16() {
        200..=299 => {
            report.find(Level::Ok, "the API accepts the token");
            return true;
        }
        401 if challenge.contains("insufficient_scope") => {
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
            return true;
        }
        300..=399 => format!(
            "the API redirects (to {}), as to a login page; give the address of the API itself",
            answer.location.as_deref().unwrap_or("no address")
        ),
        status => format!("the API answers {status}; check its log, and --api"),
    };
    report.fail(Exit::ApiRefuses, text);
    false
}

/// One call, which is sent again with a nonce if the API wants one.
pub(super) async fn call(setup: &Setup<'_>, token: &Token, uri: &Uri) -> Result<Answer, BoxError> {
    let answer = send(setup, token, uri).await?;
    let wants_nonce = answer.challenges.iter().any(|it| it.contains("use_dpop_nonce"));
    if wants_nonce { send(setup, token, uri).await } else { Ok(answer) }
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
