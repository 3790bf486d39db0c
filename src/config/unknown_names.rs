//! Names that are not settings: misspelled names, and variables of other programs.

use super::setting_names::SETTINGS;

/// The origin of variables that have the prefix and are not settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VariableOrigin {
    Unknown,
    /// Kubernetes makes them for a service whose name is the prefix.
    Kubernetes,
}

impl VariableOrigin {
    /// The origin of a variable with this name after the prefix.
    pub(super) fn of(name: &str) -> Self {
        if is_service_link(name) { Self::Kubernetes } else { Self::Unknown }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Unknown => {
                "if they are not for this client, use another prefix (from_env_with_prefix)"
            }
            Self::Kubernetes => {
                "Kubernetes makes such variables for a service named like the prefix; use another \
                 prefix (from_env_with_prefix), or set enableServiceLinks: false in the pod spec"
            }
        }
    }
}

/// Whether Kubernetes makes a variable like this for a service: `SERVICE_HOST`, `SERVICE_PORT_HTTP`,
/// `PORT`, `PORT_443_TCP_ADDR`. A service named `oauth-proxy` has more words in front.
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

/// The setting that a misspelled name most likely means.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let given = normalized(name);
    let distances =
        SETTINGS.iter().map(|setting| (distance(&given, &normalized(setting)), *setting));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters may be wrong, but at least one and at most three.
    let allowed = given.len().div_ceil(3).min(3);
    let part = || SETTINGS.iter().copied().find(|setting| is_suffix(setting, name));
    if distance <= allowed { Some(nearest) } else { part() }
}

/// Whether a name is the end of a setting's name, such as `SECRET`.
fn is_suffix(setting: &str, name: &str) -> bool {
    let (setting, name) = (normalized(setting), normalized(name));
    name.len() >= 2 && setting.len() > name.len() && setting.ends_with(&name)
}

/// The name without case and separators, which differ most often.
fn normalized(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The Levenshtein distance.
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
    fn misspelled_names_lead_to_the_setting() {
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
    fn service_links_are_recognized() {
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
            assert_eq!(VariableOrigin::of(name), VariableOrigin::Kubernetes, "{name}");
        }
        for name in ["SCOPES", "SERVICE", "PORTS", "PORT_NAME", "SERVICE_HOSTS", ""] {
            assert_eq!(VariableOrigin::of(name), VariableOrigin::Unknown, "{name}");
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
