//! The events of a run: the last ones for a report, all of them for a count and a fingerprint.

use std::{collections::VecDeque, fmt, time::Duration};

use crate::setting;

/// The number of events in a report, unless `SIM_SHOWN` is set.
const SHOWN: u64 = 60;

#[derive(Clone, Copy)]
struct Fact {
    at: Duration,
    what: &'static str,
    note: &'static str,
    subject: u64,
    detail: u64,
}

pub(crate) struct Trail {
    shown: usize,
    last: VecDeque<Fact>,
    pub(crate) count: u64,
    /// Equal for equal runs. A seed replays if and only if this value is the same.
    pub(crate) fingerprint: u64,
}

impl Default for Trail {
    fn default() -> Self {
        let shown = setting("SIM_SHOWN", SHOWN).max(1) as usize;
        Self { shown, last: VecDeque::new(), count: 0, fingerprint: 0 }
    }
}

impl Trail {
    pub(crate) fn push(
        &mut self,
        at: Duration,
        what: &'static str,
        note: &'static str,
        subject: u64,
        detail: u64,
    ) {
        self.count += 1;
        let mixed = (at.as_nanos() as u64, what.len() as u64 * 257 + note.len() as u64);
        for part in [mixed.0, mixed.1, subject, detail] {
            self.fingerprint =
                (self.fingerprint.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        if self.last.len() == self.shown {
            self.last.pop_front();
        }
        self.last.push_back(Fact { at, what, note, subject, detail });
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fact in &self.last {
            let Fact { at, what, note, subject, detail } = fact;
            writeln!(f, "  {:>12.3} s  {what} #{subject} {note} {detail}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
