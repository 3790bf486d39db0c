//! Compares the server's lists with the client's settings.

use super::document::ServerMetadata;
use crate::{
    endpoint::attempt_context::AttemptContext,
    error::{Error, Problem, join_names},
    event::EventKind,
};

/// Maximum number of names in an event.
const MAX_NAMES: usize = 12;

/// A setting that is missing in the server's list.
struct Unlisted<'a> {
    member: &'static str,
    used: &'a str,
    listed: &'a [String],
}

/// The settings that are missing in the server's lists. An empty list is ignored: servers that leave
/// out a list do not mean the default of RFC 8414 §2.
fn unlisted<'a>(
    metadata: &'a ServerMetadata,
    context: &'a AttemptContext<'a>,
) -> impl Iterator<Item = Unlisted<'a>> {
    let wanted: [(_, Option<&str>, _); 3] = [
        (
            "token_endpoint_auth_methods_supported",
            context.auth.method(),
            metadata.token_endpoint_auth_methods(),
        ),
        (
            "token_endpoint_auth_signing_alg_values_supported",
            context.auth.signing_algorithm(),
            metadata.token_endpoint_auth_signing_algorithms(),
        ),
        ("grant_types_supported", Some(context.grant_type), metadata.grant_types()),
    ];
    wanted.into_iter().filter_map(|(member, used, listed)| {
        let used = used?;
        let missing = !listed.is_empty() && listed.iter().all(|name| name != used);
        missing.then_some(Unlisted { member, used, listed })
    })
}

pub(super) fn events(metadata: &ServerMetadata, context: &AttemptContext<'_>) -> Vec<EventKind> {
    unlisted(metadata, context)
        .map(|Unlisted { member, used, listed }| EventKind::MetadataMismatch {
            member,
            used: used.to_owned(),
            listed: listed.iter().take(MAX_NAMES).cloned().collect(),
        })
        .collect()
}

/// The check of the strict mode. Grant types are not checked, since they are wrong too often.
///
/// # Errors
///
/// Problem `UnsupportedAuthMethod`, naming what is listed.
pub(super) fn strict(metadata: &ServerMetadata, context: &AttemptContext<'_>) -> Result<(), Error> {
    match unlisted(metadata, context).find(|it| it.member != "grant_types_supported") {
        None => Ok(()),
        Some(it) => Err(Error::of(Problem::UnsupportedAuthMethod).with_detail(describe(&it))),
    }
}

/// Adds a mismatch with the metadata to a refusal, if it may explain the refusal.
pub(in crate::endpoint) fn explain(
    error: Error,
    metadata: &ServerMetadata,
    context: &AttemptContext<'_>,
) -> Error {
    use Problem as K;
    let hint = match error.problem() {
        K::InvalidClient | K::UnauthorizedClient | K::UnsupportedGrantType | K::InvalidRequest => {
            unlisted(metadata, context).next()
        }
        _ => None,
    };
    match hint {
        Some(hint) => error.and_detail(describe(&hint)),
        None => error,
    }
}

fn describe(it: &Unlisted<'_>) -> String {
    let listed = join_names(it.listed);
    format!("its metadata lists no {} but {listed} ({})", it.used, it.member)
}
