//! The operations on the files of an entry. The caller holds its lock.

use std::{io, time::Duration};

use super::{
    directory::{Durability, Files, read, remove},
    record::{EntryRecord, LeaseRecord, millis, now},
};
use crate::store::traits::{Lease, LeaseOwner, StoredEntry};

/// The entry, unless it has expired.
pub(super) fn entry(files: &Files) -> io::Result<Option<StoredEntry>> {
    let Some(content) = read(&files.entry())? else { return Ok(None) };
    let record = EntryRecord::parse(&content).ok_or_else(|| {
        let why = format!("{} is not an entry; delete it", files.entry().display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    })?;
    if record.until <= now() {
        remove(&files.entry())?;
        return Ok(None);
    }
    Ok(Some(record.entry))
}

/// The lease that has not ended.
fn current_lease(files: &Files, now: u64) -> io::Result<Option<(LeaseRecord, Duration)>> {
    let content = read(&files.lease())?;
    let lease = content.as_deref().and_then(LeaseRecord::parse);
    Ok(lease.and_then(|lease| {
        let remaining = Duration::from_millis(lease.remaining(now)?);
        Some((lease, remaining))
    }))
}

pub(super) fn lease(files: &Files, owner: LeaseOwner, duration: Duration) -> io::Result<Lease> {
    let entry = entry(files)?;
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
    if is_owner(files, now(), owner)? { remove(&files.lease()) } else { Ok(()) }
}

pub(super) fn write(files: &Files, new: StoredEntry, keep: Duration) -> io::Result<bool> {
    if entry(files)?.is_some_and(|old| old.generation > new.generation) {
        return Ok(false);
    }
    let record = EntryRecord { until: now().saturating_add(millis(keep)), entry: new };
    let content = record.format().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the entry is longer than 512 KiB")
    })?;
    files.replace(&files.entry(), &content, Durability::Synced)?;
    Ok(true)
}

fn is_owner(files: &Files, now: u64, owner: LeaseOwner) -> io::Result<bool> {
    Ok(current_lease(files, now)?.is_some_and(|(lease, _)| lease.owner == owner))
}

fn write_lease(files: &Files, owner: LeaseOwner, now: u64, duration: Duration) -> io::Result<()> {
    let content = LeaseRecord::new(owner, now, duration).format();
    // A lease means nothing after a restart of the machine.
    files.replace(&files.lease(), &content, Durability::Unsynced)
}
