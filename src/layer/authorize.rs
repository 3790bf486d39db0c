//! Adds a token, and a proof of possession, to a request's header fields.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{AUTHORIZATION, Entry, MaxSizeReached},
};

use crate::{
    error::{Error, Problem},
    token::{DPOP, Token},
};

/// What to do with a request that has an existing authorization field.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{
///     OAuthClientCredentialsLayer, Origins, TokenCache, layer::ExistingAuthorization,
/// };
///
/// # fn example(tokens: TokenCache) {
/// let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any())
///     .existing_authorization(ExistingAuthorization::Replace);
/// # drop(layer);
/// # }
/// ```
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

/// Appends the token's field. `name` is `None` for `Authorization`.
///
/// Returns whether the request already had such a field, as [`HeaderMap::try_append`] does. Pass any
/// result other than `Ok(false)` to [`resolve_conflict`].
// Appending adds the field and reports an existing one in a single lookup. A request with an
// existing field is rare, and is corrected afterwards. The constant name is the cheapest to insert.
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

/// Handles a request that already has the field, or whose map is full. Returns whether the request
/// carries the token. Otherwise it keeps its existing field.
///
/// # Errors
///
/// The reason why the request must not be sent.
#[cold]
pub(crate) fn resolve_conflict(
    appended: Result<bool, MaxSizeReached>,
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
    own: ExistingAuthorization,
) -> Result<bool, &'static str> {
    match appended {
        Ok(false) => Ok(true),
        Ok(true) => resolve_existing(headers, name, own),
        Err(_) => resolve_full(headers, name, value, own),
    }
}

/// Handles a full map. A request that has an existing field needs no room for another one.
fn resolve_full(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
    own: ExistingAuthorization,
) -> Result<bool, &'static str> {
    if !headers.contains_key(name) {
        return Err(NO_ROOM);
    }
    match own {
        ExistingAuthorization::Pass => Ok(false),
        ExistingAuthorization::Refuse => Err(HAS_EXISTING),
        ExistingAuthorization::Replace => {
            headers.remove(name);
            match headers.try_insert(name, value.clone()) {
                Ok(_) => Ok(true),
                Err(_) => Err(NO_ROOM),
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

/// Handles a request whose existing fields are now followed by the token. Removes either of them.
fn resolve_existing(
    headers: &mut HeaderMap,
    name: &HeaderName,
    own: ExistingAuthorization,
) -> Result<bool, &'static str> {
    let Ok(Entry::Occupied(mut field)) = headers.try_entry(name) else {
        return Err(NO_ROOM);
    };
    // Copied out, because `OccupiedEntry::insert_mult` panics with three values (http 1.5).
    let mut own_values: Vec<_> = field.iter().cloned().collect();
    let token = own_values.pop().expect("it was just appended");
    if own == ExistingAuthorization::Replace {
        field.insert(token);
        return Ok(true);
    }
    let mut own_values = own_values.into_iter();
    field.insert(own_values.next().expect("there was one before the token"));
    own_values.for_each(|value| field.append(value));
    match own {
        ExistingAuthorization::Refuse => Err(HAS_EXISTING),
        _ => Ok(false),
    }
}

/// Adds the proof of possession for a token that is bound to a key. Replaces an existing proof.
///
/// # Errors
///
/// An error if the proof could not be made, or the request has no room for it.
#[cold]
pub(crate) fn add_proof<B>(request: &mut Request<B>, token: &Token) -> Result<(), Error> {
    let Some(proof) = token.prove(request.method(), request.uri())? else { return Ok(()) };
    match request.headers_mut().try_insert(DPOP, proof) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::of(Problem::Refused).with_detail(NO_ROOM)),
    }
}

/// The detail of the error for a request that has an existing authorization field.
pub(crate) const HAS_EXISTING: &str = "it carries its own authorization field";

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

    fn authorized(own: ExistingAuthorization) -> (Result<bool, &'static str>, Vec<String>) {
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
            (Ok(false), untouched.map(Into::into).into())
        );
        assert_eq!(authorized(ExistingAuthorization::Refuse).0, Err(HAS_EXISTING));
    }

    #[test]
    fn the_token_replaces_all_of_its_own_fields() {
        let replaced = ["host: a", "authorization: Bearer 3", "te: b"];
        assert_eq!(
            authorized(ExistingAuthorization::Replace),
            (Ok(true), replaced.map(Into::into).into())
        );
    }
}
