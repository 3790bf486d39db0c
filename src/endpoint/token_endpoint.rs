//! The URL of the token endpoint: given, or discovered.

use std::sync::Arc;

use http::Uri;

use super::{
    attempt_context::AttemptContext,
    discovery::{MetadataCache, ServerMetadata},
};
use crate::error::Error;

/// The token endpoint as configured.
pub(super) enum Endpoint {
    Fixed(Uri),
    Discovered(MetadataCache),
}

/// The token endpoint of one attempt, with the metadata if it was discovered.
pub(super) struct ResolvedEndpoint {
    pub(super) url: Uri,
    pub(super) metadata: Option<ServerMetadata>,
}

impl ResolvedEndpoint {
    pub(super) fn issuer(&self) -> Option<Arc<str>> {
        self.metadata.as_ref().map(ServerMetadata::shared_issuer)
    }
}

impl Endpoint {
    /// # Errors
    ///
    /// The errors of discovery.
    pub(super) async fn resolve(
        &self,
        context: &AttemptContext<'_>,
    ) -> Result<ResolvedEndpoint, Error> {
        let cache = match self {
            Self::Fixed(url) => return Ok(ResolvedEndpoint { url: url.clone(), metadata: None }),
            Self::Discovered(cache) => cache,
        };
        let metadata = cache.metadata(context).await?;
        let url = cache.token_endpoint(&metadata, context)?;
        Ok(ResolvedEndpoint { url, metadata: Some(metadata) })
    }

    /// Marks cached metadata as stale, after a token request failed as if the endpoint had moved.
    pub(super) fn mark_stale(&self) {
        if let Self::Discovered(cache) = self {
            cache.mark_stale();
        }
    }

    /// The configured token URL or issuer.
    pub(super) fn uri(&self) -> &Uri {
        match self {
            Self::Fixed(url) => url,
            Self::Discovered(cache) => cache.issuer_uri(),
        }
    }
}
