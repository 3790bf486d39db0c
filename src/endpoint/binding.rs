//! The certificate that tokens are bound to, where the source knows it (RFC 8705 §3).

#[cfg(feature = "hyper")]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "hyper")]
use crate::transport::ClientIdentity;
use crate::{error::Error, secret_file::ReadContext, source::Withdrawal};

/// Nothing, or an identity and the caches whose tokens it has.
#[derive(Default)]
pub(super) struct Binding {
    #[cfg(feature = "hyper")]
    bound: Option<Bound>,
}

#[cfg(feature = "hyper")]
struct Bound {
    identity: ClientIdentity,
    caches: Arc<Mutex<Vec<Withdrawal>>>,
    /// The identity calls it as long as it is kept here.
    _on_rotation: Arc<dyn Fn() + Send + Sync>,
}

#[cfg(feature = "hyper")]
impl Binding {
    pub(super) fn to(identity: ClientIdentity) -> Self {
        let caches = Arc::<Mutex<Vec<Withdrawal>>>::default();
        let withdraw = {
            let caches = Arc::clone(&caches);
            move || {
                // Copied out: a cache may call an observer, and that anything.
                let caches = lock(&caches).clone();
                caches.iter().for_each(Withdrawal::withdraw);
            }
        };
        let on_rotation: Arc<dyn Fn() + Send + Sync> = Arc::new(withdraw);
        identity.on_rotation_while_held(&on_rotation);
        Self { bound: Some(Bound { identity, caches, _on_rotation: on_rotation }) }
    }

    pub(super) fn identity(&self) -> Option<&ClientIdentity> {
        self.bound.as_ref().map(|bound| &bound.identity)
    }

    pub(super) fn is_known(&self) -> bool {
        self.bound.is_some()
    }

    /// Before a token request, and before the instant that its token counts from: a token whose
    /// request was sent after the certificate was replaced is not withdrawn with the old ones.
    ///
    /// # Errors
    ///
    /// When there is no certificate yet.
    pub(super) async fn refresh(&self, context: &ReadContext) -> Result<(), Error> {
        match &self.bound {
            Some(bound) => bound.identity.refresh(context).await,
            None => Ok(()),
        }
    }

    pub(super) fn attach(&self, withdrawal: Withdrawal) {
        if let Some(bound) = &self.bound {
            let mut caches = lock(&bound.caches);
            caches.retain(|cache| !cache.is_over());
            caches.push(withdrawal);
        }
    }
}

#[cfg(feature = "hyper")]
fn lock(caches: &Mutex<Vec<Withdrawal>>) -> MutexGuard<'_, Vec<Withdrawal>> {
    caches.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(not(feature = "hyper"))]
impl Binding {
    pub(super) fn is_known(&self) -> bool {
        false
    }

    pub(super) async fn refresh(&self, _: &ReadContext) -> Result<(), Error> {
        Ok(())
    }

    pub(super) fn attach(&self, _: Withdrawal) {}
}
