//! Keeps secrets out of the report.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use clap::ValueEnum as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::method::Method;

/// A part of a secret of this length counts as the secret.
const WINDOW: usize = 8;
/// Shorter secrets occur in other words by chance. Our own text is not searched for them.
const MIN_REPLACED: usize = 6;
/// Maximum length of a server's text in characters.
const MAX_TEXT: usize = 300;

const WITHHELD: &str = "[left out: it repeats a secret]";
const REDACTED: &str = "[redacted]";

/// RFC 3986's unreserved characters stay.
const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// All secrets that were read, sent or received, in every encoding. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<Vec<String>>>);

impl Secrets {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, secret: &str) {
        if secret.trim().is_empty() {
            return;
        }
        let mut known = self.lock();
        for form in forms(secret) {
            if !known.contains(&form) {
                known.push(form);
            }
        }
    }

    /// Text of the server for the report: one line, short, and left out if it repeats a part of a
    /// secret.
    pub(crate) fn clean(&self, text: &str) -> String {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let invisible = |c: &char| is_invisible(*c);
        let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        let joined: String = visible.chars().filter(|c| !c.is_control()).collect();
        if [text, &visible, &joined].into_iter().any(|text| self.repeats(text)) {
            return WITHHELD.to_owned();
        }
        let mut short: String =
            text.chars().filter(|c| !invisible(c)).take(MAX_TEXT + 1).map(printable).collect();
        if let Some((end, _)) = short.char_indices().nth(MAX_TEXT) {
            short.truncate(end);
            short.push('…');
        }
        short.trim().to_owned()
    }

    fn repeats(&self, text: &str) -> bool {
        self.lock().iter().any(|form| {
            if form.len() <= WINDOW {
                return text.contains(form.as_str());
            }
            let windows = form.as_bytes().windows(WINDOW);
            let text = text.as_bytes();
            windows.into_iter().any(|window| text.windows(WINDOW).any(|at| at == window))
        })
    }

    /// Replaces whole secrets in any text, as the last step before it is printed. A secret that is a
    /// part of a method's name stays there.
    pub(crate) fn scrub(&self, text: &mut String) {
        for form in self.lock().iter().filter(|form| form.len() >= MIN_REPLACED) {
            let methods = Method::value_variants();
            if text.contains(form.as_str()) && !methods.iter().any(|it| it.name().contains(form)) {
                *text = text.replace(form.as_str(), REDACTED);
            }
        }
    }

    /// Replaces secrets in an argument. `true`: it has one.
    pub(crate) fn replace(&self, argument: &mut String) -> bool {
        let before = argument.clone();
        for form in self.lock().iter() {
            if argument == form {
                *argument = REDACTED.to_owned();
            } else if form.len() >= MIN_REPLACED {
                *argument = argument.replace(form.as_str(), REDACTED);
            }
        }
        *argument != before
    }
}

/// Characters that have no width or change the direction. They could hide a secret in a text.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

/// The secret as it may appear in text: raw, escaped, percent-encoded, in hexadecimal, in base64 at each
/// alignment.
fn forms(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, RESERVED).to_string();
    let escaped = serde_json::Value::from(secret).to_string();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        escaped.trim_matches('"').to_owned(),
        percent.replace("%20", "+"),
        percent.to_lowercase(),
        percent,
        hex.to_uppercase(),
        hex,
    ];
    for skipped in 0..3 {
        let padded = [&b"\0\0\0"[..skipped], secret.as_bytes()].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            // The characters at both ends depend on the neighbors.
            let start = [0, 2, 3][skipped];
            let end = text.len() - usize::from(padded.len() % 3 != 0);
            if let Some(inner) = text.get(start..end).filter(|inner| inner.len() >= WINDOW) {
                forms.push(inner.to_owned());
            }
        }
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const SECRET: &str = "p/ä\"ss wörd+%41&canary";

    fn secrets() -> Secrets {
        let secrets = Secrets::default();
        secrets.add(SECRET);
        secrets
    }

    #[test]
    fn every_encoding_is_left_out_and_replaced() {
        let percent = utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string();
        let basic = |id: &str| STANDARD.encode(format!("{id}:{SECRET}"));
        let escaped = serde_json::Value::from(SECRET).to_string();
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        let forms = [SECRET.to_owned(), percent, escaped, hex.to_uppercase(), hex];
        for shown in forms.into_iter().chain([basic(""), basic("i"), basic("id")]) {
            let text = format!("the server says {shown}!");
            assert_eq!(secrets().clean(&text), WITHHELD, "{shown}");
            let mut text = text;
            secrets().scrub(&mut text);
            assert!(!text.contains("canary") && text.contains(REDACTED), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_secret_is_left_out_and_other_text_is_kept_in_one_short_line() {
        assert_eq!(secrets().clean("it ends with &canary!"), "it ends with &canary!");
        assert_eq!(secrets().clean("it ends with 1&canary!"), WITHHELD);
        for hidden in ['\u{ad}', '\u{61c}', '\u{200b}', '\u{e0041}', '\0'] {
            let spread = SECRET.chars().flat_map(|c| [c, hidden]).collect::<String>();
            assert_eq!(secrets().clean(&spread), WITHHELD, "{hidden:?}");
        }
        assert_eq!(secrets().clean("two\r\nlines\u{1b}[31m\u{202e}"), "two  lines [31m");
        assert_eq!(secrets().clean(&"x".repeat(1000)).chars().count(), MAX_TEXT + 1);
    }
}
