//! The chain of causes behind an error.

use std::{error::Error as StdError, io, iter};

use super::sanitise;

/// Maximum number of links. Longer chains add no information.
const MAX_LINKS: usize = 6;

/// The chain in one line. Links are shortened and sanitized, since they may contain a peer's text:
/// HTTP/2 debug data, the names in a certificate.
pub(crate) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for error in links(error).take(MAX_LINKS) {
        let link = sanitise(&error.to_string());
        // Wrappers such as `io::Error` repeat the error that they wrap.
        if link.is_empty() || text.ends_with(&link) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&link);
    }
    text
}

/// An error and its causes. The error within an `io::Error` is a link too, although `source` skips it.
pub(crate) fn links<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match within {
            Some(within) => Some(within as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt;

    use super::*;

    /// An error with a text and a cause.
    #[derive(Debug)]
    pub(crate) struct Link(pub(crate) String, pub(crate) Option<Box<dyn StdError>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl StdError for Link {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref()
        }
    }

    #[test]
    fn a_chain_becomes_one_line_without_repetition() {
        let cause = Link("reset\r\nby peer".into(), None);
        let error = Link("reset\r\nby peer".into(), Some(Box::new(cause)));
        let error = Link("tls".into(), Some(Box::new(error)));
        assert_eq!(causes(&error), "tls: reset??by peer");
    }

    #[test]
    fn a_peer_cannot_make_it_long() {
        let error = (0..50).fold(Link("end".into(), None), |cause, n| {
            Link(format!("{n}{}", "x".repeat(10_000)), Some(Box::new(cause)))
        });
        let text = causes(&error);
        assert!(text.chars().count() < 6 * 204 + 60, "{}", text.len());
    }
}
