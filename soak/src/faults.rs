//! The faults of a run, and when each was in force.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::proxy::Mode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    AuthorizationServer,
    Api,
    Redis,
    /// The process under test: its connections to the authorization server and the API.
    Service,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Network(Mode),
    /// Name lookups fail.
    Names,
    /// The process is killed, and started again at the end.
    Killed,
    /// The process is stopped by a signal, and continues at the end.
    Stopped,
    /// The process can open no descriptor. Its connections are reset at the beginning.
    Descriptors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub target: Target,
    pub kind: Kind,
}

/// Each fault once.
pub fn all() -> Vec<Fault> {
    let modes = [Mode::Reset, Mode::Slow, Mode::HalfOpen, Mode::HangingHandshake, Mode::Lost];
    let network = modes.map(Kind::Network);
    let of = |target, kinds: &[Kind]| {
        kinds.iter().map(|&kind| Fault { target, kind }).collect::<Vec<_>>()
    };
    let mut faults = of(Target::Service, &[Kind::Descriptors]);
    for (target, more) in [
        (Target::AuthorizationServer, &[Kind::Names, Kind::Killed][..]),
        (Target::Api, &[Kind::Names]),
        (Target::Redis, &[Kind::Killed, Kind::Stopped]),
    ] {
        faults.extend(of(target, &network));
        faults.extend(of(target, more));
    }
    // Redis is reached without TLS.
    let of_tls = Kind::Network(Mode::HangingHandshake);
    faults.retain(|it| it.target != Target::Redis || it.kind != of_tls);
    faults
}

impl Fault {
    pub fn name(self) -> String {
        let target = match self.target {
            Target::AuthorizationServer => "authorization server",
            Target::Api => "API",
            Target::Redis => "Redis",
            Target::Service => "service",
        };
        let kind = match self.kind {
            Kind::Network(Mode::Forward) => "no fault",
            Kind::Network(Mode::Reset) => "connections reset",
            Kind::Network(Mode::Slow) => "1 byte/s",
            Kind::Network(Mode::HalfOpen) => "half-open connections",
            Kind::Network(Mode::HangingHandshake) => "hanging TLS handshakes",
            Kind::Network(Mode::Lost) => "open connections lost for good",
            Kind::Names => "name lookups fail",
            Kind::Killed => "killed and restarted",
            Kind::Stopped => "stopped (SIGSTOP)",
            Kind::Descriptors => "descriptors exhausted",
        };
        format!("{target}: {kind}")
    }

    pub fn is_of(self, target: Target) -> bool {
        let of_service = self.target == Target::Service && target != Target::Redis;
        self.target == target || of_service
    }

    /// How long requests to the API may fail after the fault.
    fn recovery(self) -> Duration {
        match self.kind {
            // A PING after 15 s, for 10 s.
            Kind::Network(Mode::Lost) => Duration::from_secs(26),
            _ => Duration::from_secs(2),
        }
    }
}

#[derive(Clone, Copy)]
struct Span {
    fault: Fault,
    begin: Instant,
    end: Option<Instant>,
}

/// The faults so far.
#[derive(Default)]
pub struct Timeline(Mutex<Vec<Span>>);

impl Timeline {
    fn spans<T>(&self, use_spans: impl FnOnce(&mut Vec<Span>) -> T) -> T {
        use_spans(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn begin(&self, fault: Fault) {
        self.spans(|all| all.push(Span { fault, begin: Instant::now(), end: None }));
    }

    /// Ends the last fault.
    pub fn end(&self) {
        self.spans(|all| {
            if let Some(span) = all.last_mut() {
                span.end = Some(Instant::now());
            }
        });
    }

    /// Whether a fault of the API, or its recovery, was in force from `begin` until now.
    pub fn api_failed_since(&self, begin: Instant) -> bool {
        self.failed_since(begin, Target::Api, Fault::recovery)
    }

    /// Whether token requests failed from `begin` until now, or shortly before.
    pub fn tokens_failed_since(&self, begin: Instant, recovery: Duration) -> bool {
        self.failed_since(begin, Target::AuthorizationServer, |_| recovery)
    }

    /// Whether token requests failed at this time, or shortly before.
    pub fn tokens_failed_at(&self, time: Instant, recovery: Duration) -> bool {
        let covers =
            |span: &Span| span.begin <= time && span.end.is_none_or(|end| end + recovery >= time);
        let is_covering =
            |span: &Span| span.fault.is_of(Target::AuthorizationServer) && covers(span);
        self.spans(|all| all.iter().any(is_covering))
    }

    fn failed_since(
        &self,
        begin: Instant,
        target: Target,
        recovery: impl Fn(Fault) -> Duration,
    ) -> bool {
        let reaches = |span: &Span| span.end.is_none_or(|end| end + recovery(span.fault) >= begin);
        self.spans(|all| all.iter().any(|span| span.fault.is_of(target) && reaches(span)))
    }

    /// The name of the last fault, and whether it is over.
    pub fn last(&self) -> String {
        let last = self.spans(|all| all.last().copied());
        last.map_or("no fault yet".into(), |span| match span.end {
            None => format!("during \"{}\"", span.fault.name()),
            Some(end) => format!("{:?} after \"{}\"", end.elapsed(), span.fault.name()),
        })
    }

    /// How often each fault was in force, by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        self.spans(|all| {
            all.iter().for_each(|it| *counts.entry(it.fault.name()).or_default() += 1);
        });
        counts
    }

    /// The lengths of all faults of a target.
    pub fn lengths(&self, target: Target) -> Vec<Duration> {
        let length = |span: &Span| span.end.map_or(span.begin.elapsed(), |end| end - span.begin);
        self.spans(|all| all.iter().filter(|it| it.fault.is_of(target)).map(length).collect())
    }
}
