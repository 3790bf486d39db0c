//! The access tokens that are out, and which of them are alive.

use std::{collections::HashMap, iter::repeat_with, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::grant::Grant;

/// Dead tokens are swept out when this many are kept, and then at each doubling.
const FIRST_SWEEP: usize = 64;

pub(super) struct Tokens {
    kept: HashMap<String, Life>,
    sweep_at: usize,
    issued: u64,
}

struct Life {
    client: String,
    scope: Option<String>,
    /// The certificate it is bound to. What `cnf` has of it, the thumbprint, would say the same.
    certificate: Option<Bytes>,
    /// The thumbprint of the key it is bound to (`cnf.jkt`).
    key: Option<String>,
    /// Nothing if the lifetime is beyond what an `Instant` can hold.
    expires_at: Option<Instant>,
}

impl Life {
    fn is_over(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self { kept: HashMap::new(), sweep_at: FIRST_SWEEP, issued: 0 }
    }
}

impl Tokens {
    /// A name that nobody can guess; the number tells people which is newer.
    pub(super) fn invent(&self) -> String {
        let random: String = repeat_with(fastrand::alphanumeric).take(32).collect();
        format!("tok-{}-{random}", self.issued + 1)
    }

    /// Makes a token active from now on, also one that was expired or revoked.
    pub(super) fn activate(&mut self, token: String, grant: &Grant, lifetime: Duration) {
        let now = Instant::now();
        if self.kept.len() >= self.sweep_at {
            self.kept.retain(|_, life| !life.is_over(now));
            self.sweep_at = FIRST_SWEEP.max(2 * self.kept.len());
        }
        let life = Life {
            client: grant.client.clone(),
            scope: grant.scope.clone(),
            certificate: None,
            key: None,
            expires_at: now.checked_add(lifetime),
        };
        self.kept.insert(token, life);
        self.issued += 1;
    }

    /// A live token for the same grant with what is left of its life; the one that lives longest.
    pub(super) fn live_one(&self, grant: &Grant) -> Option<(String, Duration)> {
        let now = Instant::now();
        self.kept
            .iter()
            .filter(|(_, life)| life.client == grant.client && life.scope == grant.scope)
            .filter(|(_, life)| !life.is_over(now))
            .map(|(token, life)| {
                (token, life.expires_at.map_or(Duration::MAX, |at| at.duration_since(now)))
            })
            .max_by_key(|(_, left)| *left)
            .map(|(token, left)| (token.clone(), left))
    }

    pub(super) fn is_active(&self, token: &str) -> bool {
        self.kept.get(token).is_some_and(|life| !life.is_over(Instant::now()))
    }

    /// Binds a token to a certificate (RFC 8705 §3) and to a key (RFC 9449 §6).
    pub(super) fn bind(&mut self, token: &str, certificate: Option<&Bytes>, key: Option<&str>) {
        if let Some(life) = self.kept.get_mut(token) {
            life.certificate = certificate.cloned();
            life.key = key.map(str::to_owned);
        }
    }

    pub(super) fn key(&self, token: &str) -> Option<&str> {
        self.kept.get(token)?.key.as_deref()
    }

    pub(super) fn certificate(&self, token: &str) -> Option<&Bytes> {
        self.kept.get(token)?.certificate.as_ref()
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.kept.remove(token);
    }

    pub(super) fn revoke_client(&mut self, client: &str) {
        self.kept.retain(|_, life| life.client != client);
    }

    pub(super) fn revoke_all(&mut self) {
        self.kept.clear();
    }

    pub(super) fn issued(&self) -> u64 {
        self.issued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(client: &str) -> Grant {
        Grant { client: client.into(), scope: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_lives_for_its_lifetime_exactly() {
        let mut tokens = Tokens::default();
        let token = tokens.invent();
        tokens.activate(token.clone(), &grant("a"), Duration::from_millis(1500));
        tokio::time::advance(Duration::from_millis(1499)).await;
        assert!(tokens.is_active(&token));
        assert_eq!(tokens.live_one(&grant("a")), Some((token.clone(), Duration::from_millis(1))));
        assert_eq!(tokens.live_one(&grant("b")), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!tokens.is_active(&token));
        assert_eq!(tokens.live_one(&grant("a")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn dead_tokens_do_not_gather_and_no_lifetime_overflows() {
        let mut tokens = Tokens::default();
        tokens.activate("for ever".into(), &grant("a"), Duration::MAX);
        for _ in 0..10_000 {
            let token = tokens.invent();
            tokens.activate(token, &grant("a"), Duration::from_secs(1));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(tokens.kept.len() <= FIRST_SWEEP, "{}", tokens.kept.len());
        assert!(tokens.is_active("for ever"));
        assert_eq!(tokens.issued(), 10_001);
    }

    #[test]
    fn names_differ_and_fit_a_header() {
        let tokens = Tokens::default();
        let (one, other) = (tokens.invent(), tokens.invent());
        assert_ne!(one, other);
        assert!(one.starts_with("tok-1-") && one.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
