//! The request that an authentication method completes.

use std::{sync::Arc, time::SystemTime};

use http::HeaderMap;

use super::{form::Form, sent_secrets::SentSecrets};
use crate::secret_file::ReadContext;

/// The parts of one attempt's request.
pub(crate) struct Draft {
    pub(crate) form: Form,
    pub(crate) headers: HeaderMap,
    /// The authorization server's time, as far as it is known.
    pub(crate) now: SystemTime,
    /// The timeout and the observer for reads of files.
    pub(crate) reading: ReadContext,
    /// The authorization server's issuer identifier, if it was discovered: the audience of a
    /// client assertion.
    #[cfg_attr(not(feature = "jwt"), expect(dead_code))]
    pub(crate) issuer: Option<Arc<str>>,
    /// The secrets in the request. A server may repeat them, and they must not appear in a log.
    pub(crate) secrets: SentSecrets,
}

impl Draft {
    pub(crate) fn new(headers: HeaderMap, now: SystemTime) -> Self {
        Self {
            form: Form::default(),
            headers,
            now,
            reading: ReadContext::default(),
            issuer: None,
            secrets: SentSecrets::default(),
        }
    }
}

#[cfg(test)]
impl Default for Draft {
    fn default() -> Self {
        Self::new(HeaderMap::new(), SystemTime::UNIX_EPOCH)
    }
}
