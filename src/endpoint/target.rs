//! Where token requests go: to a URL that was given, or to one that is discovered.

use std::sync::Arc;

use http::Uri;

use super::discovery::{Discovery, ServerMetadata, Via};
use crate::error::Error;

/// How the token endpoint is known.
pub(super) enum Place {
    Fixed(Uri),
    Discovered(Discovery),
}

/// One attempt's token endpoint, and what the server says of itself.
pub(super) struct Target {
    pub(super) url: Uri,
    pub(super) metadata: Option<ServerMetadata>,
}

impl Target {
    pub(super) fn issuer(&self) -> Option<Arc<str>> {
        self.metadata.as_ref().map(ServerMetadata::shared_issuer)
    }
}

impl Place {
    /// # Errors
    ///
    /// What discovery fails with.
    pub(super) async fn target(&self, via: &Via<'_>) -> Result<Target, Error> {
        let discovery = match self {
            Self::Fixed(url) => return Ok(Target { url: url.clone(), metadata: None }),
            Self::Discovered(discovery) => discovery,
        };
        let metadata = discovery.metadata(via).await?;
        let url = discovery.choose(&metadata, via)?;
        Ok(Target { url, metadata: Some(metadata) })
    }

    /// A token request failed in a way that a moved endpoint would explain too.
    pub(super) fn doubt(&self) {
        if let Self::Discovered(discovery) = self {
            discovery.doubt();
        }
    }

    /// What is known before anything was asked: the token URL, or the issuer.
    pub(super) fn uri(&self) -> &Uri {
        match self {
            Self::Fixed(url) => url,
            Self::Discovered(discovery) => discovery.issuer_uri(),
        }
    }
}
