//! The difference between the local wall clock and the authorization server's clock.
//!
//! A server refuses a JWT whose `iat` is in the server's future or whose `exp` is in its past. So JWTs
//! contain the server's time if the clocks differ.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, header};

use crate::event::EventKind;

/// Tolerance in milliseconds. Servers tolerate more, and clocks with NTP differ far less.
const TOLERANCE_MS: i64 = 5_000;
/// Maximum offset in milliseconds. A wrong time zone causes at most 26 h. With a larger offset the
/// server's `Date` is probably wrong, or TLS has already failed because of the local clock.
const MAX_OFFSET_MS: i64 = 48 * 60 * 60 * 1000;

/// The offset in milliseconds that is added to the local clock. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skew(Arc<AtomicI64>);

impl Skew {
    /// The server's time for a local time.
    pub(crate) fn correct(&self, local: SystemTime) -> SystemTime {
        let offset = self.0.load(Ordering::Relaxed);
        let by = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 { local.checked_sub(by) } else { local.checked_add(by) }.unwrap_or(local)
    }

    /// Compares a response's `Date` (RFC 9110 §6.6.1) with the local times before the request was sent
    /// and after the response arrived. Returns an event when the offset changes.
    pub(crate) fn observe(
        &self,
        headers: &HeaderMap,
        sent: SystemTime,
        received: SystemTime,
    ) -> Option<EventKind> {
        if is_stored(headers) {
            return None;
        }
        let date = headers.get(header::DATE)?.to_str().ok()?;
        let date = millis(httpdate::parse_http_date(date).ok()?)?;
        let (sent, received) = (millis(sent)?, millis(received)?);
        // The response was made between both times, and its date is truncated to seconds.
        let (least, most) = (date.checked_sub(received)?, date.checked_sub(sent)? + 999);
        let in_use = self.0.load(Ordering::Relaxed);
        if least > most || (least - TOLERANCE_MS..=most + TOLERANCE_MS).contains(&in_use) {
            return None;
        }
        let within = (least - TOLERANCE_MS..=most + TOLERANCE_MS).contains(&0);
        let offset = if within { 0 } else { least + (most - least) / 2 };
        if offset.abs() > MAX_OFFSET_MS {
            return None;
        }
        self.0.store(offset, Ordering::Relaxed);
        let by = Duration::from_millis(offset.unsigned_abs());
        Some(EventKind::ClockSkew { by, local_is_behind: offset > 0, api: None })
    }
}

/// Whether a response comes from a cache: its `Date` is from when it was made (RFC 9111 §5.1).
fn is_stored(headers: &HeaderMap) -> bool {
    headers.get(header::AGE).is_some_and(|age| age.as_bytes().trim_ascii() != b"0")
}

fn millis(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `Date` of all responses here, 2026-11-24T12:00:00Z.
    const DATE: &str = "Tue, 24 Nov 2026 12:00:00 GMT";

    fn server() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_521_600)
    }

    fn at(millis: i64) -> SystemTime {
        let by = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { server() - by } else { server() + by }
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// A response to a request that was sent and received at these local times.
    fn observe(skew: &Skew, sent: i64, received: i64) -> Option<(Duration, bool)> {
        match skew.observe(&headers(&[("date", DATE)]), at(sent), at(received))? {
            EventKind::ClockSkew { by, local_is_behind, .. } => Some((by, local_is_behind)),
            other => panic!("{other:?}"),
        }
    }

    fn seconds(offset: f64) -> Duration {
        Duration::from_secs_f64(offset)
    }

    #[test]
    fn a_few_seconds_are_nothing() {
        for (sent, received) in [(0, 100), (-4900, -4800), (5900, 6000), (-5000, 4000)] {
            let skew = Skew::default();
            assert_eq!(observe(&skew, sent, received), None, "{sent}");
            assert_eq!(skew.correct(at(7)), at(7));
        }
    }

    #[test]
    fn an_hour_either_way_is_made_up_for_and_local_is_behind_once() {
        const HOUR: i64 = 3_600_000;
        for (local, behind) in [(-HOUR, true), (HOUR, false)] {
            let skew = Skew::default();
            let (by, local_is_behind) = observe(&skew, local, local + 200).unwrap();
            assert_eq!(local_is_behind, behind);
            assert!(by.abs_diff(seconds(3600.0)) < Duration::from_secs(1), "{by:?}");
            let corrected = skew.correct(at(local));
            let off = corrected.duration_since(server()).unwrap_or_else(|early| early.duration());
            assert!(off < Duration::from_secs(1), "{off:?}");
            assert_eq!(observe(&skew, local + 900, local + 1000), None);
            // The clock was set right.
            assert_eq!(observe(&skew, 0, 100), Some((Duration::ZERO, false)));
            assert_eq!(skew.correct(at(7)), at(7));
        }
    }

    #[test]
    fn a_slow_answer_leaves_doubt() {
        let skew = Skew::default();
        assert_eq!(observe(&skew, -20_000, 100), None);
        // Sent 40 s and received 20 s before the server's time.
        let (by, _) = observe(&skew, -40_000, -20_000).unwrap();
        assert_eq!(by, seconds(30.499));
    }

    #[test]
    fn what_proves_nothing_is_ignored() {
        let skew = Skew::default();
        let hour = at(-3_600_000);
        for fields in [
            &[][..],
            &[("date", "yesterday")],
            &[("date", DATE), ("age", "1")],
            &[("date", DATE), ("age", "x")],
        ] {
            assert!(skew.observe(&headers(fields), hour, hour).is_none(), "{fields:?}");
        }
        // The local clock was set back in the meantime.
        assert_eq!(observe(&skew, -3_600_000, -7_200_000), None);
        let weeks = 21 * 24 * 3_600_000;
        assert_eq!(observe(&skew, -weeks, -weeks), None);
        assert_eq!(observe(&skew, weeks, weeks), None);
        assert!(skew.observe(&headers(&[("date", DATE)]), UNIX_EPOCH, UNIX_EPOCH).is_none());
        assert_eq!(skew.correct(hour), hour);
        let fresh = headers(&[("date", DATE), ("age", "0")]);
        assert!(skew.observe(&fresh, hour, hour).is_some());
    }
}
