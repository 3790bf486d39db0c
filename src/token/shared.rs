//! Tokens that the processes of a fleet share.

use super::{Token, store_deadlines::StoreDeadlines};

impl Token {
    #[cfg_attr(not(feature = "store"), allow(dead_code))]
    pub(crate) fn with_store_deadlines(self, terms: StoreDeadlines) -> Self {
        self.with(|inner| inner.shared = Some(Box::new(terms)))
    }

    pub(crate) fn store_deadlines(&self) -> Option<&StoreDeadlines> {
        self.inner.shared.as_deref()
    }
}
