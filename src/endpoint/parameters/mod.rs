//! The parameters of the token request, except those of the client authentication.

mod check;
#[cfg(feature = "jwt")]
mod jwt;
mod value;

pub(crate) use check::{authorization_details, grant_type, resource};
#[cfg(feature = "jwt")]
pub use jwt::SignedJwt;
pub use value::ParameterValue;

use super::ClientCredentialsBuilder;
use crate::{client_auth::Draft, error::Error};

/// RFC 6749 §4.4.2.
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// Parameters that have a setting, or that belong to the client authentication.
const RESERVED: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "audience",
    "resource",
    "authorization_details",
];

/// What the client asks for. No `Debug`: further parameters may be secret.
#[derive(Default)]
pub(super) struct Parameters {
    grant_type: Option<String>,
    scope: Option<String>,
    audience: Option<String>,
    resource: Vec<String>,
    authorization_details: Option<String>,
    extra: Vec<(String, ParameterValue)>,
}

impl ClientCredentialsBuilder {
    /// The scope, space-separated (RFC 6749 §3.3). White space is normalized to single spaces. A
    /// blank scope is not sent.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        let scope: Vec<_> = scope.into().split_whitespace().map(str::to_owned).collect();
        self.parameters.scope = Some(scope.join(" ")).filter(|scope| !scope.is_empty());
        self
    }

    /// The `audience` parameter that some servers (Auth0, Ory Hydra) know. It is sent without
    /// white space around it, and not at all if it is blank.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        let audience = audience.into().trim().to_owned();
        self.parameters.audience = Some(audience).filter(|audience| !audience.is_empty());
        self
    }

    /// A resource indicator: an absolute URI without a fragment (RFC 8707 §2). Repeatable.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.parameters.resource.push(resource.into().trim().to_owned());
        self
    }

    /// `authorization_details`: a JSON array of objects that each have a `type` (RFC 9396 §2). It
    /// is sent as written, without white space around it.
    pub fn authorization_details(mut self, json: impl Into<String>) -> Self {
        self.parameters.authorization_details = Some(json.into().trim().to_owned());
        self
    }

    /// The grant type, for an extension grant (RFC 6749 §4.5). Default: `client_credentials`.
    ///
    /// [`parameter`](Self::parameter) adds what the grant needs. The chapter
    /// [`docs::grants`](crate::docs::grants) has recipes.
    ///
    /// # Examples
    ///
    /// Token exchange (RFC 8693) with a token that another process keeps in a file:
    ///
    /// ```
    /// # #[cfg(feature = "hyper")] {
    /// use tower_oauth2_client_credentials::{ClientCredentials, Secret};
    ///
    /// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
    ///     .client_secret_basic("my-service", "s3cret")
    ///     .grant_type("urn:ietf:params:oauth:grant-type:token-exchange")
    ///     .parameter("subject_token", Secret::from_file("/run/secrets/tokens/subject"))
    ///     .parameter("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
    ///     .build()?;
    /// # let _ = source;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn grant_type(mut self, grant_type: impl Into<String>) -> Self {
        self.parameters.grant_type = Some(grant_type.into().trim().to_owned());
        self
    }

    /// A further parameter of the token request. Repeatable with different names. A parameter that
    /// has a setting is refused.
    ///
    /// The value is a text, a [`Secret`](crate::Secret), a closure
    /// ([`ParameterValue::from_fn`]), or a JWT that is signed for each attempt (`SignedJwt`,
    /// feature `jwt`). An empty text counts as omitted (RFC 6749 §3.2), so the parameter is not
    /// sent. No value appears in logs or errors.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<ParameterValue>) -> Self {
        self.parameters.extra.push((name.into(), value.into()));
        self
    }
}

impl Parameters {
    /// The value of `grant_type`.
    pub(super) fn grant_type(&self) -> &str {
        self.grant_type.as_deref().unwrap_or(CLIENT_CREDENTIALS)
    }

    /// The scope that is asked for, normalized.
    pub(super) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Whether one of the values contains the time, so that a wrong clock can be why the request
    /// is refused.
    pub(super) fn are_dated(&self) -> bool {
        self.extra.iter().any(|(_, value)| value.is_dated())
    }

    /// Whether one of the values needs the discovered issuer.
    pub(super) fn want_issuer(&self) -> bool {
        self.extra.iter().any(|(_, value)| value.wants_issuer())
    }

    /// Adds them to one attempt's request, with the secrets among them.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, naming the parameter, when its value cannot be read or signed.
    pub(super) async fn add_to(&self, draft: &mut Draft) -> Result<(), Error> {
        if let Some(scope) = &self.scope {
            draft.form.push("scope", scope);
        }
        if let Some(audience) = &self.audience {
            draft.form.push("audience", audience);
        }
        for resource in &self.resource {
            draft.form.push("resource", resource);
        }
        if let Some(details) = &self.authorization_details {
            draft.form.push("authorization_details", details);
        }
        for (name, value) in &self.extra {
            value.add_to(name, draft).await?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// What is wrong with one of them and what to do.
    pub(super) fn check(&self) -> Result<(), String> {
        let named = |name: &'static str| move |why: &'static str| format!("{name}: {why}");
        if let Some(text) = &self.grant_type {
            grant_type(text).map_err(named("grant_type"))?;
        }
        for text in &self.resource {
            resource(text).map_err(named("resource"))?;
        }
        if let Some(json) = &self.authorization_details {
            authorization_details(json).map_err(named("authorization_details"))?;
        }
        for (index, (name, value)) in self.extra.iter().enumerate() {
            if name.trim().is_empty() {
                return Err("parameter: a name is empty; pass one".into());
            }
            if RESERVED.contains(&name.as_str()) {
                return Err(format!("parameter {name:?}: it has a setting of its own; use that"));
            }
            if self.extra[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("parameter {name:?}: it is given twice; give it once"));
            }
            value.check().map_err(|why| format!("parameter {name:?}: {why}"))?;
        }
        Ok(())
    }
}
