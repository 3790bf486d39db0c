//! What the server lists and what this client does.

use super::{Via, document::ServerMetadata};
use crate::{
    error::{Error, ErrorKind},
    event::Event,
};

/// How many names a message shows.
const SHOWN: usize = 12;

/// Something that a list of the server's has not.
struct Unlisted<'a> {
    member: &'static str,
    used: &'a str,
    listed: &'a [String],
}

/// An empty list says nothing: the default that RFC 8414 §2 gives for a missing one is not what
/// servers that leave it out mean.
fn unlisted<'a>(
    metadata: &'a ServerMetadata,
    via: &'a Via<'a>,
) -> impl Iterator<Item = Unlisted<'a>> {
    let wanted: [(_, Option<&str>, _); 3] = [
        (
            "token_endpoint_auth_methods_supported",
            via.auth.method(),
            metadata.token_endpoint_auth_methods(),
        ),
        (
            "token_endpoint_auth_signing_alg_values_supported",
            via.auth.signing_algorithm(),
            metadata.token_endpoint_auth_signing_algorithms(),
        ),
        ("grant_types_supported", Some(via.grant_type), metadata.grant_types()),
    ];
    wanted.into_iter().filter_map(|(member, used, listed)| {
        let used = used?;
        let missing = !listed.is_empty() && listed.iter().all(|name| name != used);
        missing.then_some(Unlisted { member, used, listed })
    })
}

pub(super) fn events(metadata: &ServerMetadata, via: &Via<'_>) -> Vec<Event> {
    unlisted(metadata, via)
        .map(|Unlisted { member, used, listed }| Event::MetadataMismatch {
            member,
            used: used.to_owned(),
            listed: listed.iter().take(SHOWN).cloned().collect(),
        })
        .collect()
}

/// The hard stop of the strict mode. Grant types are no part of it: they are wrong too often.
///
/// # Errors
///
/// Kind `UnsupportedAuthMethod`, naming what is listed.
pub(super) fn strict(metadata: &ServerMetadata, via: &Via<'_>) -> Result<(), Error> {
    match unlisted(metadata, via).find(|it| it.member != "grant_types_supported") {
        None => Ok(()),
        Some(it) => Err(Error::new(ErrorKind::UnsupportedAuthMethod).with_detail(describe(&it))),
    }
}

/// What the metadata has to say about a refusal, if it explains it.
pub(in crate::endpoint) fn explain(
    error: Error,
    metadata: &ServerMetadata,
    via: &Via<'_>,
) -> Error {
    use ErrorKind as K;
    let hint = match error.kind() {
        K::InvalidClient | K::UnauthorizedClient | K::UnsupportedGrantType | K::InvalidRequest => {
            unlisted(metadata, via).next()
        }
        _ => None,
    };
    match hint {
        Some(hint) => error.and_detail(describe(&hint)),
        None => error,
    }
}

fn describe(it: &Unlisted<'_>) -> String {
    let more = if it.listed.len() > SHOWN { ", …" } else { "" };
    let listed = it.listed[..it.listed.len().min(SHOWN)].join(", ");
    format!("its metadata lists no {} but {listed}{more} ({})", it.used, it.member)
}
