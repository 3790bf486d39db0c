//! Adds a token, and a proof of possession, to a request's header fields.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{AUTHORIZATION, Entry, MaxSizeReached},
};

use crate::{
    error::{Error, ErrorKind},
    token::{DPOP, Token},
};

/// What to do with a request that carries its own authorization field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingAuthorization {
    /// Pass the request and its response through unchanged. The default.
    #[default]
    Pass,
    /// Replace the field by the cache's token. This is for a proxy whose callers authenticate to it.
    Replace,
    /// Refuse the request with an error.
    Refuse,
}

/// The authorization of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorized {
    /// The cache's token.
    Ours,
    /// Its own field.
    Own,
    /// It has its own field and is refused for that.
    Refused,
    /// It has no room for another field.
    Full,
}

/// Adds the field. `name`: `None` for `Authorization`. Anything but `Ok(false)` is for
/// [`resolve_conflict`].
// Appending adds the field and reports an existing one in a single lookup. Requests with their own
// field are rare and corrected afterwards. The constant name is the cheapest to insert.
#[inline(always)]
pub(crate) fn append(
    headers: &mut HeaderMap,
    name: Option<&HeaderName>,
    value: &HeaderValue,
) -> Result<bool, MaxSizeReached> {
    match name {
        None => headers.try_append(AUTHORIZATION, value.clone()),
        Some(name) => append_named(headers, name, value.clone()),
    }
}

/// Resolves an existing field, or a full map.
#[cold]
pub(crate) fn resolve_conflict(
    appended: Result<bool, MaxSizeReached>,
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
    own: ExistingAuthorization,
) -> Authorized {
    match appended {
        Ok(false) => Authorized::Ours,
        Ok(true) => resolve_own(headers, name, own),
        Err(_) => resolve_full(headers, name, value, own),
    }
}

/// The map is full. A request with its own field needs no more room.
fn resolve_full(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
    own: ExistingAuthorization,
) -> Authorized {
    if !headers.contains_key(name) {
        return Authorized::Full;
    }
    match own {
        ExistingAuthorization::Pass => Authorized::Own,
        ExistingAuthorization::Refuse => Authorized::Refused,
        ExistingAuthorization::Replace => {
            headers.remove(name);
            match headers.try_insert(name, value.clone()) {
                Ok(_) => Authorized::Ours,
                Err(_) => Authorized::Full,
            }
        }
    }
}

// Out of line: another field is rare, and this code would be copied into every caller.
#[cold]
#[inline(never)]
fn append_named(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: HeaderValue,
) -> Result<bool, MaxSizeReached> {
    headers.try_append(name, value)
}

/// The token was appended to the request's own fields. Removes one or the other.
fn resolve_own(
    headers: &mut HeaderMap,
    name: &HeaderName,
    own: ExistingAuthorization,
) -> Authorized {
    let Ok(Entry::Occupied(mut field)) = headers.try_entry(name) else {
        return Authorized::Full;
    };
    // Copied out, because `OccupiedEntry::insert_mult` panics with three values (http 1.5).
    let mut own_values: Vec<_> = field.iter().cloned().collect();
    let ours = own_values.pop().expect("it was just appended");
    if own == ExistingAuthorization::Replace {
        field.insert(ours);
        return Authorized::Ours;
    }
    let mut own_values = own_values.into_iter();
    field.insert(own_values.next().expect("there was one before ours"));
    own_values.for_each(|value| field.append(value));
    match own {
        ExistingAuthorization::Refuse => Authorized::Refused,
        _ => Authorized::Own,
    }
}

/// Adds the proof of possession for a token that is bound to a key. It replaces a proof that the
/// request has.
///
/// # Errors
///
/// The proof could not be made, or the request has no room for it.
#[cold]
pub(crate) fn add_proof<B>(request: &mut Request<B>, token: &Token) -> Result<(), Error> {
    let Some(proof) = token.prove(request.method(), request.uri())? else { return Ok(()) };
    match request.headers_mut().try_insert(DPOP, proof) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(ErrorKind::Refused).with_detail(NO_ROOM)),
    }
}

/// The detail of the error for a request with too many header fields.
pub(crate) const NO_ROOM: &str = "it has no room for another header field";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> HeaderMap {
        [("host", "a"), ("authorization", "Basic 1"), ("authorization", "Basic 2"), ("te", "b")]
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value): (HeaderName, _)| {
                headers.append(name, value);
                headers
            })
    }

    fn authorized(own: ExistingAuthorization) -> (Authorized, Vec<String>) {
        let mut headers = headers();
        let ours = HeaderValue::from_static("Bearer 3");
        let appended = append(&mut headers, None, &ours);
        let authorized = resolve_conflict(appended, &mut headers, &AUTHORIZATION, &ours, own);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        (authorized, headers.iter().map(text).collect())
    }

    #[test]
    fn its_own_fields_stay_unchanged_and_in_place() {
        let untouched = ["host: a", "authorization: Basic 1", "authorization: Basic 2", "te: b"];
        assert_eq!(
            authorized(ExistingAuthorization::Pass),
            (Authorized::Own, untouched.map(Into::into).into())
        );
        assert_eq!(authorized(ExistingAuthorization::Refuse).0, Authorized::Refused);
    }

    #[test]
    fn the_token_replaces_all_of_its_own_fields() {
        let replaced = ["host: a", "authorization: Bearer 3", "te: b"];
        assert_eq!(
            authorized(ExistingAuthorization::Replace),
            (Authorized::Ours, replaced.map(Into::into).into())
        );
    }
}
