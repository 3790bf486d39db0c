use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::*;
use crate::{
    error::{Error, Problem},
    timing::{BackoffSettings, Deadlines, FailureBackoff, RejectionBudget},
    token::{Token, TokenType},
};

const S: Duration = Duration::from_secs(1);
const AUTHOR: u64 = 1;
const OTHER: u64 = 2;

fn now() -> BothClocks {
    // So that instants in the past exist.
    BothClocks { instant: Instant::now() + 100_000 * S, wall: 1_795_521_600_000 }
}

fn later(now: BothClocks, by: Duration) -> BothClocks {
    BothClocks { instant: now.instant + by, wall: now.wall + by.as_millis() as u64 }
}

fn document(now: BothClocks) -> Document {
    let token = Token::new(TokenType::Dpop, "s3cr3t")
        .unwrap()
        .with_lifetime(3600 * S)
        .with_refresh_in(1800 * S)
        .with_scope("a b");
    let issued_at = now.instant - 10 * S;
    let deadlines = Deadlines {
        refresh_at: issued_at + 3000 * S,
        expires_at: issued_at + 3570 * S,
        lifetime: 3600 * S,
    };
    let mut budget = RejectionBudget::default();
    budget.record_rejection(now.instant);
    budget.take(now.instant);
    Document {
        token: Some(StoredToken::new(&token, issued_at, &deadlines, now)),
        failure: Some(failure(Problem::InvalidClient, now)),
        budget: StoredBudget::new(&budget, now),
    }
}

fn failure(problem: Problem, now: BothClocks) -> StoredFailure {
    let error = Error::of(problem)
        .with_status(StatusCode::UNAUTHORIZED)
        .with_server_text("text of the server")
        .with_oauth_code("invalid_client", Some("more text"))
        .with_retry_after(Some(100 * S));
    let backoff = FailureBackoff::after(2, error, now.instant, 0.0, &BackoffSettings::default());
    StoredFailure::new(&backoff, None, AUTHOR, now)
}

#[test]
fn a_document_survives_its_encoding() {
    let now = now();
    let document = document(now);
    let encoded = document.encode();
    let decoded = Document::decode(&encoded).unwrap();
    assert_eq!((&decoded.failure, &decoded.budget), (&document.failure, &document.budget));
    let (decoded, token) = (decoded.token.unwrap(), document.token.unwrap());
    assert!(decoded.token.same_secret(&token.token));
    assert_eq!(decoded.token.token_type(), TokenType::Dpop);
    assert_eq!(decoded.token.scope(), Some("a b"));
    let times = |it: &StoredToken| (it.issued_at, it.expires_at, it.refresh_at, it.was_rejected);
    assert_eq!(times(&decoded), times(&token));
    let cached = decoded.for_cache(7, 5 * S, later(now, 90 * S));
    assert_eq!(cached.lifetime(), Some(3600 * S));
    assert_eq!(cached.refresh_in(), Some(1800 * S));
    assert_eq!(cached.issued_at(), Some(now.instant - 10 * S));
    let terms = cached.store_deadlines().unwrap();
    assert_eq!((terms.generation, terms.from_store), (Some(7), true));
    assert_eq!(terms.refresh_at, Some(now.instant + 2990 * S));
    assert_eq!(terms.expires_by, Some(now.instant + 3585 * S));
}

/// The buffer that holds a token is wiped. One that grew would have left a copy.
#[test]
fn each_problem_survives_the_encoding() {
    let now = now();
    for problem in Problem::ALL {
        let failure = Some(failure(problem, now));
        let decoded =
            Document::decode(&Document { failure: failure.clone(), ..document(now) }.encode());
        assert_eq!(decoded.unwrap().failure, failure, "{problem:?}");
    }
}

#[test]
fn the_buffer_of_an_encoding_does_not_grow() {
    let mut document = document(now());
    let token = Token::bearer("s".repeat(3000)).unwrap().with_scope("c".repeat(5000));
    let token = token.with_lifetime(3600 * S).with_refresh_in(S);
    document.token = document.token.map(|stored| StoredToken { token, ..stored });
    let encoded = document.encode();
    let token = document.token.unwrap();
    let most = 1
        + token.encoded_len()
        + failure::BYTES
        + budget::BYTES
        + 5 * (1 + token::FIELDS + failure::FIELDS + budget::FIELDS);
    assert!(encoded.len() <= most, "{} {most}", encoded.len());
    assert!(encoded.capacity() <= most, "it grew: {} {most}", encoded.capacity());
}

#[test]
fn no_text_of_a_server_is_in_a_document() {
    let encoded = document(now()).encode();
    for text in ["text of the server", "more text"] {
        assert!(!encoded.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
    }
}

#[test]
fn a_document_that_is_cut_off_or_of_another_version_is_refused() {
    let encoded = document(now()).encode();
    let cut = (0..encoded.len()).filter(|length| Document::decode(&encoded[..*length]).is_some());
    assert_eq!(cut.count(), 0);
    let mut other = encoded.to_vec();
    other[0] = 2;
    assert!(Document::decode(&other).is_none());
    let unknown_field = [&[1, 200, 0, 0, 0, 1, 7], &encoded[1..]].concat();
    assert!(Document::decode(&unknown_field).is_some());
}

#[test]
fn a_document_with_a_damaged_token_is_refused_and_one_without_a_token_is_not() {
    let mut damaged = document(now()).encode().to_vec();
    let at = damaged.windows(6).position(|part| part == b"s3cr3t").unwrap();
    damaged[at] = b' ';
    assert!(Document::decode(&damaged).is_none());
    let without = Document { token: None, ..document(now()) };
    assert!(Document::decode(&without.encode()).unwrap().token.is_none());
}

#[test]
fn a_token_from_the_future_is_reported_beyond_the_difference_of_clocks() {
    let now = now();
    let token = document(later(now, 15 * S)).token.unwrap();
    let ahead_by = |skew| token.ahead_by(skew, now);
    assert_eq!(ahead_by(5 * S), None);
    assert_eq!(ahead_by(5 * S - Duration::from_millis(1)), Some(5 * S));
}

#[test]
fn random_bytes_are_refused_without_a_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = vec![0; random.usize(0..100)];
        random.fill(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        Document::decode(&bytes);
    }
}

#[test]
fn an_error_crosses_processes_without_text_and_with_the_rest_of_its_cooldown() {
    let now = now();
    let failure = failure(Problem::InvalidClient, now);
    let settings = BackoffSettings::default();
    let error = |now| failure.error(OTHER, false, 5 * S, &settings, now);
    let error_later = error(later(now, 40 * S)).unwrap();
    assert_eq!(error_later.retry_after(), Some(60 * S));
    assert_eq!(error_later.oauth_code(), Some("invalid_client"));
    assert_eq!(error_later.status(), Some(StatusCode::UNAUTHORIZED));
    assert!(error_later.is_permanent() && !error_later.is_retryable());
    let text = error_later.to_string();
    assert!(text.contains("another process of the fleet got this error 40 s ago"), "{text}");
    assert!(!text.contains("text of the server"), "{text}");
    assert!(error(later(now, 100 * S)).is_none(), "the cooldown has ended");
}

#[test]
fn a_failure_that_may_be_local_stops_the_fleet_when_another_process_confirms_it() {
    let (now, settings) = (now(), BackoffSettings::default());
    let failed = |problem, before: Option<&StoredFailure>, author| {
        let failures = before.map_or(0, |it| it.failures);
        let error = Error::of(problem);
        let backoff = FailureBackoff::after(failures, error, now.instant, 0.0, &settings);
        StoredFailure::new(&backoff, before, author, now)
    };
    let left = |failure: &StoredFailure, reader| {
        let error = failure.error(reader, false, 5 * S, &settings, now).unwrap();
        error.retry_after().unwrap()
    };
    let shared = failed(Problem::ServerError, None, AUTHOR);
    assert_eq!((left(&shared, AUTHOR), left(&shared, OTHER)), (S, S));
    let local = failed(Problem::Transport, None, AUTHOR);
    assert_eq!((left(&local, AUTHOR), left(&local, OTHER)), (S * 5 / 2, S / 4));
    let again = failed(Problem::Transport, Some(&local), AUTHOR);
    assert_eq!((left(&again, AUTHOR), left(&again, OTHER)), (S * 19 / 4, S / 4));
    let confirmed = failed(Problem::Transport, Some(&local), OTHER);
    assert_eq!((left(&confirmed, AUTHOR), left(&confirmed, OTHER)), (2 * S, S * 19 / 4));
    let still = failed(Problem::Transport, Some(&confirmed), OTHER);
    assert_eq!(left(&still, AUTHOR), 4 * S);
}

#[test]
fn credentials_that_were_refused_for_one_process_do_not_stop_the_fleet_unconfirmed() {
    let (now, settings) = (now(), BackoffSettings::default());
    for problem in
        [Problem::InvalidClient, Problem::UnauthorizedClient, Problem::CredentialsRefused]
    {
        let error = Error::of(problem).with_status(StatusCode::UNAUTHORIZED);
        let backoff = FailureBackoff::after(0, error, now.instant, 0.0, &settings);
        let failure = StoredFailure::new(&backoff, None, AUTHOR, now);
        let error = failure.error(OTHER, false, 5 * S, &settings, now).unwrap();
        assert_eq!(error.retry_after(), Some(S / 4), "{problem:?}");
        assert!(error.is_permanent(), "{problem:?}");
    }
}

#[test]
fn a_failure_of_a_wrong_clock_does_not_stop_the_fleet() {
    let now = now();
    let ahead = failure(Problem::ServerError, later(now, 3600 * S));
    assert!(ahead.error(OTHER, false, 5 * S, &BackoffSettings::default(), now).is_none());
    let little_ahead = failure(Problem::ServerError, later(now, 3 * S));
    assert!(little_ahead.error(OTHER, false, 5 * S, &BackoffSettings::default(), now).is_some());
}

#[test]
fn a_budget_keeps_its_times_on_another_clock() {
    let now = now();
    let settings = BackoffSettings::default();
    let mut budget = RejectionBudget::default();
    for _ in 0..3 {
        budget.record_rejection(now.instant);
        budget.take(now.instant);
    }
    let stored = StoredBudget::new(&budget, now);
    // A process that started at another time.
    let other = BothClocks { instant: now.instant - 5000 * S, wall: now.wall + 20_000 };
    assert_eq!(stored.budget(other).wait(other.instant, &settings), 40 * S);
    let behind = BothClocks { instant: now.instant, wall: now.wall - 3_600_000 };
    assert_eq!(stored.budget(behind).wait(behind.instant, &settings), 60 * S);
}

#[test]
fn an_entry_is_kept_as_long_as_any_part_is_of_use() {
    let (now, settings) = (now(), BackoffSettings::default());
    let mut document = document(now);
    assert_eq!(document.keep(&settings, now), 3590 * S + 60 * S);
    document.token = None;
    assert_eq!(document.keep(&settings, now), 1800 * S + 60 * S);
    document.budget = StoredBudget::default();
    assert_eq!(document.keep(&settings, now), 220 * S + 60 * S);
}

/// Plain text can be written by anyone.
#[test]
fn absurd_times_do_not_overflow() {
    let (now, settings) = (now(), BackoffSettings::default());
    let mut document = document(now);
    let token = document.token.as_mut().unwrap();
    token.token = token.token.clone().with_lifetime(Duration::MAX);
    (token.expires_at, token.refresh_at) = (u64::MAX, u64::MAX);
    let decoded = Document::decode(&document.encode()).unwrap();
    assert!(decoded.keep(&settings, now) < Duration::from_secs(u64::from(u32::MAX)));
    let token = decoded.token.unwrap().for_cache(u64::MAX, Duration::ZERO, now);
    assert!(token.store_deadlines().unwrap().expires_by > Some(now.instant));
    for wall in [0, u64::MAX] {
        let other = BothClocks { instant: now.instant, wall };
        assert!(document.keep(&settings, other) < Duration::from_secs(u64::from(u32::MAX)));
        let stored = document.token.as_ref().unwrap();
        let cached = stored.for_cache(1, Duration::MAX, other);
        assert!(cached.store_deadlines().unwrap().expires_by >= Some(other.instant));
        document.budget.budget(other).wait(other.instant, &settings);
        document.failure.as_ref().unwrap().error(OTHER, true, Duration::ZERO, &settings, other);
    }
}
