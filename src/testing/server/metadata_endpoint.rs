//! Answers requests for the metadata document.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{
    authorization_server::AuthorizationServer, metadata::WellKnown, respond, service::Outcome,
};
use crate::testing::{mock_response::MockResponse, recorded::RecordedRequest};

impl AuthorizationServer {
    /// The issuer identifier for the in-memory service: `https://idp.test`, with the
    /// [path](super::AuthorizationServerBuilder::issuer_path) that was set. For a socket see
    /// [`MockServer::issuer`](crate::testing::MockServer::issuer).
    pub fn issuer(&self) -> String {
        format!("https://idp.test{}", self.shared.config.issuer_path)
    }

    /// Sets the well-known URIs of the metadata, from the next request on. Default: both.
    pub fn serve_metadata(&self, well_known: WellKnown) {
        self.state().metadata.well_known = well_known;
    }

    /// Changes a member of the metadata. The value is JSON: a text, or anything whose `Display` is
    /// JSON, such as `serde_json::Value`. A text that is not JSON is a JSON string. With `null` the
    /// member is left out.
    ///
    /// # Examples
    ///
    /// An issuer that is another's, and an endpoint for clients with a certificate:
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_oauth2_client_credentials::testing::AuthorizationServer;
    ///
    /// let idp = AuthorizationServer::new();
    /// idp.set_metadata("issuer", "https://idp.test/other");
    /// idp.set_metadata("mtls_endpoint_aliases", json!({"token_endpoint": "https://mtls.test/token"}));
    /// ```
    pub fn set_metadata(&self, member: impl Into<String>, value: impl fmt::Display) {
        let text = value.to_string();
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        self.state().metadata.changed.insert(member.into(), value);
    }

    /// Adds to the script of the metadata: the next requests for it, at either URI, get these
    /// responses, one each, in order. [`MockResponse::Issue`] is the document.
    pub fn script_metadata(&self, answers: impl IntoIterator<Item = MockResponse>) {
        let answers: Vec<_> = answers.into_iter().collect();
        self.state().metadata.script.extend(answers);
    }

    /// The last 1,000 requests to other paths than the token endpoint's, oldest first: those for
    /// the metadata, found or not.
    pub fn metadata_requests(&self) -> Vec<RecordedRequest> {
        self.state().metadata.log.to_vec()
    }

    /// Answers a request that is not for the token endpoint.
    pub(super) fn describe(&self, request: RecordedRequest) -> (Outcome, Duration) {
        let request = Arc::new(request);
        let config = &self.shared.config;
        // Both specifications remove a slash at the end first.
        let issuer_path = config.issuer_path.strip_suffix('/').unwrap_or(&config.issuer_path);
        let (answer, mut delay) = {
            let mut state = self.state();
            let delay = state.delay;
            let metadata = &mut state.metadata;
            metadata.log.push(Arc::clone(&request));
            let oauth = format!("/.well-known/oauth-authorization-server{issuer_path}");
            let openid = format!("{issuer_path}/.well-known/openid-configuration");
            let (is_oauth, is_openid) = (request.uri.path() == oauth, request.uri.path() == openid);
            let answer = match metadata.well_known {
                _ if !is_oauth && !is_openid => MockResponse::Status(404),
                well_known => metadata.script.pop_front().unwrap_or(match well_known {
                    WellKnown::Both => MockResponse::Issue,
                    WellKnown::OAuth if is_oauth => MockResponse::Issue,
                    WellKnown::OpenId if is_openid => MockResponse::Issue,
                    _ => MockResponse::Status(404),
                }),
            };
            (answer, delay)
        };
        let mut inner = &answer;
        while let MockResponse::Delayed(more, delayed) = inner {
            delay = delay.saturating_add(*more);
            inner = delayed;
        }
        let outcome = match inner {
            MockResponse::Issue if request.method != Method::GET => {
                Outcome::Respond(respond::status(405, None))
            }
            MockResponse::Issue => Outcome::Respond(self.document(&request)),
            other => self.perform((other.clone(), request), &mut delay),
        };
        (outcome, delay)
    }

    fn document(&self, request: &RecordedRequest) -> Response<Bytes> {
        let (origin, config) = (request.origin(), &self.shared.config);
        let extensions = config.extension_grants.iter().map(|(name, _)| name.as_str());
        let grant_types: Vec<_> = ["client_credentials"].into_iter().chain(extensions).collect();
        let mut document = json!({
            "issuer": format!("{origin}{}", config.issuer_path),
            "token_endpoint": format!("{origin}{}", config.path),
            "response_types_supported": [],
            "grant_types_supported": grant_types,
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "tls_client_auth",
                "self_signed_tls_client_auth",
                "none",
            ],
            "tls_client_certificate_bound_access_tokens": true,
        });
        let members = document.as_object_mut().expect("it is an object");
        members.extend(self.state().metadata.changed.clone());
        members.retain(|_, value| !value.is_null());
        respond::json_response(StatusCode::OK, &document)
    }
}
