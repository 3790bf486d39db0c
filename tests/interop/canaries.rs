//! No secret appears: all logs at TRACE, of this crate and its dependencies, and every text that a
//! test reports, are searched for every secret that was read or sent.
//!
//! Each test searches when it ends, so the last one has searched the whole run.

use std::{
    collections::{BTreeSet, HashMap},
    error::Error as StdError,
    fmt::{Debug, Write as _},
    io,
    iter::zip,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tracing::level_filters::LevelFilter;

/// A piece of this length counts as the secret. It is too long to occur by chance.
const WINDOW: usize = 16;

static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SECRETS: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Seen;

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&SEEN).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to record all logs.
pub(crate) fn listen() {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| Seen)
            .init();
    });
}

/// Registers a secret that must not appear.
pub(crate) fn secret(bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    // The base64 lines of a PEM text. The other lines are the same for every key.
    let pem = bytes.starts_with(b"-----BEGIN");
    let pieces = bytes.split(|byte| pem && *byte == b'\n');
    let pieces = pieces.filter(|piece| piece.len() >= WINDOW && !piece.starts_with(b"-----"));
    lock(&SECRETS).extend(pieces.map(<[u8]>::to_vec));
}

/// Registers a text that a test saw.
pub(crate) fn shown(value: &impl Debug) {
    let mut text = format!("{value:?}\n{value:#?}\n");
    text.push('\n');
    lock(&SEEN).extend_from_slice(text.as_bytes());
}

/// Registers an error with all its causes.
pub(crate) fn shown_error(error: &(dyn StdError + 'static)) {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(text, "{error} {error:#} {error:?} {error:#?}").unwrap();
        next = error.source();
    }
    lock(&SEEN).extend_from_slice(text.as_bytes());
}

/// The place of a secret, with its surroundings.
///
/// The text is long, so only every eighth position is looked up. A piece of a secret covers at
/// least one such position with eight of its bytes.
fn find(seen: &[u8], secrets: &BTreeSet<Vec<u8>>) -> Option<String> {
    const STEP: usize = WINDOW / 2;
    let block = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("a whole block"));
    let mut places: HashMap<u64, Vec<(&[u8], usize)>> = HashMap::new();
    for secret in secrets {
        for (at, bytes) in secret.windows(STEP).enumerate() {
            places.entry(block(bytes)).or_default().push((secret, at));
        }
    }
    for (index, bytes) in seen.chunks_exact(STEP).enumerate() {
        for (secret, within) in places.get(&block(bytes)).into_iter().flatten() {
            let at = index * STEP;
            let before = zip(seen[..at].iter().rev(), secret[..*within].iter().rev());
            let after = zip(&seen[at..], &secret[*within..]);
            let same = before.take_while(|(a, b)| a == b).count()
                + after.take_while(|(a, b)| a == b).count();
            if same >= WINDOW {
                let around = &seen[at.saturating_sub(200)..(at + 200).min(seen.len())];
                return Some(String::from_utf8_lossy(around).into_owned());
            }
        }
    }
    None
}

/// Fails if any secret appeared so far.
pub(crate) fn check() {
    let seen = lock(&SEEN).clone();
    let secrets = lock(&SECRETS).clone();
    assert!(!secrets.is_empty(), "no secret was read or sent, so nothing is shown by this");
    assert!(tracing::enabled!(tracing::Level::TRACE), "not everything is kept");
    if let Some(around) = find(&seen, &secrets) {
        panic!("a secret shows: {around}");
    }
}

#[test]
fn any_piece_of_a_secret_is_found() {
    let secret = b"0123456789abcdefghij";
    let secrets = BTreeSet::from([b"some other secret".to_vec(), secret.to_vec()]);
    for (before, from) in (0..8).flat_map(|before| (0..5).map(move |from| (before, from))) {
        let text = |length| {
            let piece = &secret[from..from + length];
            [&b"........"[..before], piece, b"........"].concat()
        };
        assert!(find(&text(WINDOW), &secrets).is_some(), "{before} {from}");
        assert!(find(&text(WINDOW - 1), &secrets).is_none(), "{before} {from}");
    }
}
