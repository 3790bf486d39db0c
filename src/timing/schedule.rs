//! When a token is refreshed and when it expires: a pure function of the token, its arrival and the
//! settings.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::MAX_LIFETIME;

/// The longest lead, as a fraction of the lifetime. However slow the endpoint is, the rest of the
/// lifetime passes before a refresh.
const MAX_LEAD: f64 = 0.6;

/// The minimum time between the arrival of a token and its refresh, if a fleet has decided when to
/// refresh it. A common refresh may be due on arrival, so it must not wait for a third of the rest. 1 s
/// prevents a loop.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The settings of the schedule. The *lead* is how long before its expiry a token is refreshed.
/// Leads are ranges of fractions of the lifetime, from lowest to highest.
/// [`defaults`](crate::docs::defaults) gives the reason for each default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) default_lifetime: Duration,
    pub(crate) leeway: Duration,
    pub(crate) lead: (f64, f64),
    pub(crate) first_lead: (f64, f64),
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            default_lifetime: Duration::from_secs(5 * 60),
            leeway: Duration::from_secs(30),
            lead: (0.15, 0.30),
            first_lead: (0.15, 0.60),
        }
    }
}

/// A token's properties when it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The instant before the token request was sent, minus the response's `Age`.
    pub(crate) issued_at: Instant,
    pub(crate) arrived_at: Instant,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) refresh_in: Option<Duration>,
    /// How long the acquisition took.
    pub(crate) took: Duration,
    /// The cache's first token. Its lead varies more, which spreads instances that started together.
    pub(crate) first: bool,
    /// The server returned the cached token again.
    pub(crate) same_token: bool,
    /// Drawn once for this token, uniform in `[0, 1)`.
    pub(crate) draw: f64,
    /// When to refresh it, decided for all processes of a fleet. It replaces the draw.
    pub(crate) refresh_at: Option<Instant>,
    /// Upper bound of `expires_at`.
    pub(crate) expires_by: Option<Instant>,
}

impl Arrival {
    /// A token without a lifetime and without a refresh time.
    #[cfg(any(feature = "store", test))]
    pub(crate) fn new(issued_at: Instant, arrived_at: Instant) -> Self {
        Self {
            issued_at,
            arrived_at,
            lifetime: None,
            refresh_in: None,
            took: Duration::ZERO,
            first: false,
            same_token: false,
            draw: 0.0,
            refresh_at: None,
            expires_by: None,
        }
    }
}

/// When to refresh a token, and when to stop using it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadlines {
    pub(crate) refresh_at: Instant,
    pub(crate) expires_at: Instant,
    /// The lifetime that the deadlines are computed from.
    pub(crate) lifetime: Duration,
}

impl Schedule {
    pub(crate) fn deadlines(&self, arrival: &Arrival) -> Deadlines {
        let lifetime = arrival.lifetime.unwrap_or(self.default_lifetime).min(MAX_LIFETIME);
        let leeway = self.leeway.min(lifetime / 10);
        let usable = lifetime - leeway;
        let expires_at = arrival.issued_at + usable;
        let expires_at = arrival.expires_by.map_or(expires_at, |at| at.min(expires_at));
        let left = expires_at.saturating_duration_since(arrival.arrived_at);

        let (low, high) = if arrival.first { self.first_lead } else { self.lead };
        let lead = lifetime
            .mul_f64(low + (high - low) * arrival.draw)
            // Room for one retry with a slow endpoint.
            .max(arrival.took.min(MAX_LIFETIME) * 3)
            .min(lifetime.mul_f64(MAX_LEAD));
        let mut refresh_in = usable.saturating_sub(lead);
        if let Some(hint) = arrival.refresh_in {
            refresh_in = refresh_in.min(hint);
        }
        // A minimum pause: a hint, a slow endpoint or a nearly expired token must not cause a loop of
        // refreshes.
        let (planned, pause) = match arrival.refresh_at {
            Some(common) => (common, MIN_PAUSE.min(left / 3)),
            None if arrival.same_token => (arrival.issued_at + refresh_in, left / 2),
            None => (arrival.issued_at + refresh_in, left / 3),
        };
        let earliest = arrival.arrived_at + pause;
        let refresh_at = planned.max(earliest).min(expires_at.max(earliest));
        Deadlines { refresh_at, expires_at, lifetime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_a_lifetime_lives_five_minutes() {
        let mut one = arrival(Instant::now(), 0.0);
        one.lifetime = None;
        assert_eq!(seconds(&one).1, 270.0, "with the leeway of 30 s");
    }

    fn arrival(start: Instant, lifetime: f64) -> Arrival {
        let lifetime = Some(Duration::from_secs_f64(lifetime));
        Arrival { lifetime, ..Arrival::new(start, start) }
    }

    /// `(refresh, expiry)` in seconds after the token was issued.
    fn seconds(arrival: &Arrival) -> (f64, f64) {
        let deadlines = Schedule::default().deadlines(arrival);
        let since = |at: Instant| {
            let micros = at.saturating_duration_since(arrival.issued_at).as_micros();
            micros as f64 / 1e6
        };
        (since(deadlines.refresh_at), since(deadlines.expires_at))
    }

    #[test]
    fn an_hour_is_refreshed_between_2490_and_3030_seconds() {
        let start = Instant::now();
        let mut one = arrival(start, 3600.0);
        assert_eq!(seconds(&one), (3030.0, 3570.0));
        one.draw = 1.0;
        assert_eq!(seconds(&one), (2490.0, 3570.0));
    }

    #[test]
    fn a_first_token_spreads_wider() {
        let mut one = arrival(Instant::now(), 3600.0);
        (one.first, one.draw) = (true, 1.0);
        assert_eq!(seconds(&one), (1410.0, 3570.0));
    }

    #[test]
    fn two_seconds_with_a_slow_endpoint_are_refreshed_at_0_9_of_1_8() {
        let mut one = arrival(Instant::now(), 2.0);
        one.took = Duration::from_millis(300);
        one.arrived_at += one.took;
        assert_eq!(seconds(&one), (0.9, 1.8));
    }

    #[test]
    fn a_hint_only_moves_the_refresh_earlier_and_never_below_a_third() {
        let mut one = arrival(Instant::now(), 3600.0);
        one.refresh_in = Some(Duration::from_secs(2000));
        assert_eq!(seconds(&one).0, 2000.0);
        one.refresh_in = Some(Duration::from_secs(100_000));
        assert_eq!(seconds(&one).0, 3030.0);
        one.refresh_in = Some(Duration::ZERO);
        assert_eq!(seconds(&one).0, 1190.0);
    }

    #[test]
    fn an_endpoint_slower_than_the_lifetime_leaves_a_third_of_the_rest() {
        let mut one = arrival(Instant::now(), 10.0);
        one.took = Duration::from_secs(8);
        one.arrived_at += one.took;
        let (refresh, expiry) = seconds(&one);
        assert_eq!(expiry, 9.0);
        assert!((refresh - (8.0 + 1.0 / 3.0)).abs() < 1e-5, "{refresh}");
    }

    #[test]
    fn the_same_token_again_is_not_refreshed_for_half_of_the_rest() {
        let mut one = arrival(Instant::now(), 20.0);
        one.same_token = true;
        one.arrived_at += Duration::from_secs(10);
        assert_eq!(seconds(&one), (15.0, 18.0));
        one.refresh_in = Some(Duration::ZERO);
        assert_eq!(seconds(&one), (14.0, 18.0));
    }

    #[test]
    fn a_common_refresh_replaces_the_draw_and_may_be_due_a_second_after_the_arrival() {
        let start = Instant::now();
        let mut one = arrival(start, 3600.0);
        one.arrived_at += Duration::from_secs(100);
        for (common, expected) in [(2000, 2000.0), (50, 101.0), (5000, 3570.0)] {
            one.refresh_at = Some(start + Duration::from_secs(common));
            assert_eq!(seconds(&one), (expected, 3570.0));
        }
        one.expires_by = Some(start + Duration::from_secs(101));
        let (refresh, expiry) = seconds(&one);
        assert_eq!(expiry, 101.0);
        assert!(refresh > 100.0 && refresh <= 101.0, "{refresh}");
        // Due at once, and a third of the rest is less than a second.
        one.refresh_at = Some(start);
        assert!((seconds(&one).0 - (100.0 + 1.0 / 3.0)).abs() < 1e-5);
    }

    #[test]
    fn absurd_lifetimes_do_not_overflow() {
        let start = Instant::now();
        let mut one = arrival(start, 1.0);
        one.lifetime = Some(Duration::MAX);
        one.refresh_in = Some(Duration::MAX);
        one.took = Duration::MAX;
        let deadlines = Schedule::default().deadlines(&one);
        assert!(deadlines.refresh_at > start && deadlines.refresh_at < deadlines.expires_at);
        one.lifetime = Some(Duration::ZERO);
        let deadlines = Schedule::default().deadlines(&one);
        assert_eq!((deadlines.refresh_at, deadlines.expires_at), (start, start));
    }

    #[test]
    fn refresh_is_never_after_expiry_and_never_before_a_third_of_the_rest() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100_000 {
            let mut one = arrival(start, random.f64() * 10_f64.powi(random.i32(0..8)));
            one.took = Duration::from_secs_f64(random.f64() * 30.0);
            one.arrived_at += one.took;
            one.first = random.bool();
            one.same_token = random.bool();
            one.draw = random.f64();
            one.refresh_in = random.bool().then(|| Duration::from_secs(random.u64(0..5000)));
            let Deadlines { refresh_at, expires_at, .. } = Schedule::default().deadlines(&one);
            let left = expires_at.saturating_duration_since(one.arrived_at);
            assert!(refresh_at >= one.arrived_at + left / 3, "{one:?}");
            assert!(refresh_at <= expires_at.max(one.arrived_at), "{one:?}");
        }
    }
}
