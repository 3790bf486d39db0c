//! The table of log lines in the documentation of this module is true.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tracing::{
    Event as Line,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use super::*;
use crate::error::{Error, ErrorKind};

const S: Duration = Duration::from_secs(1);

/// One event for each row of the table.
fn samples() -> Vec<EventKind> {
    use EventKind as K;
    let error = || Error::from_source("disk full");
    let (reason, expires_at) = (AcquisitionReason::Missing, SystemTime::UNIX_EPOCH);
    let from = ResultOrigin::Store;
    let text = || "text".to_owned();
    let exhausted = RejectionAction::BudgetExhausted { next_in: S };
    let skew = |by, api| K::ClockSkew { by, local_is_behind: true, api };
    let readiness = |from, to| K::ReadinessChanged { from, to };
    vec![
        K::AcquisitionStarted { reason, probe: true },
        K::AttemptFailed { reason, attempt: 1, error: error(), delay: S },
        K::NonceRequired { reason, server: text() },
        K::Acquired { reason, from, took: S, lifetime: S, expires_at },
        K::Refreshed { from, took: S, lifetime: S, remaining: S, expires_at },
        K::Kept { reason, took: S },
        K::Discarded { reason, from, took: S },
        K::ScopeNarrowed { requested: text(), granted: text() },
        K::AcquisitionFailed {
            reason,
            from,
            took: S,
            error: error(),
            attempts: Some(3),
            failures: 1,
            next_attempt_in: S,
        },
        K::Abandoned { age: S },
        K::Waited { requests: 1, longest: S, total: S },
        K::CooldownEntered { next_attempt_in: S },
        K::CooldownLeft { failures: 1, lasted: S },
        readiness(Readiness::Idle, Readiness::Ready),
        readiness(Readiness::Degraded, Readiness::Ready),
        K::Offered { from, lifetime: S, expires_at },
        K::Cleared,
        K::SuspendDetected { by: S },
        K::Closed,
        K::Rejected { action: RejectionAction::CoolingDown { next_in: S }, origin: Some(text()) },
        K::Rejected { action: exhausted, origin: Some(text()) },
        K::Replayed { reason: ReplayReason::Nonce, origin: Some(text()) },
        K::NotReplayed { reason: NotReplayedReason::Policy },
        K::TokenWithheld { reason: WithheldReason::NoKey, origin: Some(text()), refused: false },
        K::RedirectedToOtherOrigin { from: text(), to: text() },
        K::MetadataMismatch { member: "member", used: text(), listed: vec![text()] },
        K::StaleMetadataUsed { age: S, error: error() },
        K::StaleCredentialUsed { from: text(), error: Error::new(ErrorKind::Credentials) },
        K::ShortSecret { algorithm: "HS256", minimum: 32 },
        skew(S, None),
        skew(Duration::ZERO, None),
        skew(S, Some(text())),
        skew(Duration::ZERO, Some(text())),
        K::StoreUsed { operation: StoreOperation::Read, outcome: StoreOutcome::Timeout, took: S },
        K::SharingStopped { error: error() },
        K::SharingResumed,
        K::EntryNotUsed { entry: text(), error: error() },
        K::SharedTokenFromFuture { by: S },
        K::AnnouncementsStopped { error: error() },
    ]
}

/// Level, message and other fields of each line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, String, String)>>>);

#[derive(Default)]
struct Fields {
    message: String,
    client: String,
    others: Vec<String>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "client" => self.client = format!("{value:?}"),
            name => self.others.push(format!("`{name}`")),
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, line: &Line<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        line.record(&mut fields);
        assert_eq!((line.metadata().target(), &*fields.client), (TARGET, "\"billing\""));
        let level = line.metadata().level().to_string();
        let line = (level, fields.message, fields.others.join(", "));
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn the_table_of_log_lines_is_true() {
    let lines = Lines::default();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let observer = Observer::default().with_client("billing".into());
    let table = include_str!("mod.rs");
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let rows: Vec<_> = rows.collect();
    let (mut covered, samples) = (BTreeSet::new(), samples());
    assert_eq!(rows.len(), samples.len());
    for (row, kind) in rows.into_iter().zip(samples) {
        let name = row.split('`').next().unwrap();
        assert_eq!(format!("{kind:?}").split([' ', '{']).next(), Some(name));
        covered.insert(name.to_owned());
        observer.emit(kind);
        let (level, message, fields) = lines.0.lock().unwrap().pop().expect("it was logged");
        assert_eq!(row, format!("{name}`](EventKind::{name}) | {level} | {message} | {fields} |"));
    }
    // As the enum has them.
    let variants = include_str!("kind.rs").lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let variants = variants.map(|line| line.trim_end_matches([' ', '{', ',']).to_owned());
    assert_eq!(covered, variants.collect());
}

#[test]
fn an_event_without_a_client_has_the_default_name() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let observer = Observer::new(move |event| {
        log.lock().unwrap().push((event.client().to_owned(), event.kind().as_str()));
    });
    observer.emit(EventKind::Cleared);
    observer.with_client("billing".into()).emit(EventKind::Closed);
    let expected = [("oauth".to_owned(), "cleared"), ("billing".to_owned(), "closed")];
    assert_eq!(*seen.lock().unwrap(), expected);
}
