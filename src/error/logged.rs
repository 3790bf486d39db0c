//! An error as it is logged.

use std::{error::Error as StdError, fmt};

use super::{Error, causes, links, sanitise};

/// Maximum number of links in a log line.
const MAX_LINKS: usize = 6;

/// An error and its causes for a subscriber of `tracing`, which prints the whole chain.
///
/// Each link is shortened and sanitized, because it may contain a peer's text. Links that repeat the
/// one before are left out, and so are causes that the message contains.
#[derive(Debug)]
pub(crate) struct Logged {
    text: String,
    cause: Option<Box<Self>>,
}

impl Logged {
    pub(crate) fn new(error: &Error) -> Self {
        let text = error.to_string();
        let cause = error.source().filter(|cause| !text.contains(&causes(*cause)));
        let mut texts = Vec::new();
        for link in cause.into_iter().flat_map(links).take(MAX_LINKS) {
            let link = sanitise(&link.to_string());
            if !link.is_empty() && !texts.last().is_some_and(|last: &String| last.ends_with(&link))
            {
                texts.push(link);
            }
        }
        let cause =
            texts.into_iter().rev().fold(None, |cause, text| Some(Box::new(Self { text, cause })));
        Self { text, cause }
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Logged {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

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
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn chain(error: &Logged) -> Vec<String> {
        let links = std::iter::successors(Some(error), |error| error.cause.as_deref());
        links.skip(1).map(ToString::to_string).collect()
    }

    #[test]
    fn links_are_sanitized_and_not_repeated() {
        let cause = Link("reset\r\nby peer".into(), None);
        let cause = Link("reset\r\nby peer".into(), Some(Box::new(cause)));
        let error = Error::from_source(Link("tls".into(), Some(Box::new(cause))));
        assert_eq!(chain(&Logged::new(&error)), ["tls", "reset??by peer"]);
    }

    #[test]
    fn a_peer_cannot_make_the_chain_long() {
        let cause = (0..50).fold(Link("end".into(), None), |cause, n| {
            Link(format!("{n}{}", "x".repeat(10_000)), Some(Box::new(cause)))
        });
        let chain = chain(&Logged::new(&Error::from_source(cause)));
        assert!(chain.len() == 6 && chain.iter().all(|link| link.chars().count() <= 201));
    }

    #[test]
    fn a_cause_that_the_message_contains_is_not_repeated() {
        let error = Error::from_source("disk full").with_detail("disk full");
        assert!(chain(&Logged::new(&error)).is_empty());
    }
}
