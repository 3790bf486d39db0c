//! The operations on the files of an entry. The caller holds its lock.

use std::{io, time::Duration};

use super::{
    directory::{Durability, Files, read, remove},
    record::{EntryRecord, LeaseRecord, ParseError, now},
};
use crate::store::{
    entry::millis,
    traits::{Lease, LeaseOwner, StoredEntry},
};

/// The entry, unless it has expired.
///
/// # Errors
///
/// Kind `InvalidData`, if the file is not an entry, for instance after a disk error. The file is deleted:
/// the error is reported once, and the next operation finds no entry. An entry of another version of this
/// crate is an error too, and stays, because other processes use it.
pub(super) fn read_entry(files: &Files) -> io::Result<Option<StoredEntry>> {
    let path = files.entry_path();
    let Some(content) = read(&path)? else { return Ok(None) };
    let why = match EntryRecord::parse(&content) {
        Ok(record) if record.until > now() => return Ok(Some(record.entry)),
        Ok(_expired) => {
            remove(&path)?;
            return Ok(None);
        }
        Err(ParseError::OtherVersion(version)) => format!(
            "{} is an entry in format {version}, which this version does not know; update this \
             process",
            path.display()
        ),
        Err(ParseError::NotAnEntry) => {
            remove(&path)?;
            format!(
                "{} was not an entry, or a part of one, and is deleted; check the disk, and what \
                 else writes to the directory",
                path.display()
            )
        }
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

/// The current lease, and the time until it ends.
fn current_lease(files: &Files, now: u64) -> io::Result<Option<(LeaseRecord, Duration)>> {
    let content = read(&files.lease_path())?;
    let lease = content.as_deref().and_then(LeaseRecord::parse);
    Ok(lease.and_then(|lease| {
        let remaining = Duration::from_millis(lease.remaining(now)?);
        Some((lease, remaining))
    }))
}

pub(super) fn take_lease(
    files: &Files,
    owner: LeaseOwner,
    duration: Duration,
) -> io::Result<Lease> {
    let entry = read_entry(files)?;
    let now = now();
    match current_lease(files, now)? {
        Some((lease, remaining)) if lease.owner != owner => {
            Ok(Lease::Held { owner: lease.owner, remaining, entry })
        }
        _ => {
            let least = entry.as_ref().map_or(0, |entry| entry.generation.saturating_add(1));
            write_lease(files, owner, now, duration)?;
            Ok(Lease::Granted { generation: now.max(least), entry })
        }
    }
}

pub(super) fn renew(files: &Files, owner: LeaseOwner, duration: Duration) -> io::Result<bool> {
    let now = now();
    let has_lease = is_owner(files, now, owner)?;
    if has_lease {
        write_lease(files, owner, now, duration)?;
    }
    Ok(has_lease)
}

pub(super) fn release(files: &Files, owner: LeaseOwner) -> io::Result<()> {
    if is_owner(files, now(), owner)? { remove(&files.lease_path()) } else { Ok(()) }
}

pub(super) fn write_entry(files: &Files, new: StoredEntry, ttl: Duration) -> io::Result<bool> {
    if read_entry(files)?.is_some_and(|old| old.generation > new.generation) {
        return Ok(false);
    }
    let record = EntryRecord { until: now().saturating_add(millis(ttl)), entry: new };
    let content = record.format().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the entry is longer than 512 KiB")
    })?;
    files.replace(&files.entry_path(), &content, Durability::Synced)?;
    Ok(true)
}

fn is_owner(files: &Files, now: u64, owner: LeaseOwner) -> io::Result<bool> {
    Ok(current_lease(files, now)?.is_some_and(|(lease, _)| lease.owner == owner))
}

fn write_lease(files: &Files, owner: LeaseOwner, now: u64, duration: Duration) -> io::Result<()> {
    let content = LeaseRecord::new(owner, now, duration).format();
    // After a power loss, no process has a lease.
    files.replace(&files.lease_path(), &content, Durability::Unsynced)
}
