//! A token and a request's header fields: what is put where.

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

/// Adds the field, in one look-up of the map. `name`: other than `Authorization`. `Ok(false)`: done;
/// all else is for [`settle`].
// Appending is the one look-up that tells and adds at once; a request with a field of its own is the
// exception and put right afterwards. And the constant is cheaper to insert than any name that must
// be cloned.
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

/// What to do when there was a field already, or no room.
#[cold]
pub(crate) fn settle(
    appended: Result<bool, MaxSizeReached>,
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
    own: OwnAuthorization,
) -> Authorized {
    match appended {
        Ok(false) => Authorized::Ours,
        Ok(true) => beside_own(headers, name, own),
        Err(_) => in_full(headers, name, value, own),
    }
}

/// No room for one more, which a field of its own does not need.
fn in_full(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &HeaderValue,
    own: OwnAuthorization,
) -> Authorized {
    if !headers.contains_key(name) {
        return Authorized::Full;
    }
    match own {
        OwnAuthorization::Pass => Authorized::Own,
        OwnAuthorization::Refuse => Authorized::Refused,
        OwnAuthorization::Replace => {
            headers.remove(name);
            match headers.try_insert(name, value.clone()) {
                Ok(_) => Authorized::Ours,
                Err(_) => Authorized::Full,
            }
        }
    }
}

/// Apart: few use another field, and its code would be copied into every caller.
#[cold]
#[inline(never)]
fn append_named(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: HeaderValue,
) -> Result<bool, MaxSizeReached> {
    headers.try_append(name, value)
}

/// Ours was appended to the request's own: one of them goes.
fn beside_own(headers: &mut HeaderMap, name: &HeaderName, own: OwnAuthorization) -> Authorized {
    let Ok(Entry::Occupied(mut field)) = headers.try_entry(name) else {
        return Authorized::Full;
    };
    // Cloned, as `OccupiedEntry::insert_mult` panics where there are three values (http 1.5).
    let mut theirs: Vec<_> = field.iter().cloned().collect();
    let ours = theirs.pop().expect("it was just appended");
    if own == OwnAuthorization::Replace {
        field.insert(ours);
        return Authorized::Ours;
    }
    let mut theirs = theirs.into_iter();
    field.insert(theirs.next().expect("there was one before ours"));
    theirs.for_each(|value| field.append(value));
    match own {
        OwnAuthorization::Refuse => Authorized::Refused,
        _ => Authorized::Own,
    }
}

/// Adds the proof for a token that is bound to a key, in place of any that the request has.
///
/// # Errors
///
/// Why there is none.
#[cold]
pub(crate) fn put_proof<B>(request: &mut Request<B>, token: &Token) -> Result<(), Error> {
    let Some(proof) = token.prove(request.method(), request.uri())? else { return Ok(()) };
    match request.headers_mut().try_insert(DPOP, proof) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(ErrorKind::Refused).with_detail(NO_ROOM)),
    }
}

/// Why a request is refused that has too many header fields already.
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

    fn authorized(own: OwnAuthorization) -> (Authorized, Vec<String>) {
        let mut headers = headers();
        let ours = HeaderValue::from_static("Bearer 3");
        let appended = append(&mut headers, None, &ours);
        let authorized = settle(appended, &mut headers, &AUTHORIZATION, &ours, own);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        (authorized, headers.iter().map(text).collect())
    }

    #[test]
    fn fields_of_its_own_stay_as_they_were_and_where_they_were() {
        let untouched = ["host: a", "authorization: Basic 1", "authorization: Basic 2", "te: b"];
        assert_eq!(
            authorized(OwnAuthorization::Pass),
            (Authorized::Own, untouched.map(Into::into).into())
        );
        assert_eq!(authorized(OwnAuthorization::Refuse).0, Authorized::Refused);
    }

    #[test]
    fn ours_takes_the_place_of_all_of_them() {
        let replaced = ["host: a", "authorization: Bearer 3", "te: b"];
        assert_eq!(
            authorized(OwnAuthorization::Replace),
            (Authorized::Ours, replaced.map(Into::into).into())
        );
    }
}
