//! The properties that determine a token of a token endpoint.

use super::{attempt::EndpointClient, token_endpoint::Endpoint};
use crate::source::Sharing;

/// Registered parameters (RFC 6749, 7521, 8693, 8707, 9396) whose values are public. The id of an
/// entry is a hash of values, so anyone who can list the entries could guess a weak password.
const PUBLIC_PARAMETERS: &[&str] = &[
    "actor_token_type",
    "audience",
    "authorization_details",
    "client_assertion_type",
    "client_id",
    "grant_type",
    "requested_token_type",
    "resource",
    "scope",
    "subject_token_type",
];

fn may_be_secret(parameter: &str) -> String {
    format!("the value of parameter {parameter:?} may be secret")
}

impl EndpointClient {
    /// The properties that determine the token. They contain no secret: a namespace stands for a value
    /// that may be one.
    pub(super) fn sharing(&self) -> Sharing {
        let parameters = &self.parameters;
        let kind = match &self.endpoint {
            Endpoint::Fixed(_) => "token_url",
            Endpoint::Discovered(_) => "issuer",
        };
        let url = self.endpoint.uri().to_string();
        let url_without_query = url.split('?').next().unwrap_or_default();
        let mut sharing = Sharing::new()
            .with(kind, url_without_query)
            .with("grant_type", parameters.grant_type());
        let named = [
            ("client_id", self.client_id.as_deref()),
            ("auth_method", self.auth.method()),
            ("scope", parameters.scope()),
            ("audience", parameters.audience.as_deref()),
            ("authorization_details", parameters.authorization_details.as_deref()),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                sharing = sharing.with(name, value);
            }
        }
        for resource in &parameters.resource {
            sharing = sharing.with("resource", resource);
        }
        for (name, value) in &parameters.extra {
            sharing = match value.public_text() {
                // As in the token request, in which an empty one is omitted.
                Some("") => sharing,
                Some(text) if PUBLIC_PARAMETERS.contains(&name.as_ref()) => {
                    sharing.with("parameter", name).with("value", text)
                }
                _ => sharing.with("parameter", name).needs_namespace(may_be_secret(name)),
            };
        }
        if self.endpoint.uri().query().is_some() {
            sharing = sharing.needs_namespace("the query of the URL may be secret");
        }
        if let Some(reason) = self.auth.unknown_client() {
            sharing = sharing.needs_namespace(reason);
        }
        self.bound_to(sharing)
    }

    /// Adds the key or certificate that the token may be bound to.
    fn bound_to(&self, mut sharing: Sharing) -> Sharing {
        #[cfg(feature = "dpop")]
        if let Some(key) = &self.dpop.key {
            sharing = match key.given() {
                Some(key) => sharing.with("dpop", key.thumbprint()),
                None => sharing.never(
                    "its tokens are bound to a generated DPoP key, which no other process has; \
                     pass a key that all processes have",
                ),
            };
        }
        #[cfg(feature = "hyper-transport")]
        if let Some(binding) = &self.binding {
            return sharing.with("certificate", binding.identity().thumbprint());
        }
        if self.has_client_certificate || self.auth.uses_mtls() {
            sharing = sharing.needs_namespace(
                "client_identity is not set, so the client certificate of the transport is not known",
            );
        }
        sharing
    }
}
