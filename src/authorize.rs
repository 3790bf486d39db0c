//! A token and a request's header fields: what is put where.

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION, header::Entry};

/// What to do with a request that carries its own authorization field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnAuthorization {
    /// It passes untouched, and its response too: not classified, not replayed. The default.
    #[default]
    Pass,
    /// The cache's token takes its place: for a proxy whose callers authenticate to it.
    Replace,
    /// It is refused with an error.
    Refuse,
}

/// How a request left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorized {
    /// With the cache's token.
    Ours,
    /// With its own field.
    Own,
    /// Not at all: it has its own field, and that is to be refused.
    Refused,
    /// Not at all: it has no room for another field.
    Full,
}

/// Adds the field, in one look-up of the map. `name`: other than `Authorization`.
pub(crate) fn authorize(
    headers: &mut HeaderMap,
    name: Option<&HeaderName>,
    value: &HeaderValue,
    own: OwnAuthorization,
) -> Authorized {
    // The constant is cheaper to insert than any name that must be cloned.
    let entry = match name {
        None => headers.try_entry(AUTHORIZATION),
        Some(name) => headers.try_entry(name),
    };
    match (entry, own) {
        (Ok(Entry::Vacant(vacant)), _) => match vacant.try_insert(value.clone()) {
            Ok(_) => Authorized::Ours,
            Err(_) => Authorized::Full,
        },
        (Ok(Entry::Occupied(_)), OwnAuthorization::Pass) => Authorized::Own,
        (Ok(Entry::Occupied(_)), OwnAuthorization::Refuse) => Authorized::Refused,
        (Ok(Entry::Occupied(mut occupied)), OwnAuthorization::Replace) => {
            occupied.insert(value.clone());
            Authorized::Ours
        }
        (Err(_), _) => Authorized::Full,
    }
}
