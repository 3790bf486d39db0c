//! The state of the metadata document (RFC 8414, OpenID Connect Discovery).

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::testing::{mock_response::MockResponse, recorded::Log};

/// The well-known URIs at which a server has its metadata.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, WellKnown};
///
/// let idp = AuthorizationServer::new();
/// idp.serve_metadata(WellKnown::OpenId);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WellKnown {
    /// None. Both paths get a 404.
    None,
    /// `/.well-known/oauth-authorization-server`, before the issuer's path (RFC 8414 §3.1).
    OAuth,
    /// `/.well-known/openid-configuration`, after the issuer's path (OpenID Connect Discovery §4).
    OpenId,
    /// Both.
    #[default]
    Both,
}

/// The metadata's state, which changes while the server runs.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) well_known: WellKnown,
    pub(super) changed: BTreeMap<String, Value>,
    pub(super) script: VecDeque<MockResponse>,
    pub(super) log: Log,
}
