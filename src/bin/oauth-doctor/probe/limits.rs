//! When no further request is sent.

use http::StatusCode;

use super::exchange::{Answer, Kind};

/// Failed logins before a run stops, since servers lock accounts.
const MAX_FAILED_LOGINS: usize = 2;

/// The requests that are still allowed.
#[derive(Debug)]
pub(super) struct Limits {
    token_requests: usize,
    max_token_requests: usize,
    failed_logins: usize,
    stopped: Option<String>,
    /// Whether the server throttles or blocks.
    blocked: bool,
}

impl Limits {
    pub(super) fn new(max_token_requests: usize) -> Self {
        Self {
            token_requests: 0,
            max_token_requests,
            failed_logins: 0,
            stopped: None,
            blocked: false,
        }
    }

    /// Counts a request that is about to be sent.
    ///
    /// # Errors
    ///
    /// Why it must not be sent.
    pub(super) fn permit(&mut self, kind: Kind) -> Result<(), String> {
        if let Some(why) = &self.stopped {
            return Err(why.clone());
        }
        if kind == Kind::Token {
            if self.token_requests == self.max_token_requests {
                return Err(format!(
                    "the limit of {} for token requests is reached",
                    self.max_token_requests
                ));
            }
            self.token_requests += 1;
        }
        Ok(())
    }

    pub(super) fn observe(&mut self, kind: Kind, answer: &Answer) {
        let why = if answer.status == StatusCode::TOO_MANY_REQUESTS {
            "the server throttles (429)"
        } else if answer.retry_after.is_some() {
            "the server asks for a pause (Retry-After)"
        } else if answer.status == StatusCode::FORBIDDEN && kind != Kind::Metadata {
            // Metadata is read without credentials, and the second place may answer.
            "the server blocks the request (403)"
        } else {
            if kind == Kind::Token && answer.is_failed_login() {
                self.failed_logins += 1;
                if self.failed_logins >= MAX_FAILED_LOGINS {
                    let why = "two logins failed, and more could lock the account";
                    self.stopped.get_or_insert_with(|| why.to_owned());
                }
            }
            return;
        };
        self.blocked = true;
        self.stopped.get_or_insert_with(|| why.to_owned());
    }

    pub(super) fn token_requests(&self) -> usize {
        self.token_requests
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.token_requests == self.max_token_requests
    }

    pub(super) fn stopped(&self) -> Option<String> {
        self.stopped.clone()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }
}
