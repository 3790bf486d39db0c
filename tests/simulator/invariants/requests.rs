//! The tokens of requests, and their waits (P3 to P7).

use tower_oauth2_client_credentials::{Error, ErrorKind};

use super::{Blind, Call, DEAD_PAUSE, Kind, SHORT_WAIT, WAIT};
use crate::world::{BLINK, Moment, World};

impl World {
    /// A request, or another call that gets a token, starts.
    pub(crate) fn begins(&mut self, kind: Kind, may_replay: bool) -> usize {
        let now = self.now();
        let id = self.model.calls.len();
        self.is_not_forgotten(now);
        self.called(now);
        self.meets_expired(now);
        self.tally.requests += 1;
        self.model.open += 1;
        let note = match kind {
            Kind::Request => "request",
            Kind::Get => "get",
            Kind::Force => "force",
        };
        self.note("starts", note, id as u64, 0);
        let flying = self.model.flights.iter().any(|flight| !flight.abandoned);
        self.model.calls.push(Call {
            started: now,
            kind,
            may_replay,
            flights: self.model.started,
            flying,
            probing: flying && self.model.failures > 0,
            ..Call::default()
        });
        id
    }

    /// A caller asks for a token.
    pub(crate) fn called(&mut self, now: Moment) {
        self.model.last_call = now;
        if let Some(held) = self.usable(now)
            && now.clock >= held.expires.saturating_sub(held.lifetime.mul_f64(0.15))
        {
            self.model.first_lead_call.get_or_insert(now.clock);
        }
    }

    /// A request reaches an API, or a caller gets a token.
    pub(crate) fn sent(&mut self, id: usize, token: Option<usize>) {
        let now = self.now();
        let call = self.model.calls[id];
        let again = call.sent > 0;
        self.note(
            "sent",
            if again { "again" } else { "" },
            id as u64,
            token.map_or(!0, |it| it as u64),
        );
        let Some(token) = token else {
            return self.violated("P5", format!("request {id} left without a token"));
        };
        let dead = self.sends(now, id, token);
        if again {
            self.replays(now, id, token);
        } else if !dead {
            self.waited_for_no_reason(now, id);
        }
        let since = call.rejected_at.unwrap_or(call.started);
        self.is_prompt(now, since, id);
        let call = &mut self.model.calls[id];
        (call.sent, call.token) = (call.sent + 1, Some(token));
    }

    /// P5: with the cached token, unexpired by the model's own computation. Returns whether it was
    /// expired on arrival.
    fn sends(&mut self, now: Moment, id: usize, token: usize) -> bool {
        if self.usable(now).is_some_and(|held| held.token == token) {
            self.is_unexpired_in_real_time(now, id);
            return false;
        }
        let call = self.model.calls[id];
        let since = call.rejected_at.unwrap_or(call.started);
        let dead = self.model.dead.filter(|(dead, _)| *dead == token);
        if let Some((_, landed)) = dead
            && now.since(landed).is_zero()
            && since <= landed
        {
            self.tally.dead_on_arrival += 1;
            return true;
        }
        let held = self.model.held.map(|held| (held.token, held.expires));
        self.violated("P5", format!("request {id} was sent with token {token}, cached: {held:?}"));
        false
    }

    /// P7: once, after a rejection, with another token, and only if the body can be replayed.
    fn replays(&mut self, now: Moment, id: usize, token: usize) {
        self.tally.replayed += 1;
        let call = self.model.calls[id];
        if call.sent > 1 || call.rejected_at.is_none() || !call.may_replay {
            self.violated("P7", format!("request {id} was sent too often"));
        }
        if call.token == Some(token) {
            self.violated("P7", format!("request {id} was sent again with the same token"));
        }
        if call.rejected_at.is_some_and(|rejected| now.since(rejected) > WAIT + BLINK) {
            self.violated("P3", format!("request {id} waited too long for a replacement"));
        }
    }

    /// P4: with a cached token it is sent at once, or waits shortly if the token was rejected.
    fn waited_for_no_reason(&mut self, now: Moment, id: usize) {
        let call = self.model.calls[id];
        let Some(usable) = self.model.usable_since else { return };
        let since = usable.later(call.started);
        let waited = now.since(since);
        if waited <= BLINK || call.kind == Kind::Force {
            return;
        }
        let allowed = |from: Moment, to: Moment| {
            since.steady <= from.steady + SHORT_WAIT + BLINK && since.steady <= to.steady
        };
        let suspect = self.model.suspect.is_some_and(|from| allowed(from, now))
            || self.model.was_suspect.is_some_and(|(from, to)| allowed(from, to));
        if !suspect && !self.waited_for_a_wall_step(since) {
            self.violated("P4", format!("request {id} waited {waited:?} with a cached token"));
        } else if waited > self.longest_suspect_wait(since) + BLINK {
            self.violated("P7", format!("request {id} waited {waited:?} with a suspect token"));
        }
        self.tally.suspect_waits += 1;
    }

    /// P3: a waiter ends with the first acquisition that ends, and at its deadline at the latest.
    fn is_prompt(&mut self, now: Moment, since: Moment, id: usize) {
        if now.since(since) > WAIT + BLINK {
            self.violated("P3", format!("request {id} waited for {:?}", now.since(since)));
        }
        let landings = &self.model.landings;
        let next = landings.partition_point(|landing| landing.steady <= since.steady);
        let landed = landings.get(next).copied();
        if landed.is_some_and(|landed| now.since(landed) > BLINK) && now.is_even(since) {
            self.violated("P3", format!("request {id} slept on when {landed:?} came"));
        }
    }

    /// An API's response is on its way to the layer.
    pub(crate) fn replied(&mut self, id: usize, token: Option<usize>, status: u16, rejects: bool) {
        let now = self.now();
        let call = &mut self.model.calls[id];
        call.status = Some(status);
        if rejects && call.sent == 1 {
            call.rejected_at = Some(now);
        }
        if let Some(token) = token.filter(|_| rejects) {
            self.rejects(token);
        }
    }

    /// The caller is dropped.
    pub(crate) fn dropped(&mut self, id: usize) {
        self.tally.dropped += 1;
        self.note("dropped", "", id as u64, 0);
        self.closes(id);
    }

    fn closes(&mut self, id: usize) -> Call {
        self.model.open -= 1;
        self.model.last_call = self.now();
        self.model.calls[id]
    }

    /// The caller gets an API's response.
    pub(crate) fn ends(&mut self, id: usize, status: u16) {
        let now = self.now();
        let call = self.closes(id);
        self.note("ends", "", id as u64, status.into());
        if call.status != Some(status) {
            self.violated("P7", format!("request {id} got {status}, and not what the API sent"));
        }
        if let Some(rejected) = call.rejected_at
            && call.sent == 1
        {
            self.is_prompt(now, rejected, id);
        }
    }

    /// The caller gets a token.
    pub(crate) fn got(&mut self, id: usize, token: usize) {
        self.sent(id, Some(token));
        self.closes(id);
    }

    /// The caller gets an error.
    pub(crate) fn errs(&mut self, id: usize, error: &Error) {
        let now = self.now();
        let call = self.closes(id);
        self.note("ends", error.code(), id as u64, 0);
        if call.sent > 0 {
            self.violated("P7", format!("request {id} lost its answer to {error}"));
        }
        if let Some(held) = self.usable(now) {
            let token = held.token;
            self.violated("P5", format!("request {id}: {error}, with cached token {token}"));
        }
        // Others wait shortly for a trial request that may take longer.
        let slow_probe = call.probing && self.plan.latency.longest() > SHORT_WAIT;
        let from = self.served_from(now).filter(|_| !slow_probe);
        if from.is_some_and(|from| call.started.clock > from) {
            self.violated(
                "P6",
                format!("request {id}: {error}, though since {from:?} all is well"),
            );
        }
        self.is_prompt(now, call.started, id);
        self.fails_fast(now, id, error);
    }

    fn fails_fast(&mut self, now: Moment, id: usize, error: &Error) {
        let call = self.model.calls[id];
        let waited = now.since(call.started);
        let even = now.is_even(call.started)
            && self.model.gone_at.is_none_or(|gone| gone.steady < call.started.steady)
            && self.model.blind.is_none();
        let paused = call.started.clock <= self.model.dead_pause;
        let alone = !call.flying && self.model.started == call.flights;
        if waited.is_zero() && alone {
            self.tally.refused_in_cooldown += 1;
            if error.next_attempt_in().is_none_or(|next| next.is_zero()) {
                self.violated("P6", format!("request {id}: {error}, without when it ends"));
            }
        }
        let gave_up = |frozen: Blind| call.started.since(frozen.since) > DEAD_PAUSE + BLINK;
        if error.kind() == ErrorKind::WaitTimeout
            && alone
            && now.is_even(call.started)
            && self.model.blind.is_some_and(gave_up)
        {
            self.violated(
                "P3",
                format!("request {id} waited to the end for a runtime that is not driven"),
            );
        }
        if !even || paused || waited <= BLINK {
            return;
        }
        if error.kind() == ErrorKind::WaitTimeout {
            self.violated("P3", format!("request {id} waited past every acquisition's bound"));
        }
        if alone {
            self.violated("P6", format!("request {id} waited {waited:?} for no acquisition"));
        }
        if call.probing && call.kind != Kind::Force && waited > SHORT_WAIT + BLINK {
            self.violated("P6", format!("request {id} lost {waited:?} in a cooldown"));
        }
    }
}
