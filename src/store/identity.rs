//! The id of an entry.

use aws_lc_rs::digest;

use super::traits::EntryId;
use crate::{
    error::{Error, Problem},
    source::{Sharing, SharingLimit},
};

/// Domain separation: no other hash of this crate equals an entry id.
const LABEL: &[u8] = b"tower-oauth2-client-credentials entry 1";

/// The id of a source's entry: a hash of the namespace and of the properties that determine the token.
///
/// # Errors
///
/// Kind `Config`, if processes cannot share the token, or only with a namespace.
pub(super) fn entry_id(sharing: &Sharing, namespace: Option<&str>) -> Result<EntryId, Error> {
    let mistake = match sharing.limit() {
        Some(SharingLimit::Never(reason)) => {
            Some(format!("source: its token cannot be shared; {reason}"))
        }
        Some(SharingLimit::NeedsNamespace(reason)) if namespace.is_none() => Some(format!(
            "namespace: none is set, and {reason}; set a namespace that no client with another \
             token has"
        )),
        _ => None,
    };
    if let Some(mistake) = mistake {
        return Err(Error::of(Problem::Config).with_detail(mistake));
    }
    let namespace = namespace.unwrap_or_default().as_bytes();
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [LABEL, &(namespace.len() as u64).to_be_bytes(), namespace, sharing.identity()] {
        hash.update(part);
    }
    let mut id = [0; 32];
    id.copy_from_slice(hash.finish().as_ref());
    Ok(EntryId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_property_and_the_namespace_make_another_entry() {
        let plain = || Sharing::new().with("client_id", "a");
        let ids = [
            entry_id(&plain(), None),
            entry_id(&plain(), Some("staging")),
            entry_id(&plain().with("scope", "b"), None),
            entry_id(&Sharing::new().with("client_id", "ab"), None),
            entry_id(&Sharing::new().with("client_ida", ""), None),
            entry_id(&Sharing::new(), None),
        ];
        let ids: std::collections::HashSet<_> = ids.into_iter().map(Result::unwrap).collect();
        assert_eq!(ids.len(), 6);
        assert_eq!(entry_id(&plain(), None).unwrap(), entry_id(&plain(), None).unwrap());
    }

    #[test]
    fn an_unknown_property_needs_a_namespace() {
        let unknown = Sharing::new().needs_namespace("its key is secret");
        let error = entry_id(&unknown, None).unwrap_err().to_string();
        assert!(error.contains("namespace: none is set, and its key is secret; set"), "{error}");
        entry_id(&unknown, Some("billing")).unwrap();
        let never = unknown.never("its key is generated");
        let error = entry_id(&never, Some("billing")).unwrap_err().to_string();
        assert!(error.contains("cannot be shared; its key is generated"), "{error}");
    }
}
