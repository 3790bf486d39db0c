//! The parameters of the token request.

use super::ClientCredentialsBuilder;
use crate::endpoint::parameters::ParameterValue;

impl ClientCredentialsBuilder {
    /// Sets the scope, space-separated (RFC 6749 §3.3). White space is normalized to single spaces.
    /// A blank scope is not sent. Default: none.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        let scope: Vec<_> = scope.into().split_whitespace().map(str::to_owned).collect();
        self.parameters.scope = Some(scope.join(" ")).filter(|scope| !scope.is_empty());
        self
    }

    /// Sets the `audience` parameter of some servers (Auth0, Ory Hydra). It is sent without white
    /// space around it. A blank audience is not sent. Default: none.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        let audience = audience.into().trim().to_owned();
        self.parameters.audience = Some(audience).filter(|audience| !audience.is_empty());
        self
    }

    /// Adds a resource indicator: an absolute URI without a fragment (RFC 8707 §2). Repeatable.
    /// Default: none.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.parameters.resource.push(resource.into().trim().to_owned());
        self
    }

    /// Sets `authorization_details`: a JSON array of objects that each have a `type` (RFC 9396 §2).
    /// It is sent as written, without white space around it. Default: none.
    pub fn authorization_details(mut self, json: impl Into<String>) -> Self {
        self.parameters.authorization_details = Some(json.into().trim().to_owned());
        self
    }

    /// Sets the grant type, for an extension grant (RFC 6749 §4.5). Default: `client_credentials`.
    ///
    /// Add the parameters of the grant with [`parameter`](Self::parameter). The chapter
    /// [`docs::grants`](crate::docs::grants) has recipes.
    ///
    /// # Examples
    ///
    /// Token exchange (RFC 8693) with a token that another process writes to a file:
    ///
    /// ```
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
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

    /// Adds a further parameter of the token request. Repeatable with different names. A parameter
    /// that has a setting is an error of [`build`](Self::build). Default: none.
    ///
    /// The value is a text, a [`Secret`](crate::client_auth::Secret), a closure
    /// ([`ParameterValue::from_fn`]), or a JWT that is signed for each attempt (`SignedJwt`,
    /// feature `jwt`). An empty text counts as omitted (RFC 6749 §3.2), so the parameter is not
    /// sent. No value appears in logs or errors.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<ParameterValue>) -> Self {
        self.parameters.extra.push((name.into(), value.into()));
        self
    }
}
