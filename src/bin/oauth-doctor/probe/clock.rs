//! The difference between the server's clock and this machine's.

use std::time::SystemTime;

use super::{exchange::Exchange, setup::Setup};
use crate::report::{Level, Report};

/// `Date` has whole seconds, so a smaller difference cannot be seen.
const RESOLUTION: i64 = 2;
/// The crate uses the server's time above this difference.
const TOLERATED: i64 = 5;

pub(super) fn probe(setup: &Setup<'_>, report: &mut Report) {
    let exchanges = setup.recorder.exchanges();
    let Some(skew) = exchanges.iter().rev().find_map(skew) else { return };
    let text = match skew {
        _ if skew.abs() <= RESOLUTION => "the server's clock agrees with this machine's".to_owned(),
        1.. => format!("the server's clock is {skew} s ahead"),
        _ => format!("the server's clock is {} s behind", -skew),
    };
    report.section("clock").fact("skew_seconds", skew, &*text);
    if skew.abs() > TOLERATED {
        report.find(
            Level::Warning,
            format!(
                "{text}: tokens, assertions and proofs may count as expired or not yet valid; \
                 synchronize both clocks (NTP)"
            ),
        );
    }
}

/// Seconds that the server is ahead.
fn skew(exchange: &Exchange) -> Option<i64> {
    let date = exchange.answer.as_ref()?.date?;
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let (theirs, ours) = (seconds(date)?.as_secs_f64(), seconds(exchange.at)?.as_secs_f64());
    // `Date` is truncated, so on average half a second is missing.
    Some((theirs + 0.5 - ours).round() as i64)
}
