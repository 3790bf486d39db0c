//! The plan of a seed: how the authorization server, the APIs, the callers and the clock behave in
//! one run.

use std::time::Duration;

use fastrand::Rng;

/// The fault of a token request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The connection is refused.
    Refused,
    /// A 5xx.
    Status(u16),
    /// A 429, with a `Retry-After` of this many seconds, possibly as a date in one of its three
    /// forms.
    Throttled { retry_after: Option<u64>, date: Option<u8> },
    /// The connection breaks during the body.
    Truncated,
    /// A login page.
    Garbage,
    /// No response, ever.
    Hang,
    /// Header fields, and then nothing.
    Stall,
    /// A valid response, this many seconds late.
    Late(u64),
    /// An OAuth error that needs operator action.
    InvalidClient,
    /// The source panics.
    Panic,
}

impl Fault {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(0..16) {
            0..3 => Self::Refused,
            3..6 => Self::Status([500, 502, 503, 504][rng.usize(0..4)]),
            6 => Self::Throttled { retry_after: None, date: None },
            7 | 8 => Self::Throttled {
                retry_after: Some([0, 1, 7, 30, 90, 400, 5000][rng.usize(0..7)]),
                date: rng.bool().then(|| rng.u8(0..3)),
            },
            9 => Self::Truncated,
            10 => Self::Garbage,
            11 | 12 => Self::Hang,
            13 => [Self::Stall, Self::Late(rng.u64(3..20))][rng.usize(0..2)],
            14 => Self::InvalidClient,
            _ => Self::Panic,
        }
    }

    /// Whether a token request with this fault may take as long as an attempt may.
    pub(crate) fn holds_on(self) -> bool {
        matches!(self, Self::Hang | Self::Stall | Self::Late(_))
    }
}

/// The token endpoint has one fault for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) fault: Fault,
}

/// A number of milliseconds in this range; in one case of a hundred up to ten times the maximum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency(pub(crate) u64, pub(crate) u64);

impl Latency {
    pub(crate) fn draw(self, rng: &mut Rng) -> Duration {
        let tail = if rng.u8(0..100) == 0 { 10 } else { 1 };
        Duration::from_millis(rng.u64(self.0..=self.1 * tail))
    }

    pub(crate) fn longest(self) -> Duration {
        Duration::from_millis(self.1 * 10)
    }
}

/// `expires_in`, in seconds; `None`: the field is missing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lifetimes {
    Always(Option<i64>),
    Any,
}

impl Lifetimes {
    const SOME: [Option<i64>; 13] = [
        Some(1),
        Some(2),
        Some(3),
        Some(7),
        Some(30),
        Some(60),
        Some(300),
        Some(900),
        Some(3600),
        Some(86_400),
        None,
        Some(0),
        Some(-5),
    ];

    fn plan(rng: &mut Rng) -> Self {
        let always = Self::SOME[rng.usize(0..Self::SOME.len())];
        if rng.u8(0..4) == 0 { Self::Any } else { Self::Always(always) }
    }

    pub(crate) fn draw(self, rng: &mut Rng) -> Option<i64> {
        match self {
            Self::Always(lifetime) => lifetime,
            Self::Any => Self::SOME[rng.usize(0..Self::SOME.len())],
        }
    }
}

/// The requests that a client may replay: the layer's policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Replays {
    Empty,
    NoReplay,
    Clone,
}

/// One API with one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiPlan {
    /// The share of valid tokens that it rejects, in a part of the run.
    pub(crate) rejects: f64,
    pub(crate) rejects_from: Duration,
    pub(crate) rejects_to: Duration,
    pub(crate) latency: Latency,
    pub(crate) replays: Replays,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) span: Duration,
    pub(crate) windows: Vec<Window>,
    /// The share of token requests with a separate fault, outside of the windows.
    pub(crate) glitches: f64,
    pub(crate) latency: Latency,
    pub(crate) lifetimes: Lifetimes,
    /// How often the server returns the last token again.
    pub(crate) same_token: f64,
    /// The server does so with a token that the APIs have revoked.
    pub(crate) stubborn: bool,
    /// A new token revokes the previous one.
    pub(crate) revokes_old: bool,
    /// A refresh hint, as a fraction of the lifetime.
    pub(crate) refresh_in: Option<f64>,
    pub(crate) apis: Vec<ApiPlan>,
    pub(crate) keep_warm: bool,
    /// The mean gap between requests, in milliseconds.
    pub(crate) gap: u64,
    /// The other fields are probabilities per request.
    pub(crate) burst: f64,
    pub(crate) idle: f64,
    pub(crate) dropped: f64,
    pub(crate) invalidate: f64,
    pub(crate) force: f64,
    pub(crate) revoke: f64,
    pub(crate) jump: f64,
    pub(crate) freeze: f64,
    pub(crate) suspend: f64,
    pub(crate) set_wall: f64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng, seconds: u64) -> Self {
        let span = Duration::from_secs(seconds);
        let mut one_of = |of: &[f64]| of[rng.usize(0..of.len())];
        let (glitches, same_token) =
            (one_of(&[0.0, 0.0, 0.02, 0.2]), one_of(&[0.0, 0.0, 0.5, 0.95]));
        let (burst, idle) = (one_of(&[0.0, 0.02]), one_of(&[0.0, 0.002]));
        let (dropped, invalidate) = (one_of(&[0.0, 0.05, 0.3]), one_of(&[0.0, 0.001, 0.01]));
        let (force, revoke) = (one_of(&[0.0, 0.001, 0.01]), one_of(&[0.0, 0.001, 0.01]));
        let (jump, freeze) = (one_of(&[0.0, 0.0, 0.002]), one_of(&[0.0, 0.0, 0.02]));
        let (suspend, set_wall) = (one_of(&[0.0, 0.0, 0.003]), one_of(&[0.0, 0.0, 0.003]));
        const LATENCIES: [Latency; 5] =
            [Latency(1, 5), Latency(5, 50), Latency(50, 90), Latency(100, 400), Latency(500, 1500)];
        Self {
            span,
            windows: windows(rng, span),
            glitches,
            latency: LATENCIES[rng.usize(0..5)],
            lifetimes: Lifetimes::plan(rng),
            same_token,
            stubborn: rng.bool(),
            revokes_old: rng.u8(0..6) == 0,
            refresh_in: [None, None, Some(0.0), Some(0.5)][rng.usize(0..4)],
            apis: (0..rng.usize(1..4)).map(|_| api(rng, span)).collect(),
            keep_warm: rng.u8(0..8) == 0,
            gap: rng.u64(400..900),
            burst,
            idle,
            dropped,
            invalidate,
            force,
            revoke,
            jump,
            freeze,
            suspend,
            set_wall,
        }
    }

    /// The window that contains the instant.
    pub(crate) fn window(&self, at: Duration) -> Option<&Window> {
        let next = self.windows.partition_point(|window| window.from <= at);
        self.windows[..next].last().filter(|window| at < window.to)
    }

    /// The last window that has ended.
    pub(crate) fn last_window(&self, at: Duration) -> Option<&Window> {
        let over = self.windows.partition_point(|window| window.to <= at);
        self.windows[..over].last()
    }
}

fn api(rng: &mut Rng, span: Duration) -> ApiPlan {
    let from = span.mul_f64(rng.f64());
    ApiPlan {
        rejects: [0.0, 0.0, 0.001, 0.01, 0.3, 1.0][rng.usize(0..6)],
        rejects_from: if rng.bool() { Duration::ZERO } else { from },
        rejects_to: if rng.bool() { span } else { from + span / 10 },
        latency: [Latency(0, 0), Latency(1, 30), Latency(50, 500)][rng.usize(0..3)],
        replays: [Replays::Empty, Replays::NoReplay, Replays::Clone][rng.usize(0..3)],
    }
}

/// From a second to a third of the run, without overlap.
fn windows(rng: &mut Rng, span: Duration) -> Vec<Window> {
    let most = 3 + span.as_secs() / 900;
    let mut windows: Vec<Window> = (0..rng.u64(0..=most))
        .map(|_| {
            let longest = span.as_secs_f64() / 3.0;
            let length = longest.powf(rng.f64()).max(1.0);
            let from = Duration::from_millis(rng.u64(0..span.as_millis() as u64));
            let to = from + Duration::from_millis((length * 1000.0) as u64);
            Window { from, to, fault: Fault::draw(rng) }
        })
        .collect();
    windows.sort_by_key(|window| window.from);
    let mut free_from = Duration::ZERO;
    windows.retain(|window| {
        let apart = window.from >= free_from;
        if apart {
            free_from = window.to;
        }
        apart
    });
    windows
}

/// A fault for one token request.
pub(crate) fn glitch(rng: &mut Rng) -> Fault {
    Fault::draw(rng)
}
