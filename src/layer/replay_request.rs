//! A request that waits to be sent, and one that is kept to be sent again.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use smallvec::SmallVec;

use super::{replay::ReplayPolicy, shared::RequestTokens};

/// Requests with at most this many header fields are kept without an allocation for the fields.
const INLINE_FIELDS: usize = 8;

/// A request that waits to be sent. Its service was not made ready, so it holds no permit.
pub(super) struct PendingRequest<S, B> {
    pub(super) tokens: RequestTokens,
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

/// The head of a request. The fields are a list. A map costs two allocations, and only a replay needs
/// one.
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
    /// Keeps a request. `token_header` is the field that carries the token. It is left out, because
    /// each attempt adds it.
    #[inline(always)]
    pub(super) fn new<B>(
        service: S,
        policy: P,
        request: &Request<B>,
        token_header: &HeaderName,
        body: K,
    ) -> Box<Self> {
        // Filled in place. A move into the box would also copy the unused part of the list.
        let mut replay = Box::<Self>::default();
        let Self { head, rest } = &mut *replay;
        for (name, value) in request.headers() {
            if name != token_header {
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
        self.rest.as_ref().expect("`new` sets it")
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

    /// Returns the request to send again. `None` if the policy cannot restore its body.
    pub(super) fn restore<B>(self, tokens: RequestTokens) -> Option<PendingRequest<S, B>>
    where
        P: ReplayPolicy<B, Kept = K>,
    {
        let Rest { service, policy, body } = self.rest.expect("`new` sets it");
        let body = policy.restore(body)?;
        Some(PendingRequest { tokens, service, request: self.head.restore(body) })
    }
}

impl Head {
    fn restore<B>(self, body: B) -> Request<B> {
        // The capacity is limited. A request that repeats names can have more values than that, and
        // still fits: the map then grows by itself.
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
