//! The token request (RFC 6749 §4.4.2).

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, header};

use super::{headers::common_headers, parameters::Parameters, token_endpoint::ResolvedEndpoint};
use crate::{
    client_auth::{ClientAuth, Draft, SentSecrets},
    error::Error,
    secret_file::ReadContext,
    transport::{TokenRequest, TokenRequestBody},
};

/// A request that is ready to be sent.
pub(super) struct PreparedRequest {
    pub(super) request: TokenRequest,
    /// The secrets in the request, which no error may show.
    pub(super) secrets: SentSecrets,
}

/// Makes a request with a new client authentication. `now` is the authorization server's time.
///
/// # Errors
///
/// The errors of the client authentication and of the parameters.
pub(super) async fn prepare(
    endpoint: &ResolvedEndpoint,
    parameters: &Parameters,
    auth: &dyn ClientAuth,
    now: SystemTime,
    context: &ReadContext,
) -> Result<PreparedRequest, Error> {
    let mut draft =
        Draft { issuer: endpoint.issuer(), reading: context.clone(), ..Draft::new(headers(), now) };
    draft.form.push("grant_type", parameters.grant_type());
    auth.authenticate(&mut draft).await?;
    parameters.add_to(&mut draft).await?;
    let Draft { form, headers, secrets, .. } = draft;
    let mut request = TokenRequest::new(TokenRequestBody::from_form(form.encode()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.url.clone();
    *request.headers_mut() = headers;
    Ok(PreparedRequest { request, secrets })
}

fn headers() -> HeaderMap {
    let mut headers = common_headers();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::client_auth::{PublicClient, SecretBasic, SecretPost};
    use crate::endpoint::{ClientCredentials, ClientCredentialsBuilder};

    async fn sent(auth: &dyn ClientAuth, parameters: &Parameters) -> (HeaderMap, String) {
        let url = http::Uri::from_static("https://idp.example.com//token?tenant=1");
        let endpoint = ResolvedEndpoint { url, metadata: None };
        let PreparedRequest { request, .. } =
            prepare(&endpoint, parameters, auth, SystemTime::UNIX_EPOCH, &ReadContext::default())
                .await
                .unwrap();
        assert_eq!((request.method(), request.uri()), (&Method::POST, &endpoint.url));
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The parameters that settings lead to.
    fn of(set: impl FnOnce(ClientCredentialsBuilder) -> ClientCredentialsBuilder) -> Parameters {
        set(ClientCredentials::builder("https://idp.example.com/token")).parameters
    }

    #[tokio::test]
    async fn post_with_everything_byte_for_byte() {
        let auth = SecretPost { id: "me & co".into(), secret: "s+ %".into() };
        let parameters = of(|builder| {
            builder
                .scope("esp read:all")
                .audience("https://api.example.com/")
                .resource("https://a.example")
                .resource("urn:b:c")
                .authorization_details(r#"[{"type":"x"}]"#)
                .parameter("tenant", "ü")
        });
        let (headers, body) = sent(&auth, &parameters).await;
        assert_eq!(
            body,
            "grant_type=client_credentials&client_id=me%20%26%20co&client_secret=s%2B%20%25\
             &scope=esp%20read%3Aall&audience=https%3A%2F%2Fapi.example.com%2F\
             &resource=https%3A%2F%2Fa.example&resource=urn%3Ab%3Ac\
             &authorization_details=%5B%7B%22type%22%3A%22x%22%7D%5D&tenant=%C3%BC"
        );
        let mut names: Vec<_> =
            headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                ("accept", "application/json"),
                ("accept-encoding", "identity"),
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
        let parameters = of(|builder| builder.scope(" ").audience("\t").parameter("a", ""));
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
