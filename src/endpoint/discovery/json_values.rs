//! Reads the values of metadata: texts and lists of texts.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{endpoint::json_text, error::sanitise};

/// Maximum number of names of a list. Registries have fewer.
const MAX_NAMES: usize = 64;

/// A string. Other values are ignored.
pub(super) fn text(member: &RawValue) -> Option<Zeroizing<String>> {
    json_text::decode(member.get())
}

/// The distinct texts in a list, sanitized because messages show them. Sanitizing does not change a
/// registered name.
pub(super) fn list(member: &RawValue) -> Vec<String> {
    serde_json::from_str(member.get()).map_or(Vec::new(), |List(names)| names)
}

struct List(Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List, A::Error> {
                let mut names = Vec::new();
                while let Some(item) = list.next_element::<&RawValue>()? {
                    if names.len() == MAX_NAMES {
                        continue;
                    }
                    let name = text(item).map(|name| sanitise(&name));
                    names.extend(name.filter(|name| !names.contains(name)));
                }
                Ok(List(names))
            }
        }

        deserializer.deserialize_seq(Names)
    }
}
