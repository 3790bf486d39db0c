//! A request that waits to be sent, and one that is kept to be sent again.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use smallvec::SmallVec;

use super::{replay::ReplayPolicy, shared::RequestTokens};

/// Up to this many header fields are kept without an allocation.
const INLINE_FIELDS: usize = 8;

/// Up to this many bytes of header values are kept without an allocation.
const INLINE_BYTES: usize = 256;

/// A request that waits to be sent. Its service was not made ready, so it holds no permit.
pub(super) struct PendingRequest<S, B> {
    pub(super) tokens: RequestTokens,
    pub(super) service: S,
    pub(super) request: Request<B>,
}

/// A request that was sent, kept to be sent again. `K` is the state that the replay policy kept of
/// its body.
pub(super) struct ReplayRequest<S, P, K> {
    fields: Fields,
    /// Set by [`new`](Self::new).
    rest: Option<Rest<S, P, K>>,
}

/// The header fields. A map costs two allocations, and only a replay needs one.
#[derive(Default)]
struct Fields {
    list: SmallVec<[Field; INLINE_FIELDS]>,
    /// The bytes of the copied values, one after the other.
    copied: SmallVec<[u8; INLINE_BYTES]>,
}

struct Field {
    name: HeaderName,
    value: KeptValue,
}

enum KeptValue {
    /// The length. The first clone of a value allocates its reference count, and a copy does not.
    Copied(usize),
    /// A sensitive value. Its owner may wipe it, as that of a token does, and a copy would remain.
    Sensitive(HeaderValue),
}

/// All but the header fields.
struct Rest<S, P, K> {
    method: Method,
    uri: Uri,
    version: Version,
    extensions: Extensions,
    service: S,
    policy: P,
    body: K,
}

impl<S, P, K> Default for ReplayRequest<S, P, K> {
    #[inline(always)]
    fn default() -> Self {
        Self { fields: Fields::default(), rest: None }
    }
}

impl<S, P, K> ReplayRequest<S, P, K> {
    /// Keeps a request. `token_header` is the field that carries the token. It is left out, because
    /// each attempt adds it.
    // Inlined it takes 14 instructions more.
    #[inline(never)]
    pub(super) fn new<B>(
        service: S,
        policy: P,
        request: &Request<B>,
        token_header: &HeaderName,
        body: K,
    ) -> Box<Self> {
        // Filled in place. A move into the box would also copy the unused part of the list.
        let mut replay = Box::<Self>::default();
        for (name, value) in request.headers() {
            if name != token_header {
                replay.fields.push(name, value);
            }
        }
        replay.rest = Some(Rest {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            extensions: request.extensions().clone(),
            service,
            policy,
            body,
        });
        replay
    }

    fn rest(&self) -> &Rest<S, P, K> {
        self.rest.as_ref().expect("`new` sets it")
    }

    pub(super) fn policy(&self) -> &P {
        &self.rest().policy
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.rest().uri
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.rest().method.is_idempotent()
    }

    /// Returns the request to send again. `None` if the policy cannot restore its body, or if a header
    /// value is invalid. `HeaderValue::from_maybe_shared_unchecked` can make such a value.
    pub(super) fn restore<B>(self, tokens: RequestTokens) -> Option<PendingRequest<S, B>>
    where
        P: ReplayPolicy<B, Kept = K>,
    {
        let rest = self.rest.expect("`new` sets it");
        let Rest { method, uri, version, extensions, service, policy, body } = rest;
        let headers = self.fields.into_map()?;
        let mut request = Request::new(policy.restore(body)?);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = headers;
        *request.extensions_mut() = extensions;
        Some(PendingRequest { tokens, service, request })
    }
}

impl Fields {
    #[inline(always)]
    fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        let value = if value.is_sensitive() {
            KeptValue::Sensitive(value.clone())
        } else {
            self.copied.extend_from_slice(value.as_bytes());
            KeptValue::Copied(value.len())
        };
        self.list.push(Field { name: name.clone(), value });
    }

    fn into_map(self) -> Option<HeaderMap> {
        // The capacity is limited. A request that repeats names can have more values than that: the map
        // then grows as they are added.
        let mut headers = HeaderMap::try_with_capacity(self.list.len() + 1).unwrap_or_default();
        let mut copied = &*self.copied;
        for Field { name, value } in self.list {
            let value = match value {
                KeptValue::Copied(len) => {
                    let (bytes, later) = copied.split_at(len);
                    copied = later;
                    HeaderValue::from_bytes(bytes).ok()?
                }
                KeptValue::Sensitive(value) => value,
            };
            headers.append(name, value);
        }
        Some(headers)
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;

    #[test]
    fn fields_are_restored_in_order_with_their_bytes() {
        let mut headers = HeaderMap::new();
        headers.append("x-id", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.append("cookie", HeaderValue::from_static(""));
        headers.append("x-id", HeaderValue::try_from("a".repeat(2 * INLINE_BYTES)).unwrap());
        let mut secret = HeaderValue::from_static("s3cret");
        secret.set_sensitive(true);
        headers.append("x-key", secret);
        headers.append("x-last", HeaderValue::from_static("z"));
        let mut fields = Fields::default();
        headers.iter().for_each(|(name, value)| fields.push(name, value));
        let restored = fields.into_map().unwrap();
        assert_eq!(restored, headers);
        assert_eq!(restored["x-key"].as_bytes().as_ptr(), headers["x-key"].as_bytes().as_ptr());
        assert!(restored["x-key"].is_sensitive() && !restored["cookie"].is_sensitive());
    }
}
