//! The nonces (RFC 9449 §8, §9) and clocks of servers, for proofs.

use std::{sync::Arc, time::SystemTime};

use http::HeaderMap;

use crate::{
    event::EventKind,
    skew::Skew,
    sync::{Mutex, lock},
};

/// Maximum size of a nonce in bytes. Real nonces have a few dozen, or a few hundred with state.
const MAX_NONCE_BYTES: usize = 512;
/// Maximum number of APIs. A client with more sometimes needs a second request for the nonce.
const MAX_ORIGINS: usize = 64;

/// The newest nonce of each server. The token endpoint's nonce is separate from those of the APIs,
/// which may have the same origin (RFC 9449 §9).
#[derive(Default)]
pub(crate) struct Nonces {
    token_endpoint: Mutex<Option<Arc<str>>>,
    /// By origin, ordered by last use.
    apis: Mutex<Vec<Api>>,
}

struct Api {
    origin: Box<str>,
    nonce: Option<Arc<str>>,
    /// A server's clock says nothing about the clock of another server.
    skew: Skew,
    /// The local time of the last proof.
    proved_at: SystemTime,
}

impl Nonces {
    pub(crate) fn token_endpoint(&self) -> Option<Arc<str>> {
        lock(&self.token_endpoint).clone()
    }

    /// Stores the token endpoint's nonce. A response without a nonce does not clear it: it means that the
    /// nonce is still valid.
    pub(crate) fn keep_token_endpoint(&self, nonce: &str) {
        *lock(&self.token_endpoint) = Some(nonce.into());
    }

    /// An API's nonce and the time of its clock, for a new proof.
    pub(super) fn api(&self, origin: &str, local: SystemTime) -> (Option<Arc<str>>, SystemTime) {
        let mut apis = lock(&self.apis);
        let api = last_used(&mut apis, origin, local);
        api.proved_at = local;
        (api.nonce.clone(), api.skew.correct(local))
    }

    /// Stores the nonce and the clock in an API's response. Returns an event if the clock's offset changes.
    pub(super) fn keep_api(
        &self,
        origin: &str,
        nonce: Option<&str>,
        headers: &HeaderMap,
        received: SystemTime,
    ) -> Option<EventKind> {
        let mut apis = lock(&self.apis);
        let api = last_used(&mut apis, origin, received);
        if let Some(nonce) = nonce {
            api.nonce = Some(nonce.into());
        }
        let mut event = api.skew.observe(headers, api.proved_at.min(received), received)?;
        if let EventKind::ClockSkew { api, .. } = &mut event {
            *api = Some(origin.to_owned());
        }
        Some(event)
    }
}

/// Moves the entry of an origin to the end, and returns it.
fn last_used<'a>(apis: &'a mut Vec<Api>, origin: &str, now: SystemTime) -> &'a mut Api {
    match apis.iter().rposition(|known| *known.origin == *origin) {
        Some(at) => apis[at..].rotate_left(1),
        None => {
            if apis.len() >= MAX_ORIGINS {
                apis.remove(0);
            }
            let skew = Skew::default();
            apis.push(Api { origin: origin.into(), nonce: None, skew, proved_at: now });
        }
    }
    apis.last_mut().expect("it was just put there")
}

/// The nonce of a response: `1*NQCHAR` (RFC 9449 §8.1). Two nonces are ambiguous and are ignored.
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
    fn malformed_nonces_are_ignored() {
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
    fn the_token_endpoint_and_each_origin_have_separate_nonces() {
        let nonces = Nonces::default();
        let keep = |origin: &str, nonce| {
            nonces.keep_api(origin, Some(nonce), &HeaderMap::new(), SystemTime::now());
        };
        let kept = |origin: &str| nonces.api(origin, SystemTime::now()).0;
        nonces.keep_token_endpoint("as");
        keep("https://a.example", "a1");
        keep("https://b.example", "b1");
        keep("https://a.example", "a2");
        assert_eq!(nonces.token_endpoint().as_deref(), Some("as"));
        assert_eq!(kept("https://a.example").as_deref(), Some("a2"));
        assert_eq!(kept("https://b.example").as_deref(), Some("b1"));
        assert_eq!(kept("https://a.example:8443"), None);
        assert_eq!(lock(&nonces.apis).len(), 3);
    }

    #[test]
    fn the_origin_that_was_used_longest_ago_is_dropped_for_a_65th() {
        let nonces = Nonces::default();
        let origin = |n: usize| format!("https://{n}.example");
        let keep = |n: usize| {
            nonces.keep_api(&origin(n), Some("n"), &HeaderMap::new(), SystemTime::now());
        };
        (0..MAX_ORIGINS).for_each(keep);
        assert!(nonces.api(&origin(0), SystemTime::now()).0.is_some());
        keep(1);
        (100..102).for_each(keep);
        let apis = lock(&nonces.apis);
        assert_eq!(apis.len(), MAX_ORIGINS);
        let is_kept = |n: usize| apis.iter().any(|api| *api.origin == *origin(n));
        let gone: Vec<_> = (0..MAX_ORIGINS).filter(|&n| !is_kept(n)).collect();
        assert_eq!(gone, [2, 3]);
    }

    /// An authorization server whose clock is off by two days, and APIs with other clocks.
    #[test]
    fn each_api_has_its_own_clock() {
        let nonces = Nonces::default();
        let local = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_521_600);
        let date = |ahead: u64| {
            let mut headers = HeaderMap::new();
            let date = httpdate::fmt_http_date(local + std::time::Duration::from_secs(ahead));
            headers.insert("date", date.parse().unwrap());
            headers
        };
        let ahead = |origin: &str| {
            let (_, time) = nonces.api(origin, local);
            time.duration_since(local).unwrap().as_secs()
        };
        assert_eq!([ahead("https://a.example"), ahead("https://b.example")], [0, 0]);
        nonces.keep_api("https://a.example", None, &date(3600), local);
        nonces.keep_api("https://b.example", None, &date(0), local);
        assert_eq!([ahead("https://a.example"), ahead("https://b.example")], [3600, 0]);
        assert_eq!(ahead("https://c.example"), 0);
    }
}
