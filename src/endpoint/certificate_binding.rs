//! The certificate that tokens are bound to (RFC 8705 §3).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::{
    error::Error,
    secret_file::ReadContext,
    source::CacheHandle,
    sync::{Mutex, lock},
    transport::ClientIdentity,
};

/// An identity, and the caches with tokens that are bound to its certificate.
pub(super) struct CertificateBinding {
    identity: ClientIdentity,
    caches: Arc<Mutex<Vec<CacheHandle>>>,
    /// Called by the identity as long as it is stored here.
    _on_rotation: Arc<dyn Fn() + Send + Sync>,
}

impl CertificateBinding {
    pub(super) fn new(identity: ClientIdentity) -> Self {
        let caches = Arc::new(Mutex::new(Vec::<CacheHandle>::new()));
        let invalidate = {
            let caches = Arc::clone(&caches);
            let has_tokens = AtomicBool::new(identity.has_certificate());
            move || {
                if !has_tokens.swap(true, Relaxed) {
                    // It is the first certificate, so there are no tokens of another one.
                    return;
                }
                // Cloned, since a cache calls its observer, and that may run any code.
                let caches = lock(&caches).clone();
                caches.iter().for_each(CacheHandle::clear);
            }
        };
        let on_rotation: Arc<dyn Fn() + Send + Sync> = Arc::new(invalidate);
        identity.on_rotation_while_held(&on_rotation);
        Self { identity, caches, _on_rotation: on_rotation }
    }

    pub(super) fn identity(&self) -> &ClientIdentity {
        &self.identity
    }

    /// Reads the certificate before a token request. Called before the token's instant of issue, so
    /// that a token which was requested with the new certificate is not dropped with the old ones.
    ///
    /// # Errors
    ///
    /// An error if there is no certificate yet.
    pub(super) async fn refresh(&self, context: &ReadContext) -> Result<(), Error> {
        self.identity.refresh(context).await
    }

    pub(super) fn attach(&self, cache: CacheHandle) {
        let mut caches = lock(&self.caches);
        caches.retain(|known| !known.is_closed());
        caches.push(cache);
    }
}
