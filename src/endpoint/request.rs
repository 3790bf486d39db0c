//! The token request (RFC 6749 §4.4.2).

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, header};
use zeroize::Zeroizing;

use super::target::Target;
use crate::{
    client_auth::{ClientAuth, Draft, encoded},
    error::Error,
    transport::{TokenRequest, TokenRequestBody},
};

/// What is asked for, beside who asks. No `Debug`: further parameters may be secret.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) resource: Vec<String>,
    pub(super) authorization_details: Option<String>,
    pub(super) extra: Vec<(String, String)>,
}

/// Makes one attempt's request, authenticated anew, and returns the secrets in it. `now` is the
/// authorization server's time.
///
/// # Errors
///
/// What the client authentication fails with.
pub(super) async fn assemble(
    target: &Target,
    parameters: &Parameters,
    auth: &dyn ClientAuth,
    now: SystemTime,
) -> Result<(TokenRequest, Vec<Zeroizing<String>>), Error> {
    let mut draft = Draft { issuer: target.issuer(), ..Draft::new(headers(), now) };
    draft.form.push("grant_type", "client_credentials");
    auth.authenticate(&mut draft).await?;
    let Draft { mut form, headers, mut secrets, .. } = draft;
    // A parameter without a value counts as omitted (RFC 6749 §3.2), so it is.
    let given = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
    if let Some(scope) = given(&parameters.scope) {
        form.push("scope", &scope);
    }
    if let Some(audience) = given(&parameters.audience) {
        form.push("audience", &audience);
    }
    for resource in &parameters.resource {
        form.push("resource", resource);
    }
    if let Some(details) = &parameters.authorization_details {
        form.push("authorization_details", details);
    }
    for (name, value) in &parameters.extra {
        form.push(name.clone(), value);
        // It may be a secret; what is shorter is a word that messages need.
        if value.len() >= 8 {
            secrets.extend([encoded(value), Zeroizing::new(value.clone())]);
        }
    }
    let mut request = TokenRequest::new(TokenRequestBody::from_form(form.encode()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.url.clone();
    *request.headers_mut() = headers;
    Ok((request, secrets))
}

fn headers() -> HeaderMap {
    let mut headers = common_headers();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers
}

/// Of the request for metadata too. No `Accept-Encoding`: a compressed answer could be a bomb and
/// saves nothing.
pub(super) fn common_headers() -> HeaderMap {
    const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    headers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::client_auth::{PublicClient, SecretBasic, SecretPost};

    async fn sent(auth: &dyn ClientAuth, parameters: &Parameters) -> (HeaderMap, String) {
        let url = http::Uri::from_static("https://idp.example.com//token?tenant=1");
        let target = Target { url, metadata: None };
        let (request, _) =
            assemble(&target, parameters, auth, SystemTime::UNIX_EPOCH).await.unwrap();
        assert_eq!((request.method(), request.uri()), (&Method::POST, &target.url));
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn post_with_everything_byte_for_byte() {
        let auth = SecretPost { id: "me & co".into(), secret: "s+ %".into() };
        let parameters = Parameters {
            scope: Some("esp read:all".into()),
            audience: Some("https://api.example.com/".into()),
            resource: vec!["https://a.example".into(), "urn:b".into()],
            authorization_details: Some(r#"[{"type":"x"}]"#.into()),
            extra: vec![("tenant".into(), "ü".into())],
        };
        let (headers, body) = sent(&auth, &parameters).await;
        assert_eq!(
            body,
            "grant_type=client_credentials&client_id=me%20%26%20co&client_secret=s%2B%20%25\
             &scope=esp%20read%3Aall&audience=https%3A%2F%2Fapi.example.com%2F\
             &resource=https%3A%2F%2Fa.example&resource=urn%3Ab\
             &authorization_details=%5B%7B%22type%22%3A%22x%22%7D%5D&tenant=%C3%BC"
        );
        let mut names: Vec<_> =
            headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                ("accept", "application/json"),
                ("content-type", "application/x-www-form-urlencoded"),
                (
                    "user-agent",
                    concat!("tower-oauth2-client-credentials/", env!("CARGO_PKG_VERSION"))
                ),
            ]
        );
    }

    #[tokio::test]
    async fn basic_leaves_the_credentials_out_of_the_body() {
        let auth = SecretBasic { id: "id".into(), secret: "pw".into(), raw: false };
        let parameters = Parameters { scope: Some(" ".into()), ..Parameters::default() };
        let (headers, body) = sent(&auth, &parameters).await;
        assert_eq!(body, "grant_type=client_credentials");
        assert_eq!(headers[header::AUTHORIZATION], "Basic aWQ6cHc=");
    }

    #[tokio::test]
    async fn a_public_client_names_itself() {
        let auth = PublicClient { id: "id".into() };
        let (headers, body) = sent(&auth, &Parameters::default()).await;
        assert_eq!(body, "grant_type=client_credentials&client_id=id");
        assert!(!headers.contains_key(header::AUTHORIZATION));
    }
}
