//! placeholder tour

#![cfg_attr(docsrs, feature(doc_cfg))]

mod authorize;
mod cache;
mod challenge;
mod client_auth;
mod clock;
mod endpoint;
mod error;
mod event;
mod future;
mod layer;
mod origins;
mod replay;
mod service;
mod settings;
mod source;
mod sync;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod token;
mod transport;

pub use authorize::OwnAuthorization;
pub use cache::{Get, Replacement, TokenCache, TokenCacheBuilder};
pub use challenge::Rejections;
pub use client_auth::Secret;
pub use clock::{SystemClock, WallClock};
pub use endpoint::{ClientCredentials, ClientCredentialsBuilder};
pub use error::{BoxError, Error, ErrorKind};
pub use event::{Event, Observer, Reason, RejectionResponse};
pub use future::ResponseFuture;
pub use layer::OAuthClientCredentialsLayer;
pub use origins::Origins;
pub use replay::{BufferBodies, Buffered, CloneBodies, EmptyBodies, Never, ReplayPolicy, Tee};
pub use service::OAuthClientCredentials;
pub use settings::{Elsewhere, SkipToken};
pub use source::{Acquire, TokenSource};
pub use token::{Token, TokenType};
pub use transport::TokenRequest;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use transport::{HyperTransport, HyperTransportBuilder};

impl ClientCredentials {
    /// A cache over this source, with the default settings;
    /// [`TokenCache::builder`] takes others.
    // Here and not beside the type: the token endpoint knows nothing of caches, nor they of it.
    pub fn into_cache(self) -> TokenCache {
        TokenCache::new(self)
    }
}
