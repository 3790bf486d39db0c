//! The secrets in one request, to find them in a server's text.

use std::{error::Error as StdError, fmt, fmt::Write as _};

use zeroize::Zeroizing;

use super::{decodings::decodings, encodings, paste_marks};
use crate::limits::MAX_CREDENTIAL_BYTES;

/// A text that shares this many characters with a secret is not shown.
const WINDOW: usize = 8;
/// How much of a text is checked, in characters: several times what an error shows.
const MAX_CHECKED_CHARS: usize = 1000;
/// How much of a chain of causes is checked, in bytes.
const MAX_CHECKED_CAUSE_BYTES: usize = 64 * 1024;
/// Words of error messages. A secret that is one of these words is not searched for.
const COMMON_WORDS: [&str; 10] =
    ["bad", "basic", "client", "error", "grant", "invalid", "scope", "secret", "token", "wrong"];

/// Replaces a server's text that repeats a secret.
pub(crate) const WITHHELD: &str =
    "the server's text is left out because it repeats part of a secret";

/// The secrets that one request was sent with. Some servers echo their input, so texts of a server
/// are compared with these before an error, an event or a log line shows them.
///
/// A text is not shown if it shares 8 or more characters with a secret: raw, form-encoded, escaped
/// for HTML or JSON, in base64 or base64url, or with any of these in layers. A shorter secret counts
/// only as a whole, and one below 4 characters only as a word.
#[derive(Default)]
pub(crate) struct SentSecrets {
    sent: Vec<SentSecret>,
    hints: Vec<String>,
}

struct SentSecret {
    value: Zeroizing<String>,
    /// The client id, if both are sent in HTTP Basic authentication.
    client_id: Option<String>,
}

impl SentSecrets {
    pub(crate) fn push(&mut self, value: Zeroizing<String>) {
        self.sent.push(SentSecret { value, client_id: None });
    }

    /// Adds a client secret, which servers also know as `base64(id:secret)`.
    pub(crate) fn push_password(&mut self, client_id: &str, value: Zeroizing<String>) {
        self.check("client id", client_id);
        self.check("client secret", &value);
        self.sent.push(SentSecret { value, client_id: Some(client_id.to_owned()) });
    }

    /// Stores a hint for a refusal, if a value was copied with quotes or blanks.
    pub(crate) fn check(&mut self, name: &str, value: &str) {
        self.hints.extend(paste_marks::describe(name, value));
    }

    /// Hints about the credentials, without their values.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The beginning of a server's text, unless it repeats a secret or `token`, the access token in
    /// the same response.
    pub(crate) fn safe<'a>(&self, text: &'a str, token: Option<&str>) -> Option<&'a str> {
        let end = text.char_indices().nth(MAX_CHECKED_CHARS).map_or(text.len(), |(end, _)| end);
        let text = &text[..end];
        (!self.are_repeated(text, token)).then_some(text)
    }

    /// Whether an error or one of its causes repeats a secret, in `Display` or in `Debug`.
    pub(crate) fn are_repeated_by(&self, error: &(dyn StdError + 'static)) -> bool {
        let mut text = Bounded(Zeroizing::new(String::with_capacity(MAX_CHECKED_CAUSE_BYTES)));
        let mut next = Some(error);
        while let Some(link) = next {
            // Fails when the buffer is full, which also ends an endless chain. Text that was not compared
            // is not shown.
            if write!(text, "{link} {link:?} ").is_err() {
                return true;
            }
            next = link.source();
        }
        self.are_repeated(&text.0, None)
    }

    /// Whether a text repeats a secret or `token`.
    pub(crate) fn are_repeated(&self, text: &str, token: Option<&str>) -> bool {
        let texts = decodings(text.as_bytes());
        let windows = windows(&texts);
        let found = |form: &[u8]| match form.len() {
            0..WINDOW if COMMON_WORDS.iter().any(|word| word.as_bytes() == form) => false,
            0..WINDOW => texts.iter().any(|text| holds(text, form)),
            _ => form.windows(WINDOW).any(|window| windows.binary_search(&packed(window)).is_ok()),
        };
        let sent = self.sent.iter().map(|it| (it.value.as_str(), it.client_id.as_deref()));
        sent.chain(token.map(|token| (token, None))).any(|(value, client_id)| {
            encodings::any(
                &value.as_bytes()[..value.len().min(MAX_CREDENTIAL_BYTES)],
                client_id,
                found,
            )
        })
    }
}

impl Extend<Zeroizing<String>> for SentSecrets {
    fn extend<I: IntoIterator<Item = Zeroizing<String>>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

/// All windows of all texts, sorted, in a buffer that is wiped and not moved.
fn windows(texts: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u64>> {
    let room = texts.iter().map(|text| text.len()).sum();
    let mut windows = Zeroizing::new(Vec::with_capacity(room));
    windows.extend(texts.iter().flat_map(|text| text.windows(WINDOW)).map(packed));
    windows.sort_unstable();
    windows
}

/// Eight bytes as one number, without the difference of case.
fn packed(window: &[u8]) -> u64 {
    window.iter().fold(0, |packed, byte| packed << 8 | u64::from(byte.to_ascii_lowercase()))
}

/// Whether a short secret is in a text: a very short one as a word only, so that `in` is not found
/// in `invalid`.
fn holds(text: &[u8], secret: &[u8]) -> bool {
    const SHORTEST_PART: usize = 4;
    let in_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.windows(secret.len().max(1)).enumerate().any(|(at, window)| {
        let is_word = || {
            !in_word(at.checked_sub(1).and_then(|before| text.get(before)))
                && !in_word(text.get(at + secret.len()))
        };
        window == secret && (secret.len() >= SHORTEST_PART || is_word())
    })
}

/// A text that does not grow, so that no copy of it is left behind.
struct Bounded(Zeroizing<String>);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.0.capacity() - self.0.len() {
            let room = self.0.capacity() - self.0.len();
            let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            self.0.push_str(&text[..end]);
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };

    use super::*;

    const ID: &str = "my service";
    /// Every kind of character that some encoding escapes, and bytes that differ in base64url.
    const SECRET: &str = "p+s% w&r<d\"'\\/é?>~:1\t=";

    fn sent(secret: &str) -> SentSecrets {
        let mut sent = SentSecrets::default();
        sent.push_password(ID, Zeroizing::new(secret.to_owned()));
        sent
    }

    fn is_shown(secret: &str, text: &str) -> bool {
        sent(secret).safe(text, None).is_some()
    }

    fn percent(text: &str, safe: &str, hex: fn(u8) -> String) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || safe.as_bytes().contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { hex(byte) })
            .collect()
    }

    fn html(text: &str) -> String {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', "&#x27;")
    }

    fn json(text: &str) -> String {
        serde_json::to_string(text)
            .unwrap()
            .trim_matches('"')
            .replace('/', "\\/")
            .replace('é', "\\u00E9")
    }

    /// The secret in every encoding that servers are known to echo.
    fn encodings() -> Vec<String> {
        let upper = |byte| format!("%{byte:02X}");
        let lower = |byte| format!("%{byte:02x}");
        let form = percent(SECRET, "*-._", upper);
        let pair = format!("{ID}:{SECRET}");
        let form_pair = format!("{}:{form}", percent(ID, "*-._", upper));
        let body = format!("grant_type=client_credentials&client_secret={form}&scope=a");
        let mut all = vec![
            SECRET.to_owned(),
            form.clone(),
            form.replace("%20", "+"),
            percent(SECRET, "*-._", lower),
            percent(SECRET, "*-._", lower).replace("%20", "+"),
            percent(SECRET, "-._~!'()*", lower),
            html(SECRET),
            SECRET.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            json(SECRET),
            json(&html(SECRET)),
            html(&json(SECRET)),
            percent(&form, "", upper),
        ];
        for text in
            [SECRET, &form, &pair, &form_pair, &body, &format!("x{SECRET}"), &format!("xy{SECRET}")]
        {
            let standard = STANDARD.encode(text);
            all.extend([percent(&standard, "", lower), standard, URL_SAFE.encode(text)]);
        }
        all
    }

    #[test]
    fn a_secret_is_found_in_every_encoding_whole_and_in_parts() {
        for encoded in encodings() {
            assert!(!is_shown(SECRET, &format!("cannot read '{encoded}', sorry")), "{encoded}");
        }
        // Parts that no escape and no neighbor's bits are cut from.
        let (id, secret) = ("id", "c4n4ry-s3cret-of-the-service");
        let mut sent = SentSecrets::default();
        sent.push_password(id, Zeroizing::new(secret.to_owned()));
        for whole in
            [secret.to_owned(), STANDARD.encode(format!("{id}:{secret}")), URL_SAFE.encode(secret)]
        {
            for part in whole.trim_end_matches('=').as_bytes().windows(8) {
                let part = str::from_utf8(part).unwrap();
                assert!(sent.safe(&format!("a {part} b"), None).is_none(), "{part}");
                assert!(sent.safe(&format!("a {} b", &part[..7]), None).is_some(), "{part}");
            }
        }
        // Eight characters of an encoding can be few of the secret.
        let secret_of_escapes = "+/\"&=<\\ +\"/&";
        for encoded in
            ["%2B%2F%22", "%3c%5c%2", "%3C%5C+%", "&quot;&am", "=&lt;\\\\ +", "\\\"&=<\\\\"]
        {
            assert!(!is_shown(secret_of_escapes, &format!("a {encoded} b")), "{encoded}");
        }
        assert!(!is_shown(secret, "invalid secret c4n4ry-s3cret-of"), "a prefix of 16");
    }

    #[test]
    fn other_texts_are_shown() {
        for text in [
            "Client authentication failed",
            "Invalid client secret for my service",
            "AADSTS7000215: Invalid client secret provided. Trace ID: 3f2b8a10-1c2d-4e5f",
            "",
        ] {
            assert!(is_shown(SECRET, text) && is_shown("wJalrXUtnFEMI/K7MDENG", text), "{text}");
            assert!(SentSecrets::default().safe(text, None).is_some());
            assert!(is_shown("", text));
        }
    }

    #[test]
    fn a_short_secret_counts_as_a_whole_and_a_very_short_one_as_a_word() {
        assert!(!is_shown("hunter2", "is hunter2 right"));
        assert!(!is_shown("hunter2", "xhunter2x") && is_shown("hunter2", "a hunter"));
        assert!(!is_shown("p@ss1", "p%40ss1") && !is_shown("p@ss1", "cEBzczE="));
        assert!(is_shown("in", "the client is invalid"));
        assert!(!is_shown("in", "secret=in") && !is_shown("in", "aW4="));
        assert!(!is_shown("in", &format!("Basic {}", STANDARD.encode(format!("{ID}:in")))));
        assert!(!is_shown("in", &STANDARD.encode("my%20service:in")));
        assert!(is_shown("secret", "invalid client secret"), "a word of every message");
        assert!(!is_shown("secret", &STANDARD.encode(format!("{ID}:secret"))));
    }

    #[test]
    fn the_token_of_the_same_answer_is_a_secret_too() {
        let sent = SentSecrets::default();
        assert!(sent.safe("token 2YotnFZFEjr1 issued", Some("2YotnFZFEjr1zCsicMWpAA")).is_none());
        assert!(sent.safe("token issued", Some("2YotnFZFEjr1zCsicMWpAA")).is_some());
    }

    #[test]
    fn a_long_text_is_checked_as_far_as_it_is_shown() {
        let text = format!("{}c4n4ry-s3cret", "é".repeat(MAX_CHECKED_CHARS));
        let shown = sent("c4n4ry-s3cret");
        let shown = shown.safe(&text, None).unwrap();
        assert_eq!(shown.chars().count(), MAX_CHECKED_CHARS);
        assert!(!is_shown("c4n4ry-s3cret", &text[100..]));
    }

    #[test]
    fn causes_are_checked_up_to_64_kib_and_longer_ones_count_as_repeating() {
        struct Long(usize);
        impl fmt::Debug for Long {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ok(())
            }
        }
        impl fmt::Display for Long {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&"x".repeat(self.0))
            }
        }
        impl StdError for Long {}
        // A space follows each of the two texts.
        let longest = MAX_CHECKED_CAUSE_BYTES - 2;
        assert!(!sent("c4n4ry-s3cret").are_repeated_by(&Long(longest)));
        assert!(sent("c4n4ry-s3cret").are_repeated_by(&Long(longest + 1)));
    }

    #[test]
    fn causes_are_checked_down_the_chain_and_without_end() {
        use crate::error::Error;
        let error = Error::from_source(Error::from_source("sent c4n4ry-s3cret"));
        assert!(sent("c4n4ry-s3cret").are_repeated_by(&error));
        assert!(sent("c4n4ry-s3cret").are_repeated_by(&Error::from_source("é".repeat(100_000))));
    }
}
