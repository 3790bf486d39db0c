//! The text for a failed exchange: the problem, the chain of its causes, and what to do.

use std::{error::Error as StdError, io};

use crate::error::{causes, links};

/// The explanation of a known failure.
struct Explanation {
    problem: &'static str,
    advice: &'static str,
}

/// `problem (causes); advice`, or the causes alone with general advice.
pub(super) fn explain(error: &(dyn StdError + 'static)) -> String {
    let causes = causes(error);
    match links(error).find_map(recognize) {
        Some(Explanation { problem, advice }) => format!("{problem} ({causes}); {advice}"),
        None => format!("{causes}; check the network, DNS, proxy and TLS settings"),
    }
}

/// TLS errors are recognized by their text, since the TLS library of reqwest is not known here.
fn recognize(error: &(dyn StdError + 'static)) -> Option<Explanation> {
    let text = error.to_string();
    if let Some(certificate) = text.strip_prefix("invalid peer certificate: ") {
        return Some(by_certificate(certificate));
    }
    by_text(&text).or_else(|| by_kind(error.downcast_ref::<io::Error>()?))
}

fn by_certificate(text: &str) -> Explanation {
    let (problem, advice) = if text.starts_with("certificate expired") || text == "Expired" {
        ("the server's certificate has expired", "renew it, or correct this machine's clock")
    } else if text.starts_with("certificate not valid yet") || text == "NotValidYet" {
        (
            "the server's certificate is not valid yet",
            "correct this machine's clock, or the certificate",
        )
    } else if text.starts_with("certificate not valid for name") || text == "NotValidForName" {
        (
            "the server's certificate is for another name",
            "check the host in the URL, or have the name added to the certificate",
        )
    } else if matches!(text, "UnknownIssuer" | "BadSignature") {
        // `BadSignature`: an authority with the name of a trusted authority, but with another key.
        (
            "the server's certificate is from an unknown authority",
            "if a private authority issues it, trust that: extra_root_certificates_pem, or the \
             setting ca_file",
        )
    } else if text == "Revoked" {
        ("the server's certificate is revoked", "replace it")
    } else {
        (
            "the server's certificate is not accepted",
            "replace it by one that is valid for TLS servers",
        )
    };
    Explanation { problem, advice }
}

fn by_text(text: &str) -> Option<Explanation> {
    const TABLE: [(&str, &str, &str); 14] = [
        (
            "dns error",
            "the host name was not found",
            "check the host in the URL, and this machine's DNS",
        ),
        (
            "failed to lookup address information",
            "the host name was not found",
            "check the host in the URL, and this machine's DNS",
        ),
        ("invalid dns name", "the host is not a valid name for TLS", "check the host in the URL"),
        (
            "received corrupt message",
            "the server does not speak TLS on this port",
            "give its TLS port, or an http URL where plain http is safe",
        ),
        (
            "tls handshake eof",
            "the connection was closed during the TLS handshake",
            "check that the port speaks TLS, and whether it wants a client certificate",
        ),
        (
            "received fatal alert",
            "the server refused the TLS handshake",
            "it may want a client certificate (client_identity), or a TLS version other than 1.2 \
             and 1.3",
        ),
        (
            "peer is incompatible",
            "the server has no TLS version or cipher in common with this client",
            "it needs TLS 1.2 or 1.3",
        ),
        (
            "invalid HTTP",
            "the answer is not HTTP",
            "if the port expects TLS, give an https URL; otherwise check host and port",
        ),
        (
            "message head is too large",
            "the head of the answer is too large",
            "check which server answers at this URL",
        ),
        (
            "connection closed before message completed",
            "the connection was closed before the answer",
            "check the server's log; if the port expects TLS, give an https URL",
        ),
        (
            "tunnel error: proxy authorization required",
            "the proxy requires authentication (407)",
            "check the user and password in the proxy URL",
        ),
        (
            "tunnel error: unsuccessful",
            "the proxy refused the tunnel",
            "have it allow this destination, or list the host in NO_PROXY",
        ),
        (
            "operation timed out",
            "it took longer than the client allows",
            "check the server, and the client's timeouts",
        ),
        (
            "too many bytes",
            "the server sent more than an answer may have",
            "check which server answers at this URL",
        ),
    ];
    let found = TABLE.iter().find(|(start, ..)| text.starts_with(start))?;
    Some(Explanation { problem: found.1, advice: found.2 })
}

fn by_kind(error: &io::Error) -> Option<Explanation> {
    use io::ErrorKind as K;
    let (problem, advice) = match error.kind() {
        K::ConnectionRefused => {
            ("the connection was refused", "check the port, and that the server is running")
        }
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => (
            "the connection was reset",
            "check the server's log, and firewalls in between; if the port expects TLS, give an \
             https URL",
        ),
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => {
            ("the host is unreachable", "check this machine's network and routes")
        }
        K::TimedOut => ("the connection timed out", "check the host, the port, and firewalls"),
        _ => return None,
    };
    Some(Explanation { problem, advice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Link;

    #[test]
    fn a_cause_within_an_io_error_is_recognized() {
        let tls = Link("invalid peer certificate: UnknownIssuer".into(), None);
        let error = io::Error::other(Box::<dyn StdError + Send + Sync>::from(tls.to_string()));
        let error = Link("error sending request".into(), Some(Box::new(error)));
        let text = explain(&error);
        assert!(
            text.starts_with("the server's certificate is from an unknown authority ("),
            "{text}"
        );
        assert!(text.contains("ca_file"), "{text}");
    }

    #[test]
    fn a_peers_text_cannot_pose_as_another_cause() {
        let name = "invalid peer certificate: certificate not valid for name \"a\"; certificate is \
                    only valid for DnsName(\"UnknownIssuer dns error\")";
        let text = explain(&Link(name.into(), None));
        assert!(text.starts_with("the server's certificate is for another name"), "{text}");
    }
}
