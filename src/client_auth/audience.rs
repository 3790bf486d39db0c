//! The audience of client assertions.

use super::draft::Draft;

/// The audience of a client assertion: `aud` (RFC 7523 §3), as one JSON string.
///
/// It is exactly the authorization server's issuer identifier, as in its metadata (RFC 8414 §2) or its
/// documentation. Some servers expect the token URL instead.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::client_auth::AssertionAudience;
///
/// let audience = AssertionAudience::from("https://idp.example.com");
/// assert_ne!(audience, AssertionAudience::discovered_issuer());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionAudience(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Given(String),
    DiscoveredIssuer,
}

impl AssertionAudience {
    /// The discovered issuer. Without discovery
    /// [`build`](crate::endpoint::ClientCredentialsBuilder::build) returns an error.
    pub fn discovered_issuer() -> Self {
        Self(Kind::DiscoveredIssuer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Given(audience) if audience.trim().is_empty())
    }

    pub(crate) fn wants_issuer(&self) -> bool {
        self.0 == Kind::DiscoveredIssuer
    }

    pub(crate) fn resolve<'a>(&'a self, draft: &'a Draft) -> Option<&'a str> {
        match &self.0 {
            Kind::Given(audience) => Some(audience),
            Kind::DiscoveredIssuer => draft.issuer.as_deref(),
        }
    }
}

impl From<String> for AssertionAudience {
    fn from(audience: String) -> Self {
        Self(Kind::Given(audience))
    }
}

impl From<&str> for AssertionAudience {
    fn from(audience: &str) -> Self {
        audience.to_owned().into()
    }
}

impl From<&String> for AssertionAudience {
    fn from(audience: &String) -> Self {
        audience.clone().into()
    }
}
