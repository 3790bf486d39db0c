//! Challenges that the crate `http-auth` parses mean the same to us. What we parse, written in the
//! strict form, means the same to `http-auth`. README.md judges the texts that only we parse.

use http_auth::{ParamValue, parse_challenges};

pub use crate::layer::Challenge;
use crate::layer::challenges;

pub fn run(data: &[u8]) {
    // A field value has no other bytes, and `http-auth` knows only ASCII.
    if !data.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return;
    }
    let text = str::from_utf8(data).expect("ASCII");
    let ours = ours(data);
    if let Ok(theirs) = theirs(text) {
        assert_eq!(ours.as_ref(), Some(&theirs), "{text}");
    }
    if let Some(ours) = ours {
        let strict = ours.iter().map(print).collect::<Vec<_>>().join(", ");
        assert!(ours.is_empty() || theirs(&strict).as_ref() == Ok(&ours), "{text}: {strict}");
    }
}

/// The challenges by this crate. `None` if a part cannot be parsed.
pub fn ours(text: &[u8]) -> Option<Vec<Challenge>> {
    challenges(text)
}

/// The challenges by `http-auth`.
pub fn theirs(text: &str) -> Result<Vec<Challenge>, String> {
    let challenges = parse_challenges(text).map_err(|error| error.to_string())?;
    let params = |params: &[(&str, ParamValue<'_>)]| {
        let pair = |(name, value): &(&str, ParamValue<'_>)| {
            (name.as_bytes().to_vec(), value.to_unescaped().into_bytes())
        };
        params.iter().map(pair).collect()
    };
    Ok(challenges.iter().map(|it| (it.scheme.into(), params(&it.params))).collect())
}

fn print((scheme, params): &Challenge) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII");
    let escaped = |value: &[u8]| text(value).replace('\\', "\\\\").replace('"', "\\\"");
    let pair =
        |(name, value): &(Vec<u8>, Vec<u8>)| format!("{}=\"{}\"", text(name), escaped(value));
    let params: Vec<_> = params.iter().map(pair).collect();
    format!("{} {}", text(scheme), params.join(", ")).trim_end().to_owned()
}
