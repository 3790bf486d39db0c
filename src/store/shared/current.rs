//! The current entry of a source.

use std::sync::Arc;

use super::{entry::SharedEntry, inner::SharedInner};
use crate::{
    error::Error,
    source::Sharing,
    store::identity::entry_id,
    sync::{Mutex, lock},
};

/// The current entry of a source. It changes when the certificate of the source is replaced.
pub(super) struct CurrentEntry {
    pub(super) inner: Arc<SharedInner>,
    entry: Mutex<Option<Arc<SharedEntry>>>,
}

impl CurrentEntry {
    pub(super) fn new(inner: SharedInner) -> Self {
        Self { inner: Arc::new(inner), entry: Mutex::default() }
    }

    /// Returns the entry with these properties. Replaces the previous one if they have changed.
    ///
    /// # Errors
    ///
    /// Kind `Config`, if the token cannot be shared.
    pub(super) fn entry_for(&self, sharing: &Sharing) -> Result<Arc<SharedEntry>, Error> {
        let id = entry_id(sharing, self.inner.settings.namespace.as_deref())?;
        let mut current = lock(&self.entry);
        if let Some(entry) = current.as_ref().filter(|entry| entry.id == id) {
            return Ok(Arc::clone(entry));
        }
        let entry = SharedEntry::new(id, Arc::downgrade(&self.inner));
        *current = Some(Arc::clone(&entry));
        Ok(entry)
    }
}
