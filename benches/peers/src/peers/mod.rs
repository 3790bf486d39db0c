//! The compared crates, each through its public way to a header on a request.

#[cfg(feature = "a2a")]
mod a2a;
#[cfg(feature = "azure")]
mod azure;
mod floor;
#[cfg(feature = "google")]
mod google;
#[cfg(feature = "huskarl")]
mod huskarl;
#[cfg(feature = "kube")]
pub mod kube;
#[cfg(feature = "middle")]
mod middle;
#[cfg(feature = "object-store")]
mod object_store;
mod ours;
#[cfg(feature = "smithy")]
mod smithy;
#[cfg(feature = "toolkit")]
mod toolkit;

pub use floor::NAME as FLOOR;
pub use ours::{GET, LAYER};

use crate::peer::Contestant;

/// The two floors first, then this crate, then the others.
pub fn all() -> Vec<Contestant> {
    let mut all = Vec::from(floor::contestants());
    all.extend(ours::contestants());
    #[cfg(feature = "toolkit")]
    all.push(toolkit::contestant());
    #[cfg(feature = "huskarl")]
    all.push(huskarl::contestant());
    #[cfg(feature = "middle")]
    all.push(middle::contestant());
    #[cfg(feature = "a2a")]
    all.push(a2a::contestant());
    #[cfg(feature = "google")]
    all.push(google::contestant());
    #[cfg(feature = "azure")]
    all.push(azure::contestant());
    #[cfg(feature = "smithy")]
    all.push(smithy::contestant());
    #[cfg(feature = "object-store")]
    all.push(object_store::contestant());
    #[cfg(feature = "kube")]
    all.push(kube::contestant());
    all
}
