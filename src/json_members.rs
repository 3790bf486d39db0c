//! Reads named members of a JSON object, and skips the values of all others without a copy.

use std::fmt;

use serde_core::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The values of `N` members. Of a member given twice, the last one counts.
///
/// # Errors
///
/// An error if the text is not a JSON object.
pub(crate) fn read<'a, const N: usize>(
    json: &'a [u8],
    names: &[&str; N],
) -> serde_json::Result<[Option<&'a RawValue>; N]> {
    let mut values = [None; N];
    read_object(json, Object { names, values: &mut values })?;
    Ok(values)
}

// Not generic in `N`, so that it is compiled once.
fn read_object<'a>(json: &'a [u8], object: Object<'_, 'a>) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
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

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn named_members_are_found_among_others() {
        let json = r#"{"b":[1,{"a":2}],"a":"x","c":1e999,"a":null}"#;
        let members = read(json.as_bytes(), &["a", "b", "d"]).unwrap();
        assert_eq!(
            members.map(|it| it.map(|it| it.get())),
            [Some("null"), Some(r#"[1,{"a":2}]"#), None]
        );
    }

    #[test]
    fn only_one_object_is_accepted() {
        for json in ["", "[]", "null", "{", "{} {}", r#"{"a":1,}"#] {
            assert!(read(json.as_bytes(), &["a"]).is_err(), "{json}");
        }
    }
}
