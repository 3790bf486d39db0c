//! The format of the files.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN};
use bytes::Bytes;

use crate::store::{
    entry::millis,
    traits::{LeaseOwner, StoredEntry},
    values::MAX_VALUE_BYTES,
};

/// The first bytes of an entry's file.
const ENTRY: &[u8; 7] = b"toaccen";
/// The version of the format, which follows them. In all versions, a checksum of the version and the
/// rest of the file is next. It detects damage. Forged values do not open, since values are sealed.
const VERSION: u8 = b'1';
/// The first bytes of a lease's file.
const LEASE: &[u8; 8] = b"toaccle1";

/// Maximum length of a file.
pub(super) const MAX_FILE_BYTES: usize = 8 + SHA256_OUTPUT_LEN + 8 + 8 + MAX_VALUE_BYTES;

/// A lease that ends later than its duration plus this is ignored: the wall clock was set back by that
/// much.
const CLOCK_TOLERANCE_MS: u64 = 1_000;

/// The wall clock in milliseconds since 1970, which all processes of a machine share.
pub(super) fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// An entry that expires at `until`, in milliseconds since 1970.
#[derive(Debug, PartialEq)]
pub(super) struct EntryRecord {
    pub(super) until: u64,
    pub(super) entry: StoredEntry,
}

/// Why a file cannot be read as an entry.
#[derive(Debug, PartialEq)]
pub(super) enum ParseError {
    /// The file is damaged, or something else.
    NotAnEntry,
    /// The file is an entry in the format of another version of this crate.
    OtherVersion(char),
}

impl EntryRecord {
    pub(super) fn parse(content: &[u8]) -> Result<Self, ParseError> {
        let (version, rest) = Self::checked(content).ok_or(ParseError::NotAnEntry)?;
        if version != VERSION {
            return Err(ParseError::OtherVersion(version.into()));
        }
        let parts = || {
            let (generation, rest) = number(rest)?;
            let (until, value) = number(rest)?;
            Some((generation, until, value))
        };
        let (generation, until, value) = parts().ok_or(ParseError::NotAnEntry)?;
        let entry = StoredEntry::new(generation, Bytes::copy_from_slice(value));
        Ok(Self { until, entry })
    }

    /// The version, and the bytes after the checksum. `None`: the checksum is wrong.
    fn checked(content: &[u8]) -> Option<(u8, &[u8])> {
        let (&version, rest) = content.strip_prefix(ENTRY)?.split_first()?;
        let (sum, rest) = rest.split_first_chunk::<SHA256_OUTPUT_LEN>()?;
        (content.len() <= MAX_FILE_BYTES && *sum == checksum(version, rest))
            .then_some((version, rest))
    }

    /// `None`: the value is too long.
    pub(super) fn format(&self) -> Option<Vec<u8>> {
        let StoredEntry { generation, value } = &self.entry;
        if value.len() > MAX_VALUE_BYTES {
            return None;
        }
        let rest = [&generation.to_be_bytes()[..], &self.until.to_be_bytes(), value].concat();
        Some([&ENTRY[..], &[VERSION], &checksum(VERSION, &rest), &rest].concat())
    }
}

fn checksum(version: u8, rest: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut context = digest::Context::new(&SHA256);
    context.update(&[version]);
    context.update(rest);
    let mut sum = [0; SHA256_OUTPUT_LEN];
    sum.copy_from_slice(context.finish().as_ref());
    sum
}

/// A lease as a file holds it.
#[derive(Debug, PartialEq)]
pub(super) struct LeaseRecord {
    pub(super) owner: LeaseOwner,
    /// In milliseconds.
    pub(super) duration: u64,
    pub(super) until: u64,
}

impl LeaseRecord {
    pub(super) fn new(owner: LeaseOwner, now: u64, duration: Duration) -> Self {
        let duration = millis(duration);
        Self { owner, duration, until: now.saturating_add(duration) }
    }

    /// `None`: the file is not a lease. No process has the lease then.
    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        let (owner, rest) = content.strip_prefix(LEASE)?.split_first_chunk()?;
        let (duration, rest) = number(rest)?;
        let (until, rest) = number(rest)?;
        let owner = LeaseOwner(u128::from_be_bytes(*owner));
        rest.is_empty().then_some(Self { owner, duration, until })
    }

    pub(super) fn format(&self) -> Vec<u8> {
        let owner = self.owner.0.to_be_bytes();
        [&LEASE[..], &owner, &self.duration.to_be_bytes(), &self.until.to_be_bytes()].concat()
    }

    /// The milliseconds until the lease ends. `None`: it has ended.
    pub(super) fn remaining(&self, now: u64) -> Option<u64> {
        let remaining = self.until.checked_sub(now).filter(|remaining| *remaining > 0)?;
        // More than its duration: the clock was set back, so the lease is treated as ended.
        (remaining <= self.duration.saturating_add(CLOCK_TOLERANCE_MS)).then_some(remaining)
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_a_round_trip_and_nothing_else_is_a_record() {
        let entry = StoredEntry::new(7, Bytes::from_static(b"sealed"));
        let record = EntryRecord { until: 9, entry };
        let content = record.format().unwrap();
        assert_eq!(EntryRecord::parse(&content), Ok(record));
        let lease = LeaseRecord::new(LeaseOwner(3), 1_000, Duration::from_secs(5));
        assert_eq!(LeaseRecord::parse(&lease.format()).as_ref(), Some(&lease));
        for length in 0..content.len() {
            assert_eq!(EntryRecord::parse(&content[..length]), Err(ParseError::NotAnEntry));
        }
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1;
            assert_eq!(EntryRecord::parse(&changed), Err(ParseError::NotAnEntry), "byte {at}");
        }
        for garbage in [&lease.format()[..], &[&content[..], b"x"].concat(), &[0; 4096]] {
            assert_eq!(EntryRecord::parse(garbage), Err(ParseError::NotAnEntry));
        }
        for garbage in [&b""[..], &lease.format()[..39], &[&lease.format()[..], b"x"].concat()] {
            assert_eq!(LeaseRecord::parse(garbage), None);
        }
        let value = Bytes::from(vec![0; MAX_VALUE_BYTES + 1]);
        let long = EntryRecord { until: 0, entry: StoredEntry::new(0, value) };
        assert_eq!(long.format(), None);
    }

    #[test]
    fn an_entry_of_another_version_is_not_garbage() {
        let rest = b"any content";
        let content = [&ENTRY[..], b"2", &checksum(b'2', rest), rest].concat();
        assert_eq!(EntryRecord::parse(&content), Err(ParseError::OtherVersion('2')));
    }

    #[test]
    fn a_lease_ends_after_its_duration_also_when_the_clock_is_set_back() {
        let lease = LeaseRecord::new(LeaseOwner(3), 1_000_000, Duration::from_secs(5));
        assert_eq!(lease.remaining(1_000_000), Some(5_000));
        assert_eq!(lease.remaining(1_004_999), Some(1));
        assert_eq!(lease.remaining(1_005_000), None);
        assert_eq!(lease.remaining(999_000), Some(6_000));
        assert_eq!(lease.remaining(998_999), None);
        assert_eq!(lease.remaining(0), None);
    }
}
