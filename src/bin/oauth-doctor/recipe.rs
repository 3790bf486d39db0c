//! The settings that the lines and variables are made of.

use tower_oauth2_client_credentials::jose::SigningAlgorithm;

use crate::{args::Args, method::Method};

/// The settings that worked.
pub(crate) struct Recipe<'a> {
    pub(crate) args: &'a Args,
    pub(crate) method: Method,
    pub(crate) dpop: bool,
    /// Whether the server states a token type that is not registered.
    pub(crate) has_unknown_type: bool,
    pub(crate) algorithm: Option<SigningAlgorithm>,
    pub(crate) key_is_jwk: bool,
}

/// Some servers require keys in the query.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// A proxy URL without user and password.
pub(crate) fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

/// A URL without user, password and query. It may be malformed.
pub(crate) fn public_part(url: &str) -> String {
    let url = without_query(url);
    let (scheme, rest) = match url.split_once("//") {
        Some((scheme, rest)) => (format!("{scheme}//"), rest),
        None => (String::new(), url),
    };
    match user_info(url) {
        Some(user) => format!("{scheme}{}", &rest[user.len() + 1..]),
        None => url.to_owned(),
    }
}

/// The user and password of a URL.
pub(crate) fn user_info(url: &str) -> Option<&str> {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit_once('@').map(|(user, _)| user)
}
