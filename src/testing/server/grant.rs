//! Checks token requests: RFC 6749 §3.2, §4.4.2, §4.5 and §5.2.

use http::{Method, StatusCode};

use super::client::{self, Presented, RegisteredClient, Unpresented, Verifier};
use crate::testing::{form, recorded::RecordedRequest};

/// Parameters that may come more than once (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The grant for a valid request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) client: String,
    /// The requested scope.
    pub(super) scope: Option<String>,
}

/// The refusal of an invalid request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: &'static str,
    /// The client used Basic, so the response must challenge for it (RFC 6749 §5.2).
    pub(super) challenge: bool,
}

impl Refusal {
    fn new(code: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description, challenge: false }
    }

    fn invalid_client(description: &'static str, basic: bool) -> Self {
        let status = if basic { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { status, challenge: basic, ..Self::new("invalid_client", description) }
    }
}

pub(super) fn check(
    request: &RecordedRequest,
    clients: &[RegisteredClient],
    raw_basic: bool,
    verify_assertion: Option<&Verifier>,
    extensions: &[(String, Verifier)],
) -> Result<Grant, Refusal> {
    const BAD: &str = "invalid_request";
    if request.method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal { status, ..Refusal::new(BAD, "use POST") });
    }
    if !form::is_form(&request.headers) {
        return Err(Refusal::new(
            BAD,
            "the content type must be application/x-www-form-urlencoded",
        ));
    }
    let fields = form::decode(&request.body)
        .ok_or_else(|| Refusal::new(BAD, "the body is not a well-formed form"))?;
    for (at, (name, _)) in fields.iter().enumerate() {
        let repeated = fields[..at].iter().any(|(earlier, _)| earlier == name);
        if repeated && !REPEATABLE.contains(&name.as_str()) {
            return Err(Refusal::new(BAD, "a parameter is repeated"));
        }
    }

    let grant_type = request.form_value("grant_type");
    let extension = extensions.iter().find(|(name, _)| grant_type == Some(name));
    let presented = match client::read(request, raw_basic) {
        Ok(presented) => Some(presented),
        // The grant itself may identify the client (RFC 7521 §4.1).
        Err(Unpresented::Nothing) if extension.is_some() => None,
        Err(why) => return Err(unpresented(why)),
    };
    if let Some(presented) = &presented {
        authenticate(request, presented, clients, verify_assertion)?;
    }
    match (extension, grant_type) {
        (Some((_, verify)), _) => {
            verify(request).map_err(|code| Refusal::new(code, "the grant is not accepted"))?;
        }
        (None, Some("client_credentials")) => {}
        (None, Some(_)) => {
            return Err(Refusal::new("unsupported_grant_type", "unknown grant type"));
        }
        (None, None) => return Err(Refusal::new(BAD, "grant_type is missing")),
    }
    Ok(Grant {
        client: presented.map_or_else(String::new, |presented| presented.id().to_owned()),
        scope: request.form_value("scope").map(str::to_owned),
    })
}

fn unpresented(why: Unpresented) -> Refusal {
    match why {
        Unpresented::Nothing => Refusal::invalid_client("no client credentials", false),
        Unpresented::MalformedBasic => Refusal::invalid_client("malformed Basic credentials", true),
        Unpresented::TwoWays => {
            Refusal::new("invalid_request", "more than one way of client authentication")
        }
    }
}

fn authenticate(
    request: &RecordedRequest,
    presented: &Presented,
    clients: &[RegisteredClient],
    verify_assertion: Option<&Verifier>,
) -> Result<(), Refusal> {
    if let (Presented::Assertion { .. }, Some(verify)) = (presented, verify_assertion) {
        return verify(request)
            .map_err(|code| Refusal::new(code, "the client assertion is not accepted"));
    }
    if !presented.is_one_of(clients, request.client_certificate.as_ref()) {
        let basic = presented.used_basic();
        return Err(Refusal::invalid_client("unknown client or wrong secret", basic));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::client::Proof, *};

    const POST: &str = "grant_type=client_credentials&client_id=id&client_secret=s%26+t";

    fn clients() -> Vec<RegisteredClient> {
        vec![
            RegisteredClient { id: "id".into(), proof: Proof::Secret("s& t".into()) },
            RegisteredClient { id: "public".into(), proof: Proof::None },
        ]
    }

    fn ask(method: &str, headers: &[(&str, &str)], body: &str) -> Result<Grant, Refusal> {
        ask_of(&clients(), method, headers, body)
    }

    fn ask_of(
        clients: &[RegisteredClient],
        method: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Grant, Refusal> {
        let mut request = http::Request::builder().method(method).uri("/token");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let request = RecordedRequest::new(parts, body.to_owned().into());
        let assertion: Verifier = Arc::new(|request| match request.form_value("assertion") {
            Some("a.b.c") => Ok(()),
            _ => Err("invalid_grant"),
        });
        check(&request, clients, false, None, &[("urn:x".to_owned(), assertion)])
    }

    fn form(body: &str) -> Result<Grant, Refusal> {
        ask("POST", &[("content-type", "application/x-www-form-urlencoded")], body)
    }

    fn basic(credentials: &str, body: &str) -> Result<Grant, Refusal> {
        let form = ("content-type", "application/x-www-form-urlencoded");
        ask("POST", &[form, ("authorization", &format!("Basic {credentials}"))], body)
    }

    fn code(outcome: Result<Grant, Refusal>) -> (u16, &'static str, bool) {
        let refusal = outcome.unwrap_err();
        (refusal.status.as_u16(), refusal.code, refusal.challenge)
    }

    #[test]
    fn post_basic_and_public_clients_are_accepted() {
        let granted = |client: &str, scope: Option<&str>| {
            Ok(Grant { client: client.into(), scope: scope.map(str::to_owned) })
        };
        assert_eq!(form(POST), granted("id", None));
        assert_eq!(form(&format!("{POST}&scope=a+b")), granted("id", Some("a b")));
        // id:s%26%20t
        let body = "grant_type=client_credentials";
        assert_eq!(basic("aWQ6cyUyNiUyMHQ=", body), granted("id", None));
        assert_eq!(basic("aWQ6cyUyNiUyMHQ=", &format!("{body}&client_id=id")), granted("id", None));
        assert_eq!(form(&format!("{body}&client_id=public")), granted("public", None));
    }

    #[test]
    fn wrong_credentials_are_an_invalid_client_with_a_challenge_where_basic_was_used() {
        let body = "grant_type=client_credentials";
        for bad in [
            format!("{body}&client_id=id&client_secret=wrong"),
            format!("{body}&client_id=other&client_secret=s%26+t"),
            format!("{body}&client_id=id"),
            format!("{body}&client_id=public&client_secret=x"),
            format!("{body}&client_assertion=a.b.c&client_assertion_type=x"),
            body.to_owned(),
        ] {
            assert_eq!(code(form(&bad)), (400, "invalid_client", false), "{bad}");
        }
        // id:wrong; then no base64 at all
        assert_eq!(code(basic("aWQ6d3Jvbmc=", body)), (401, "invalid_client", true));
        assert_eq!(code(basic("?", body)), (401, "invalid_client", true));
    }

    #[test]
    fn without_configured_clients_any_that_names_itself_is_accepted() {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = "grant_type=client_credentials";
        let ask = |rest: &str| ask_of(&[], "POST", &headers, &format!("{body}{rest}"));
        assert_eq!(ask("&client_id=x&client_secret=y").unwrap().client, "x");
        assert!(ask("&client_assertion=a.b.c").is_ok());
        assert_eq!(code(ask("")), (400, "invalid_client", false));
    }

    #[test]
    fn an_extension_grant_is_verified_and_needs_no_client() {
        let grant = "grant_type=urn%3Ax&assertion=";
        assert_eq!(form(&format!("{grant}a.b.c&scope=a")).unwrap().scope.as_deref(), Some("a"));
        assert_eq!(form(&format!("{grant}a.b.c")).unwrap().client, "");
        assert_eq!(basic("aWQ6cyUyNiUyMHQ=", &format!("{grant}a.b.c")).unwrap().client, "id");
        assert_eq!(code(form(&format!("{grant}b"))), (400, "invalid_grant", false));
        // Credentials that are presented must be right.
        let wrong = code(basic("aWQ6d3Jvbmc=", &format!("{grant}a.b.c")));
        assert_eq!(wrong, (401, "invalid_client", true));
        assert_eq!(code(basic("?", &format!("{grant}a.b.c"))), (401, "invalid_client", true));
    }

    #[test]
    fn malformed_requests_are_refused() {
        let invalid = (400, "invalid_request", false);
        assert_eq!(code(form("client_id=id&client_secret=s%26+t")), invalid);
        assert_eq!(code(form("grant_type=&client_id=id&client_secret=s%26+t")), invalid);
        assert_eq!(code(form(&format!("{POST}&scope=a&scope=b"))), invalid);
        assert_eq!(code(form(&format!("{POST}&x=%zz"))), invalid);
        assert_eq!(code(basic("aWQ6cyUyNiUyMHQ=", POST)), invalid);
        assert_eq!(code(ask("POST", &[], POST)), invalid);
        assert_eq!(code(ask("POST", &[("content-type", "application/json")], POST)), invalid);
        assert_eq!(code(ask("GET", &[], "")), (405, "invalid_request", false));
        let other = POST.replace("client_credentials", "password");
        assert_eq!(code(form(&other)), (400, "unsupported_grant_type", false));
        assert!(form(&format!("{POST}&resource=a&resource=b&audience=c&audience=d")).is_ok());
    }
}
