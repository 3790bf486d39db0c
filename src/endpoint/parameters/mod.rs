//! The parameters of the token request, except those of the client authentication.

mod check;
#[cfg(feature = "jwt")]
mod jwt;
mod resource;
mod value;

pub(crate) use check::{authorization_details, grant_type};
#[cfg(feature = "jwt")]
pub use jwt::SignedJwt;
pub(crate) use resource::resource;
pub use value::ParameterValue;

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

/// The parameters of a token request. Without `Debug`, since further parameters may be secret.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) grant_type: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) resource: Vec<String>,
    pub(super) authorization_details: Option<String>,
    pub(super) extra: Vec<(String, ParameterValue)>,
}

impl Parameters {
    /// The value of `grant_type`.
    pub(super) fn grant_type(&self) -> &str {
        self.grant_type.as_deref().unwrap_or(CLIENT_CREDENTIALS)
    }

    /// The requested scope, normalized.
    pub(super) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Whether one of the values contains the time. Then a wrong clock can be the reason of a refusal.
    pub(super) fn have_times(&self) -> bool {
        self.extra.iter().any(|(_, value)| value.has_times())
    }

    /// Whether one of the values needs the discovered issuer.
    pub(super) fn want_issuer(&self) -> bool {
        self.extra.iter().any(|(_, value)| value.wants_issuer())
    }

    /// Adds the parameters, and the secrets among them, to a request.
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
                return Err(format!(
                    "parameter {name:?}: it is reserved; use the builder's method for it"
                ));
            }
            if self.extra[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("parameter {name:?}: it is given twice; give it once"));
            }
            value.check().map_err(|why| format!("parameter {name:?}: {why}"))?;
        }
        Ok(())
    }
}
