//! Parses challenges in field lines (RFC 9110 §11.6.1), tolerantly. Quoted strings may have any
//! byte. Commas may be missing or repeated. A syntax error ends the line, and the challenges before
//! it count.
//!
//! Published parsers do not fit: they want `&str` or refuse bytes from 0x80, do not know token68
//! (`Negotiate oRQw==, Bearer …`), or fail on empty list elements and lose the whole field.

/// A piece of a field line.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// The scheme of a challenge. Its token68 is skipped.
    Challenge(&'a [u8]),
    /// A parameter of the challenge that began last.
    Param { name: &'a [u8], value: Value<'a> },
    /// The rest of the line cannot be parsed.
    Malformed,
}

/// A parameter's value as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value<'a> {
    raw: &'a [u8],
    quoted: bool,
}

impl Value<'_> {
    /// The value without its quoted-pairs (RFC 9110 §5.6.4).
    pub(super) fn unescaped(&self) -> impl Iterator<Item = u8> {
        let quoted = self.quoted;
        let mut raw = self.raw.iter().copied();
        std::iter::from_fn(move || match raw.next()? {
            b'\\' if quoted => raw.next(),
            byte => Some(byte),
        })
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.unescaped().eq(text.bytes())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

/// The pieces of one field line. Each byte is read a fixed number of times, so parsing takes linear
/// time.
pub(super) struct Pieces<'a> {
    rest: &'a [u8],
    /// A scheme and a space were read, so a token68 may follow.
    after_scheme: bool,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { rest: line, after_scheme: false }
    }

    /// Takes the bytes that fit, up to the first that does not.
    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !fits(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// `oRQwEqADCgEB=` is a token68 if the list element ends after it. Otherwise it begins a
    /// parameter.
    fn skip_token68(&mut self) {
        let before = self.rest;
        self.take_while(is_space);
        let token68 = self.take_while(is_token68);
        self.take_while(|byte| byte == b'=');
        self.take_while(is_space);
        if token68.is_empty() || !matches!(self.rest.first(), None | Some(b',')) {
            self.rest = before;
        }
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let Some(quoted) = self.rest.strip_prefix(b"\"") else {
            // Servers send URLs unquoted, so this takes more than a token.
            let raw = self.take_while(|byte| !is_space(byte) && byte != b',');
            return (!raw.contains(&b'"')).then_some(Value { raw, quoted: false });
        };
        let mut escaped = false;
        let end = quoted.iter().position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })?;
        self.rest = &quoted[end + 1..];
        Some(Value { raw: &quoted[..end], quoted: true })
    }

    fn piece(&mut self) -> Option<Piece<'a>> {
        let name = self.take_while(is_token);
        let after_name = self.rest;
        let spaces = self.take_while(is_space);
        if name.is_empty() {
            return None;
        }
        if let Some(value) = self.rest.strip_prefix(b"=") {
            self.rest = value;
            self.take_while(is_space);
            return Some(Piece::Param { name, value: self.value()? });
        }
        if !matches!(after_name.first(), None | Some(b' ' | b'\t' | b',')) {
            return None;
        }
        self.after_scheme = !spaces.is_empty();
        Some(Piece::Challenge(name))
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if std::mem::take(&mut self.after_scheme) {
            self.skip_token68();
        }
        self.take_while(|byte| is_space(byte) || byte == b',');
        if self.rest.is_empty() {
            return None;
        }
        Some(self.piece().unwrap_or_else(|| {
            self.rest = &[];
            Piece::Malformed
        }))
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §11.2, without the `=` at the end.
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}
