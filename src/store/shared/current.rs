//! The entry that a source has now.

use std::sync::Arc;

use super::{core::Core, entry::Entry};
use crate::{
    error::Error,
    source::Sharing,
    store::identity::entry_id,
    sync::{Mutex, lock},
};

/// The entry of a source. Another one after the certificate of the source was replaced.
pub(super) struct CurrentEntry {
    pub(super) core: Arc<Core>,
    entry: Mutex<Option<Arc<Entry>>>,
}

impl CurrentEntry {
    pub(super) fn new(core: Core) -> Self {
        Self { core: Arc::new(core), entry: Mutex::default() }
    }

    /// The entry of a source with these properties.
    ///
    /// # Errors
    ///
    /// Kind `Config`, if the token cannot be shared.
    pub(super) fn entry(&self, sharing: &Sharing) -> Result<Arc<Entry>, Error> {
        let id = entry_id(sharing, self.core.settings.namespace.as_deref())?;
        let mut current = lock(&self.entry);
        if let Some(entry) = current.as_ref().filter(|entry| entry.id == id) {
            return Ok(Arc::clone(entry));
        }
        let entry = Entry::new(id, Arc::downgrade(&self.core));
        *current = Some(Arc::clone(&entry));
        Ok(entry)
    }
}
