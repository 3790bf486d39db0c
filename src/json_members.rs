//! Reads named members of a JSON object, and skips all others without a copy.

use std::fmt;

use serde_core::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The values of `N` members. Of a member given twice, the last one counts.
pub(crate) struct Members<'a, const N: usize>(pub(crate) [Option<&'a RawValue>; N]);

impl<'a, const N: usize> Members<'a, N> {
    /// # Errors
    ///
    /// An error if the text is not a JSON object.
    pub(crate) fn read(json: &'a str, names: &[&str; N]) -> serde_json::Result<Self> {
        let mut values = [None; N];
        read(json, Object { names, values: &mut values })?;
        Ok(Self(values))
    }
}

fn read<'a>(json: &'a str, object: Object<'_, 'a>) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_map(object)?;
    deserializer.end()
}

struct Object<'n, 'a> {
    names: &'n [&'n str],
    values: &'n mut [Option<&'a RawValue>],
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match self.names.iter().position(|known| *known == name) {
                Some(index) => self.values[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
