//! The nonces that servers want in proofs (RFC 9449 §8, §9).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

/// Real ones have some dozen bytes, those that carry state a few hundred.
const MAX_NONCE_BYTES: usize = 512;
/// A client with more APIs than this at once is asked for a nonce now and then.
const MAX_ORIGINS: usize = 64;

/// The newest nonce of each server: the token endpoint's apart from those of the APIs, which may
/// share its origin (RFC 9449 §9).
#[derive(Default)]
pub(crate) struct Nonces {
    token_endpoint: Mutex<Option<Arc<str>>>,
    /// By origin, the one used last at the end.
    apis: Mutex<Vec<(Box<str>, Arc<str>)>>,
}

impl Nonces {
    pub(crate) fn token_endpoint(&self) -> Option<Arc<str>> {
        lock(&self.token_endpoint).clone()
    }

    /// Keeps the token endpoint's nonce. An answer without one takes nothing back: a server sends
    /// none while the one that was used is its newest.
    pub(crate) fn keep_token_endpoint(&self, nonce: &str) {
        *lock(&self.token_endpoint) = Some(nonce.into());
    }

    pub(super) fn api(&self, origin: &str) -> Option<Arc<str>> {
        let mut apis = lock(&self.apis);
        let at = apis.iter().rposition(|(known, _)| **known == *origin)?;
        apis[at..].rotate_left(1);
        apis.last().map(|(_, nonce)| Arc::clone(nonce))
    }

    pub(super) fn keep_api(&self, origin: &str, nonce: &str) {
        let mut apis = lock(&self.apis);
        let known = apis.iter().rposition(|(known, _)| **known == *origin);
        let origin = match known {
            Some(at) => apis.remove(at).0,
            None => {
                if apis.len() >= MAX_ORIGINS {
                    apis.remove(0);
                }
                origin.into()
            }
        };
        apis.push((origin, nonce.into()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The nonce of an answer: `1*NQCHAR` (RFC 9449 §8.1). Two are ambiguous, so they are none.
pub(crate) fn nonce(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("dpop-nonce").iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let is_nqchar = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let nonce = value.to_str().ok()?;
    let is_good = (1..=MAX_NONCE_BYTES).contains(&nonce.len()) && nonce.bytes().all(is_nqchar);
    is_good.then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("dpop-nonce", http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        nonce(&headers).map(str::to_owned)
    }

    #[test]
    fn what_is_no_nonce_is_none() {
        // RFC 9449 §8.
        let rfc = "eyJ7S_zG.eyJH0-Z.HX4w-7v";
        assert_eq!(read(&[rfc]).as_deref(), Some(rfc));
        let longest = "n".repeat(512);
        assert_eq!(read(&[&longest]), Some(longest.clone()));
        for bad in ["", "a\"b", "a\\b", "a b", "a\tb", "é", &(longest + "n")] {
            assert_eq!(read(&[bad]), None, "{bad:?}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["a", "a"]), None, "there must be one");
    }

    #[test]
    fn the_token_endpoint_and_each_origin_have_their_own() {
        let nonces = Nonces::default();
        nonces.keep_token_endpoint("as");
        nonces.keep_api("https://a.example", "a1");
        nonces.keep_api("https://b.example", "b1");
        nonces.keep_api("https://a.example", "a2");
        assert_eq!(nonces.token_endpoint().as_deref(), Some("as"));
        assert_eq!(nonces.api("https://a.example").as_deref(), Some("a2"));
        assert_eq!(nonces.api("https://b.example").as_deref(), Some("b1"));
        assert_eq!(nonces.api("https://a.example:8443"), None);
        assert_eq!(lock(&nonces.apis).len(), 2);
    }

    #[test]
    fn the_origin_that_was_used_longest_ago_is_dropped_for_a_65th() {
        let nonces = Nonces::default();
        let origin = |n: usize| format!("https://{n}.example");
        (0..MAX_ORIGINS).for_each(|n| nonces.keep_api(&origin(n), "n"));
        assert!(nonces.api(&origin(0)).is_some());
        nonces.keep_api(&origin(1), "again");
        (100..102).for_each(|n| nonces.keep_api(&origin(n), "n"));
        assert_eq!(lock(&nonces.apis).len(), MAX_ORIGINS);
        let gone: Vec<_> = (0..MAX_ORIGINS).filter(|&n| nonces.api(&origin(n)).is_none()).collect();
        assert_eq!(gone, [2, 3]);
    }
}
