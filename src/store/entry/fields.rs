//! The encoding of a document: fields of a tag, a length and a value, so that a reader skips the ones
//! that it does not know.
//!
//! It is binary, because a general parser copies a token into memory that is not wiped.

use zeroize::Zeroizing;

/// The first byte of a document.
const VERSION: u8 = 1;
/// The tag of the last field, so that a document which was cut off is noticed.
const END: u8 = 255;
/// The tag and the length.
const HEAD_BYTES: usize = 1 + 4;

/// Writes fields into a buffer that is wiped.
pub(super) struct FieldWriter {
    buffer: Zeroizing<Vec<u8>>,
    initial_capacity: usize,
}

impl FieldWriter {
    /// `capacity`: the length of all values. A buffer that grows would leave a copy in memory.
    pub(super) fn with_capacity(capacity: usize, fields: usize) -> Self {
        let mut buffer = Vec::with_capacity(1 + capacity + (fields + 1) * HEAD_BYTES);
        buffer.push(VERSION);
        let initial_capacity = buffer.capacity();
        Self { buffer: Zeroizing::new(buffer), initial_capacity }
    }

    pub(super) fn bytes(&mut self, tag: u8, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.buffer.push(tag);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(&value[..length as usize]);
    }

    pub(super) fn number(&mut self, tag: u8, value: u64) {
        self.bytes(tag, &value.to_be_bytes());
    }

    pub(super) fn optional(&mut self, tag: u8, value: Option<u64>) {
        if let Some(value) = value {
            self.number(tag, value);
        }
    }

    pub(super) fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.bytes(END, &[]);
        debug_assert_eq!(self.buffer.capacity(), self.initial_capacity, "the buffer has grown");
        self.buffer
    }
}

/// Reads fields in any order. Of several fields with one tag the first counts.
#[derive(Clone, Copy)]
pub(super) struct FieldReader<'a>(&'a [u8]);

impl<'a> FieldReader<'a> {
    /// `None`: of another version, or damaged.
    pub(super) fn new(document: &'a [u8]) -> Option<Self> {
        let (version, fields) = document.split_first()?;
        let reader = Self(fields);
        let is_complete = matches!(reader.fields().last(), Some(Some((END, []))));
        (*version == VERSION && is_complete).then_some(reader)
    }

    pub(super) fn bytes(&self, tag: u8) -> Option<&'a [u8]> {
        self.fields().flatten().find_map(|(found, value)| (found == tag).then_some(value))
    }

    pub(super) fn text(&self, tag: u8) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(tag)?).ok()
    }

    pub(super) fn number(&self, tag: u8) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(tag)?.try_into().ok()?))
    }

    /// The fields. The last item is `None` if the document is cut off.
    fn fields(&self) -> impl Iterator<Item = Option<(u8, &'a [u8])>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let field = next(rest);
            rest = field.map_or(&[][..], |(_, _, rest)| rest);
            Some(field.map(|(tag, value, _)| (tag, value)))
        })
    }
}

fn next(fields: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = fields.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((*tag, value, rest))
}
