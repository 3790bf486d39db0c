//! The parameters of the token request among the settings.

use super::ClientCredentialsConfig;
#[cfg(feature = "jwt")]
use super::value::Value;
#[cfg(feature = "jwt")]
use crate::{client_auth::AssertionAudience, endpoint::SignedJwt};
use crate::{
    client_auth::Secret,
    endpoint::{self, ClientCredentialsBuilder, ParameterValue},
    error::Error,
};

impl ClientCredentialsConfig {
    pub(super) fn parameters(
        &self,
        mut builder: ClientCredentialsBuilder,
    ) -> Result<ClientCredentialsBuilder, Error> {
        if let Some(grant_type) = self.text("grant_type")? {
            endpoint::check_grant_type(&grant_type).map_err(|why| self.wrong("grant_type", why))?;
            builder = builder.grant_type(&*grant_type);
        }
        if let Some(scopes) = self.list("scope")? {
            builder = builder.scope(scopes.join(" "));
        }
        if let Some(audience) = self.text("audience")? {
            builder = builder.audience(&*audience);
        }
        for resource in self.list("resource")?.unwrap_or_default() {
            endpoint::check_resource(&resource).map_err(|why| self.wrong("resource", why))?;
            builder = builder.resource(resource);
        }
        if let Some(json) = self.text("authorization_details")? {
            endpoint::check_authorization_details(&json)
                .map_err(|why| self.wrong("authorization_details", why))?;
            builder = builder.authorization_details(&*json);
        }
        let (values, files) = (self.pairs("parameters")?, self.pairs("parameter_files")?);
        // The name is not shown: it may be a secret.
        if files.iter().any(|(name, _)| values.iter().any(|(other, _)| name == other)) {
            let why = format!("one of the names is in {}, too", self.name("parameters"));
            return Err(self.wrong("parameter_files", why));
        }
        for (name, value) in values {
            builder = builder.parameter(name, ParameterValue::from_wiped(value));
        }
        for (name, path) in files {
            let file = self.file_at("parameter_files", path.trim())?;
            builder = builder.parameter(name, Secret::in_file(file));
        }
        self.signed_jwt(builder)
    }

    /// The JWT that is signed for each attempt: the `assertion` of RFC 7521 §4.1.
    fn signed_jwt(
        &self,
        builder: ClientCredentialsBuilder,
    ) -> Result<ClientCredentialsBuilder, Error> {
        #[cfg(feature = "jwt")]
        if self.signs_a_jwt() {
            return self.with_jwt(builder);
        }
        if self.is_set("jwt_lifetime") {
            let why = format!("nothing uses it; set {}, or remove it", self.name("jwt_claims"));
            return Err(self.wrong("jwt_lifetime", why));
        }
        Ok(builder)
    }

    /// Whether the private key signs a JWT with given claims.
    pub(super) fn signs_a_jwt(&self) -> bool {
        self.is_set("jwt_claims")
    }

    #[cfg(feature = "jwt")]
    fn with_jwt(
        &self,
        builder: ClientCredentialsBuilder,
    ) -> Result<ClientCredentialsBuilder, Error> {
        const AN_OBJECT: &str = "it must be a map of claims, or a JSON object as text";
        let Some(key) = self.signing_key()? else {
            let why = format!("{} needs it to sign with", self.name("jwt_claims"));
            return Err(self.missing(&["private_key_file"], &why));
        };
        let claims = match self.value("jwt_claims") {
            Some(Value::Text(json)) => serde_json::from_str(json).ok(),
            value => value.and_then(Value::to_json),
        };
        let claims = claims.filter(serde_json::Value::is_object);
        let claims = claims.ok_or_else(|| self.wrong("jwt_claims", AN_OBJECT))?;
        let mut jwt = SignedJwt::new(key);
        if claims.get("aud").is_none() && self.is_set("issuer") {
            jwt = jwt.audience(AssertionAudience::discovered_issuer());
        }
        jwt = jwt.claims(claims.to_string());
        if let Some(lifetime) = self.duration("jwt_lifetime")? {
            jwt = jwt.lifetime(lifetime);
        }
        Ok(builder.parameter("assertion", jwt))
    }
}
