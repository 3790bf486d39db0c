//! A request that waits to be sent, and one that is kept to be sent again.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use smallvec::SmallVec;

use super::{replay::ReplayPolicy, shared::LayerShared};
use crate::{cache::TokenCache, sync::Arc};

/// Requests with at most this many header fields are kept without an allocation for the fields.
const INLINE_FIELDS: usize = 8;

/// A request that waits, with a service that is not ready and so reserves nothing.
pub(super) struct PendingRequest<S, B> {
    pub(super) shared: Arc<LayerShared<TokenCache>>,
    pub(super) service: S,
    pub(super) request: Request<B>,
}

/// A request that was sent, kept to be sent again. `K` is the state that the replay policy kept of
/// its body.
pub(super) struct ReplayRequest<S, P, K> {
    service: S,
    policy: P,
    head: Head,
    body: K,
}

impl<S, P, K> ReplayRequest<S, P, K> {
    /// `token_name`: the field of the token, which is added again for each sending.
    #[inline(always)]
    pub(super) fn new<B>(
        service: S,
        policy: P,
        request: &Request<B>,
        token_name: &HeaderName,
        body: K,
    ) -> Box<Self> {
        let head = Head {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            fields: SmallVec::new(),
            extensions: request.extensions().clone(),
        };
        let mut replay = Box::new(Self { service, policy, head, body });
        // Copied into the box: moving the list there would copy its unused part too.
        for (name, value) in request.headers() {
            if name != token_name {
                replay.head.fields.push((name.clone(), value.clone()));
            }
        }
        replay
    }

    pub(super) fn policy(&self) -> &P {
        &self.policy
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.head.method.is_idempotent()
    }

    /// `None`: the policy could not keep the body.
    pub(super) fn restore<B>(
        self,
        shared: Arc<LayerShared<TokenCache>>,
    ) -> Option<PendingRequest<S, B>>
    where
        P: ReplayPolicy<B, Kept = K>,
    {
        let body = self.policy.restore(self.body)?;
        Some(PendingRequest { shared, service: self.service, request: self.head.restore(body) })
    }
}

/// The head of a request. Its fields are a list, because a map costs two allocations and is needed
/// for a replay only.
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    fields: SmallVec<[(HeaderName, HeaderValue); INLINE_FIELDS]>,
    extensions: Extensions,
}

impl Head {
    fn restore<B>(self, body: B) -> Request<B> {
        // A map has a limit on names. These are values, which may be more, so this may fail.
        let mut headers = HeaderMap::try_with_capacity(self.fields.len() + 1).unwrap_or_default();
        for (name, value) in self.fields {
            headers.append(name, value);
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        *request.headers_mut() = headers;
        *request.extensions_mut() = self.extensions;
        request
    }
}
