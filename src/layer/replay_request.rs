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
    head: Head,
    /// Set by [`new`](Self::new).
    rest: Option<Rest<S, P, K>>,
}

struct Rest<S, P, K> {
    service: S,
    policy: P,
    body: K,
}

/// The head of a request. Its fields are a list, because a map costs two allocations and is needed
/// for a replay only.
#[derive(Default)]
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    fields: SmallVec<[(HeaderName, HeaderValue); INLINE_FIELDS]>,
    extensions: Extensions,
}

impl<S, P, K> Default for ReplayRequest<S, P, K> {
    #[inline(always)]
    fn default() -> Self {
        Self { head: Head::default(), rest: None }
    }
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
        // Filled in the box. Moving it there would copy the unused part of the list too.
        let mut replay = Box::<Self>::default();
        let Self { head, rest } = &mut *replay;
        for (name, value) in request.headers() {
            if name != token_name {
                head.fields.push((name.clone(), value.clone()));
            }
        }
        head.method.clone_from(request.method());
        head.uri.clone_from(request.uri());
        head.version = request.version();
        head.extensions.clone_from(request.extensions());
        *rest = Some(Rest { service, policy, body });
        replay
    }

    fn rest(&self) -> &Rest<S, P, K> {
        self.rest.as_ref().expect("it is set")
    }

    pub(super) fn policy(&self) -> &P {
        &self.rest().policy
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.head.uri
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
        let Rest { service, policy, body } = self.rest.expect("it is set");
        let body = policy.restore(body)?;
        Some(PendingRequest { shared, service, request: self.head.restore(body) })
    }
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
