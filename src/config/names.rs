//! Names that are no setting: misspelt ones, and variables of other programs.

use super::SETTINGS;

/// Where variables come from that have the prefix and are no setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Not known.
    Other,
    /// Kubernetes makes them for a service whose name is the prefix.
    Kubernetes,
}

impl Foreign {
    /// Of a variable's name after the prefix.
    pub(super) fn of(name: &str) -> Self {
        if is_service_link(name) { Self::Kubernetes } else { Self::Other }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Other => {
                "if they are not for this client, use another prefix (from_env_with_prefix)"
            }
            Self::Kubernetes => {
                "Kubernetes makes such variables for a service named like the prefix; use another \
                 prefix (from_env_with_prefix), or set enableServiceLinks: false in the pod spec"
            }
        }
    }
}

/// As in `SERVICE_HOST`, `SERVICE_PORT_HTTP`, `PORT`, `PORT_443_TCP_ADDR`; with more in front for a
/// service `oauth-proxy`.
fn is_service_link(name: &str) -> bool {
    let parts: Vec<_> = name.split('_').collect();
    parts.iter().enumerate().any(|(at, part)| match (*part, &parts[at + 1..]) {
        ("SERVICE", ["HOST"] | ["PORT", ..]) | ("PORT", []) => true,
        ("PORT", [number, rest @ ..]) => {
            number.bytes().all(|byte| byte.is_ascii_digit())
                && matches!(rest, [] | ["TCP" | "UDP" | "SCTP", ..])
        }
        _ => false,
    })
}

/// The setting that a misspelt name most likely means.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let squeezed = squeeze(name);
    let distances =
        SETTINGS.iter().map(|setting| (distance(&squeezed, &squeeze(setting)), *setting));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third may be wrong; of a short name a letter.
    let allowed = squeezed.len().div_ceil(3).min(3);
    let part = || SETTINGS.iter().copied().find(|setting| is_end(setting, name));
    if distance <= allowed { Some(nearest) } else { part() }
}

/// Whether a name is a setting without its first words, such as `SECRET`.
fn is_end(setting: &str, name: &str) -> bool {
    let (setting, name) = (squeeze(setting), squeeze(name));
    name.len() >= 2 && setting.len() > name.len() && setting.ends_with(&name)
}

/// Without case and separators, which differ most.
fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// How many letters are missing, added or other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, theirs) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != theirs);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_lead_to_the_setting() {
        for (name, setting) in [
            ("SCOPES", "scope"),
            ("client-id", "client_id"),
            ("clientSecret", "client_secret"),
            ("TOKENURL", "token_url"),
            ("TOKEN_URI", "token_url"),
            ("CLIENT_IDENT", "client_id"),
            ("ISSUER_", "issuer"),
            ("SECRET", "client_secret"),
            ("SECRET_FILE", "client_secret_file"),
            ("AUDIENCES", "audience"),
            ("KEEPWARM", "keep_warm"),
        ] {
            assert_eq!(nearest(name), Some(setting), "{name}");
        }
        for name in ["", "X", "PATH", "SERVICE_HOST", "REDIRECT_URI", "_", "PROXY_SETTINGS"] {
            assert_eq!(nearest(name), None, "{name}");
        }
    }

    #[test]
    fn service_links_are_told_from_other_names() {
        for name in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTPS",
            "PORT",
            "PORT_443_TCP",
            "PORT_443_TCP_PROTO",
            "PORT_53_UDP_ADDR",
            "PROXY_SERVICE_HOST",
            "PROXY_PORT_4180_TCP_PORT",
        ] {
            assert_eq!(Foreign::of(name), Foreign::Kubernetes, "{name}");
        }
        for name in ["SCOPES", "SERVICE", "PORTS", "PORT_NAME", "SERVICE_HOSTS", ""] {
            assert_eq!(Foreign::of(name), Foreign::Other, "{name}");
        }
    }

    #[test]
    fn distances() {
        for (one, other, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
