//! The issued access tokens.

use std::{collections::HashMap, iter::repeat_with, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::grant::Grant;

/// Expired tokens are removed when this many are stored, and then at each doubling.
const FIRST_CLEANUP: usize = 64;

pub(super) struct Tokens {
    tokens: HashMap<String, TokenState>,
    cleanup_at: usize,
    issued: u64,
}

struct TokenState {
    client: String,
    scope: Option<String>,
    /// The certificate that it is bound to. A real `cnf` contains its thumbprint.
    certificate: Option<Bytes>,
    /// The thumbprint of the key that it is bound to (`cnf.jkt`).
    key: Option<String>,
    /// `None` if the lifetime exceeds the range of an `Instant`.
    expires_at: Option<Instant>,
}

impl TokenState {
    fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self { tokens: HashMap::new(), cleanup_at: FIRST_CLEANUP, issued: 0 }
    }
}

impl Tokens {
    /// A new random token. Its number shows which token is newer.
    pub(super) fn generate(&self) -> String {
        let random: String = repeat_with(fastrand::alphanumeric).take(32).collect();
        format!("tok-{}-{random}", self.issued + 1)
    }

    /// Makes a token active from now on, also one that was expired or revoked.
    pub(super) fn activate(&mut self, token: String, grant: &Grant, lifetime: Duration) {
        let now = Instant::now();
        if self.tokens.len() >= self.cleanup_at {
            self.tokens.retain(|_, state| !state.is_expired(now));
            self.cleanup_at = FIRST_CLEANUP.max(2 * self.tokens.len());
        }
        let state = TokenState {
            client: grant.client.clone(),
            scope: grant.scope.clone(),
            certificate: None,
            key: None,
            expires_at: now.checked_add(lifetime),
        };
        self.tokens.insert(token, state);
        self.issued += 1;
    }

    /// The active token for the same grant that expires last, with its remaining lifetime.
    pub(super) fn longest_lived(&self, grant: &Grant) -> Option<(String, Duration)> {
        let now = Instant::now();
        self.tokens
            .iter()
            .filter(|(_, state)| state.client == grant.client && state.scope == grant.scope)
            .filter(|(_, state)| !state.is_expired(now))
            .map(|(token, state)| {
                (token, state.expires_at.map_or(Duration::MAX, |at| at.duration_since(now)))
            })
            .max_by_key(|(_, left)| *left)
            .map(|(token, left)| (token.clone(), left))
    }

    pub(super) fn is_active(&self, token: &str) -> bool {
        self.tokens.get(token).is_some_and(|state| !state.is_expired(Instant::now()))
    }

    /// Binds a token to a certificate (RFC 8705 §3) and to a key (RFC 9449 §6).
    pub(super) fn bind(&mut self, token: &str, certificate: Option<&Bytes>, key: Option<&str>) {
        if let Some(state) = self.tokens.get_mut(token) {
            state.certificate = certificate.cloned();
            state.key = key.map(str::to_owned);
        }
    }

    pub(super) fn key(&self, token: &str) -> Option<&str> {
        self.tokens.get(token)?.key.as_deref()
    }

    pub(super) fn certificate(&self, token: &str) -> Option<&Bytes> {
        self.tokens.get(token)?.certificate.as_ref()
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    pub(super) fn revoke_client(&mut self, client: &str) {
        self.tokens.retain(|_, state| state.client != client);
    }

    pub(super) fn revoke_all(&mut self) {
        self.tokens.clear();
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
        let token = tokens.generate();
        tokens.activate(token.clone(), &grant("a"), Duration::from_millis(1500));
        tokio::time::advance(Duration::from_millis(1499)).await;
        assert!(tokens.is_active(&token));
        assert_eq!(
            tokens.longest_lived(&grant("a")),
            Some((token.clone(), Duration::from_millis(1)))
        );
        assert_eq!(tokens.longest_lived(&grant("b")), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!tokens.is_active(&token));
        assert_eq!(tokens.longest_lived(&grant("a")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn dead_tokens_do_not_gather_and_no_lifetime_overflows() {
        let mut tokens = Tokens::default();
        tokens.activate("for ever".into(), &grant("a"), Duration::MAX);
        for _ in 0..10_000 {
            let token = tokens.generate();
            tokens.activate(token, &grant("a"), Duration::from_secs(1));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(tokens.tokens.len() <= FIRST_CLEANUP, "{}", tokens.tokens.len());
        assert!(tokens.is_active("for ever"));
        assert_eq!(tokens.issued(), 10_001);
    }

    #[test]
    fn names_differ_and_fit_a_header() {
        let tokens = Tokens::default();
        let (one, other) = (tokens.generate(), tokens.generate());
        assert_ne!(one, other);
        assert!(one.starts_with("tok-1-") && one.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
