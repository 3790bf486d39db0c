//! What went wrong below the token request, as text that is safe to log.

use std::{error::Error as StdError, fmt};

use hyper_util::client::legacy;

use crate::error::sanitise;

/// Longer chains say nothing new.
const MAX_LINKS: usize = 6;

/// A failed exchange.
///
/// The chain of causes is flattened, and not kept, because links of it carry text of the peer
/// unbounded and raw: HTTP/2 debug data, the names in a certificate.
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn request(error: &legacy::Error) -> Self {
        let what = if error.is_connect() { "no connection" } else { "no answer" };
        Self::because(what, error.source())
    }

    pub(super) fn answer(error: &hyper::Error) -> Self {
        Self::because("the answer broke off", Some(error))
    }

    fn because(what: &str, mut cause: Option<&(dyn StdError + 'static)>) -> Self {
        let mut text = what.to_owned();
        for _ in 0..MAX_LINKS {
            let Some(error) = cause else { break };
            let link = sanitise(&error.to_string());
            // Wrappers such as `io::Error` repeat what they wrap.
            if !text.ends_with(&link) {
                text.push_str(": ");
                text.push_str(&link);
            }
            cause = error.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?})", self.0)
    }
}

impl StdError for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(String, Option<Box<Link>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl StdError for Link {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|link| link as _)
        }
    }

    #[test]
    fn a_chain_becomes_one_line_without_repetition() {
        let cause = Link("reset\r\nby peer".into(), None);
        let error = Link("reset\r\nby peer".into(), Some(Box::new(cause)));
        let error = Link("tls".into(), Some(Box::new(error)));
        assert_eq!(Failure::because("no answer", Some(&error)).0, "no answer: tls: reset??by peer");
    }

    #[test]
    fn a_peer_cannot_make_it_long() {
        let error = (0..50).fold(None, |cause, n| {
            Some(Box::new(Link(format!("{n}{}", "x".repeat(10_000)), cause)))
        });
        let failure = Failure::because("no answer", error.as_deref().map(|link| link as _));
        assert!(failure.0.chars().count() < 6 * 204 + 10, "{}", failure.0.len());
    }
}
