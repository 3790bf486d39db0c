//! The scripts that make an operation one atomic step, and their answers.
//!
//! An entry is a hash with the fields `g` (generation) and `v` (value). A lease is a string that holds its
//! owner. Both expire. The scripts need Redis 5 or later, because they write after `TIME`.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use redis::{ParsingError, Value, from_redis_value};

use super::script::{Script, ScriptCall};
use crate::store::{
    traits::{EntryId, Lease, LeaseOwner, StoredEntry},
    values::MAX_VALUE_BYTES,
};

/// Reads the entry at `KEYS[1]`. A key that is not an entry is an error. Numbers in Lua are exact up to
/// 2^53.
const READ: &str = r"
local function entry()
  local length = redis.call('HSTRLEN', KEYS[1], 'v')
  if length > tonumber(ARGV[1]) then return nil, 'long' end
  local found = redis.call('HMGET', KEYS[1], 'g', 'v')
  if not found[1] and not found[2] then
    if redis.call('EXISTS', KEYS[1]) == 1 then return nil, 'fields' end
    return {}
  end
  local g = found[1] and string.match(found[1], '^%d+$') and tonumber(found[1])
  if not g or g >= 9007199254740991 or not found[2] then return nil, 'fields' end
  return {g, found[2]}
end
local found = entry()
if not found then return redis.error_reply('NOTANENTRY the key is not an entry') end
";

static READ_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(0, format!("{READ}\nreturn found")));

/// A lease of the same owner is granted again, so that the operation can be repeated.
static LEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        1,
        format!(
            "{READ}{}",
            r"
local owner = redis.call('GET', KEYS[2])
local remaining = redis.call('PTTL', KEYS[2])
-- A lease without an expiry is not ours, and would never end.
if owner and owner ~= ARGV[2] and remaining >= 0 then
  if not string.match(owner, '^%x+$') or #owner ~= 32 then
    return redis.error_reply('NOTANENTRY the key is not a lease')
  end
  -- A missing entry ends the array, so it is last.
  return {0, remaining, owner, found[1], found[2]}
end
-- Before the lease is taken, since a user may be allowed one of the two commands only.
local now = redis.call('TIME')
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local generation = now[1] * 1000 + math.floor(now[2] / 1000)
if found[1] and found[1] >= generation then generation = found[1] + 1 end
return {1, generation, ARGV[2], found[1], found[2]}
"
        ),
    )
});

static RENEW_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        2,
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"
        .to_owned(),
    )
});

static RELEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        3,
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"
        .to_owned(),
    )
});

/// Writes and announces in one step, so that no announcement is lost if the writer dies. A user without
/// the permission to announce can write.
static WRITE_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        4,
        format!(
            "{READ}{}",
            r"
if found[1] and found[1] > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'g', ARGV[2], 'v', ARGV[3])
local expires = redis.pcall('PEXPIRE', KEYS[1], ARGV[4])
if type(expires) == 'table' and expires.err then
  -- Without an expiry it would stay forever.
  redis.pcall('DEL', KEYS[1])
  return redis.error_reply('NOPERM no permissions to run the \'pexpire\' command')
end
local announced = redis.pcall('PUBLISH', ARGV[5], ARGV[6] .. ARGV[3])
if type(announced) == 'table' and announced.err then return 2 end
return 1
"
        ),
    )
});

/// The names of keys and channels.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Box<str>,
    pub(super) channel: Box<str>,
}

impl Names {
    pub(super) fn new(prefix: &str, database: i64) -> Self {
        // A channel belongs to all databases of a server.
        let channel = format!("{prefix}:announcements:{database}").into();
        Self { prefix: prefix.into(), channel }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The braces make a proxy in front of a cluster keep both keys of an entry on one node.
    fn entry(&self, id: EntryId) -> String {
        format!("{}:{{{id}}}", self.prefix)
    }

    fn lease(&self, id: EntryId) -> String {
        format!("{}:{{{id}}}:lease", self.prefix)
    }

    pub(super) fn read(&self, id: EntryId) -> ScriptCall {
        READ_SCRIPT.key(self.entry(id)).arg(MAX_VALUE_BYTES)
    }

    pub(super) fn take_lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> ScriptCall {
        let script = LEASE_SCRIPT.key(self.entry(id)).with_key(self.lease(id));
        script.arg(MAX_VALUE_BYTES).arg(text(owner)).arg(millis(duration))
    }

    pub(super) fn renew(&self, id: EntryId, owner: LeaseOwner, duration: Duration) -> ScriptCall {
        RENEW_SCRIPT.key(self.lease(id)).arg(text(owner)).arg(millis(duration))
    }

    pub(super) fn release(&self, id: EntryId, owner: LeaseOwner) -> ScriptCall {
        RELEASE_SCRIPT.key(self.lease(id)).arg(text(owner))
    }

    pub(super) fn write(&self, id: EntryId, entry: &StoredEntry, ttl: Duration) -> ScriptCall {
        WRITE_SCRIPT
            .key(self.entry(id))
            .arg(MAX_VALUE_BYTES)
            .arg(entry.generation)
            .arg(&entry.value[..])
            .arg(millis(ttl))
            .arg(&*self.channel)
            .arg(announcement_head(id, entry.generation))
    }
}

fn text(owner: LeaseOwner) -> String {
    format!("{:032x}", owner.0)
}

/// Redis refuses an expiry of zero, and one that overflows its integers.
fn millis(duration: Duration) -> u64 {
    const MAX: Duration = crate::limits::MAX_LIFETIME;
    u64::try_from(duration.min(MAX).as_millis()).unwrap_or(u64::MAX).max(1)
}

fn announcement_head(id: EntryId, generation: u64) -> Vec<u8> {
    [&id.as_bytes()[..], &generation.to_be_bytes()].concat()
}

/// The entry in an announcement. `None`: the message is not an announcement.
pub(super) fn announced(message: &[u8]) -> Option<(EntryId, StoredEntry)> {
    let (id, rest) = message.split_first_chunk()?;
    let (generation, value) = rest.split_first_chunk()?;
    if value.len() > MAX_VALUE_BYTES {
        return None;
    }
    let entry = StoredEntry::new(u64::from_be_bytes(*generation), Bytes::copy_from_slice(value));
    Some((EntryId::new(*id), entry))
}

/// The answer to [`Names::write`].
#[derive(Debug, PartialEq)]
pub(super) enum WriteOutcome {
    /// The stored entry has a greater generation.
    Refused,
    Written,
    /// Written, but the user may not publish.
    NotAnnounced,
}

pub(super) fn write_outcome(answer: Value) -> Result<WriteOutcome, ParsingError> {
    match from_redis_value(answer)? {
        0_u8 => Ok(WriteOutcome::Refused),
        1 => Ok(WriteOutcome::Written),
        2 => Ok(WriteOutcome::NotAnnounced),
        other => Err(format!("unknown outcome {other}").into()),
    }
}

/// The answer to [`Names::read`].
pub(super) fn entry(answer: Value) -> Result<Option<StoredEntry>, ParsingError> {
    let fields: Vec<Value> = from_redis_value(answer)?;
    let mut fields = fields.into_iter();
    fields_of_entry(fields.next(), fields.next())
}

/// The answer to [`Names::take_lease`].
pub(super) fn lease(answer: Value) -> Result<Lease, ParsingError> {
    let fields: Vec<Value> = from_redis_value(answer)?;
    let mut fields = fields.into_iter();
    let mut number = || from_redis_value::<u64>(fields.next().unwrap_or(Value::Nil));
    let (granted, number) = (number()?, number()?);
    let owner: String = from_redis_value(fields.next().unwrap_or(Value::Nil))?;
    let entry = fields_of_entry(fields.next(), fields.next())?;
    if granted != 0 {
        return Ok(Lease::Granted { generation: number, entry });
    }
    let owner = u128::from_str_radix(&owner, 16).map_err(|error| error.to_string())?;
    Ok(Lease::Held { owner: LeaseOwner(owner), remaining: Duration::from_millis(number), entry })
}

fn fields_of_entry(
    generation: Option<Value>,
    value: Option<Value>,
) -> Result<Option<StoredEntry>, ParsingError> {
    let (Some(generation), Some(value)) = (generation, value) else { return Ok(None) };
    let value: Vec<u8> = from_redis_value(value)?;
    Ok(Some(StoredEntry::new(from_redis_value(generation)?, value.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_up_to_the_largest_value() {
        let message = |length| [&[7; 32][..], &3_u64.to_be_bytes(), &vec![1; length]].concat();
        for length in [0, MAX_VALUE_BYTES - 1, MAX_VALUE_BYTES] {
            let (id, entry) = announced(&message(length)).unwrap();
            assert_eq!((id, entry.generation), (EntryId::new([7; 32]), 3));
            assert_eq!(entry.value, vec![1; length]);
        }
        assert!(announced(&message(MAX_VALUE_BYTES + 1)).is_none());
        assert!(announced(&message(0)[..39]).is_none());
    }
}
