//! Tokens that the processes of a fleet share.

use super::{Token, sharing_info::SharingInfo};

impl Token {
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) fn with_sharing_info(self, info: SharingInfo) -> Self {
        self.with(|inner| inner.shared = Some(Box::new(info)))
    }

    pub(crate) fn sharing_info(&self) -> Option<&SharingInfo> {
        self.inner.shared.as_deref()
    }
}
