//! Discovers the token endpoint by the issuer: RFC 8414, then OpenID Connect Discovery.

mod compare;
mod document;
mod fetch;
mod issuer;
mod json_values;
mod metadata_cache;
mod redaction;
mod settings;

pub(super) use compare::explain;
pub use document::ServerMetadata;
pub(crate) use issuer::check as check_issuer;
pub(super) use metadata_cache::MetadataCache;
pub(super) use settings::DiscoverySettings;
