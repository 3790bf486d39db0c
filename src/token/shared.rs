//! Tokens that the processes of a fleet share.

use super::{Token, shared_terms::SharedTerms};

impl Token {
    #[cfg_attr(not(feature = "store"), allow(dead_code))]
    pub(crate) fn with_shared_terms(self, terms: SharedTerms) -> Self {
        self.with(|inner| inner.shared = Some(Box::new(terms)))
    }

    pub(crate) fn shared_terms(&self) -> Option<&SharedTerms> {
        self.inner.shared.as_deref()
    }
}
