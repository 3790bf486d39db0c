//! Reads named members of a JSON object, and skips all others without a copy.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{endpoint::json_text, error::sanitise};

/// Maximum number of names of a list. Registries have fewer.
const MAX_NAMES: usize = 64;

/// The values of `N` members. Of a member given twice, the last one counts.
pub(super) struct Members<'a, const N: usize>(pub(super) [Option<&'a RawValue>; N]);

impl<'a, const N: usize> Members<'a, N> {
    /// # Errors
    ///
    /// An error if the text is not a JSON object.
    pub(super) fn read(body: &'a [u8], names: &[&str; N]) -> serde_json::Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let members = deserializer.deserialize_map(Object(names))?;
        deserializer.end()?;
        Ok(members)
    }
}

struct Object<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Object<'_, N> {
    type Value = Members<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [None; N];
        while let Some(name) = map.next_key::<String>()? {
            match self.0.iter().position(|known| *known == name) {
                Some(index) => members[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Members(members))
    }
}

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
