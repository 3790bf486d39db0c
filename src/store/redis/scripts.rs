//! The scripts that make an operation one atomic step, and their answers.
//!
//! An entry is a hash with the fields `g` (generation) and `v` (value). A lease is a string with its
//! owner, which expires. The scripts need Redis 5 or later, since they write after `TIME`.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use redis::{ParsingError, Script, ScriptInvocation, Value, from_redis_value};

use crate::store::traits::{EntryId, Lease, LeaseOwner, StoredEntry};

/// Maximum length of a value in bytes. A sealed entry has about half of it.
const MAX_VALUE_BYTES: usize = 512 * 1024;

/// Reads the entry at `KEYS[1]`. A key that is not an entry is an error, and never a missing entry.
/// Numbers are exact up to 2^53.
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
    LazyLock::new(|| Script::new(&format!("{READ}\nreturn found")));

/// A lease of the same owner is granted again, so that the command can be repeated.
static LEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{READ}{}",
        r"
local holder = redis.call('GET', KEYS[2])
local remaining = redis.call('PTTL', KEYS[2])
-- A lease without an end is not ours, and would never end.
if holder and holder ~= ARGV[2] and remaining >= 0 then
  if not string.match(holder, '^%x+$') or #holder ~= 32 then
    return redis.error_reply('NOTANENTRY the key is not a lease')
  end
  -- A missing entry ends the array, so it is last.
  return {0, remaining, holder, found[1], found[2]}
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local now = redis.call('TIME')
local generation = now[1] * 1000 + math.floor(now[2] / 1000)
if found[1] and found[1] >= generation then generation = found[1] + 1 end
return {1, generation, ARGV[2], found[1], found[2]}
"
    ))
});

static RENEW_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
",
    )
});

static RELEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
",
    )
});

/// The announcement is in the same step, so that it is not lost with the writer. A user without the
/// permission to announce can write.
static WRITE_SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{READ}{}",
        r"
if found[1] and found[1] > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'g', ARGV[2], 'v', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local announced = redis.pcall('PUBLISH', ARGV[5], ARGV[6] .. ARGV[3])
if type(announced) == 'table' and announced.err then return 2 end
return 1
"
    ))
});

/// The names of keys and channels.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Box<str>,
    pub(super) channel: Box<str>,
}

impl Names {
    pub(super) fn new(prefix: &str, database: i64) -> Self {
        // Channels are shared by the databases of a server.
        let channel = format!("{prefix}:announcements:{database}").into();
        Self { prefix: prefix.into(), channel }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// In braces, so that a proxy in front of a cluster keeps both keys of an entry together.
    fn entry(&self, id: EntryId) -> String {
        format!("{}:{{{id}}}", self.prefix)
    }

    fn lease(&self, id: EntryId) -> String {
        format!("{}:{{{id}}}:lease", self.prefix)
    }

    pub(super) fn read(&self, id: EntryId) -> ScriptInvocation<'static> {
        let mut script = READ_SCRIPT.key(self.entry(id));
        script.arg(MAX_VALUE_BYTES);
        script
    }

    pub(super) fn take_lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> ScriptInvocation<'static> {
        let mut script = LEASE_SCRIPT.key(self.entry(id));
        script.key(self.lease(id)).arg(MAX_VALUE_BYTES).arg(text(owner)).arg(millis(duration));
        script
    }

    pub(super) fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> ScriptInvocation<'static> {
        let mut script = RENEW_SCRIPT.key(self.lease(id));
        script.arg(text(owner)).arg(millis(duration));
        script
    }

    pub(super) fn release(&self, id: EntryId, owner: LeaseOwner) -> ScriptInvocation<'static> {
        let mut script = RELEASE_SCRIPT.key(self.lease(id));
        script.arg(text(owner));
        script
    }

    pub(super) fn write(
        &self,
        id: EntryId,
        entry: &StoredEntry,
        keep: Duration,
    ) -> ScriptInvocation<'static> {
        let mut script = WRITE_SCRIPT.key(self.entry(id));
        script.arg(MAX_VALUE_BYTES).arg(entry.generation).arg(&entry.value[..]).arg(millis(keep));
        script.arg(&*self.channel).arg(announcement_head(id, entry.generation));
        script
    }
}

fn text(owner: LeaseOwner) -> String {
    format!("{:032x}", owner.0)
}

/// Redis refuses an expiry of zero, and one that overflows.
fn millis(duration: Duration) -> u64 {
    const MAX: Duration = crate::limits::MAX_LIFETIME;
    u64::try_from(duration.min(MAX).as_millis()).unwrap_or(u64::MAX).max(1)
}

fn announcement_head(id: EntryId, generation: u64) -> Vec<u8> {
    [&id.as_bytes()[..], &generation.to_be_bytes()].concat()
}

/// The entry in an announcement. `None`: it is not one.
pub(super) fn announced(message: &[u8]) -> Option<(EntryId, StoredEntry)> {
    let (id, rest) = message.split_first_chunk()?;
    let (generation, value) = rest.split_first_chunk()?;
    if value.len() > MAX_VALUE_BYTES {
        return None;
    }
    let entry = StoredEntry::new(u64::from_be_bytes(*generation), Bytes::copy_from_slice(value));
    Some((EntryId::new(*id), entry))
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
