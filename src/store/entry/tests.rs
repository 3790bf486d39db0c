use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::*;
use crate::{
    error::{Error, Problem},
    timing::{BackoffSettings, Deadlines, RejectionBudget},
    token::{Token, TokenType},
};

const S: Duration = Duration::from_secs(1);
const PROCESS: u64 = 1;
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
    failed(&error, None, PROCESS, now)
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
    let info = cached.sharing_info().unwrap();
    assert_eq!((info.generation, info.is_free), (Some(7), true));
    assert_eq!(info.refresh_at, Some(now.instant + 2990 * S));
    assert_eq!(info.expires_by, Some(now.instant + 3585 * S));
}

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

/// The buffer that holds a token is wiped. One that grew would have left a copy. `FieldWriter` asserts
/// that it does not grow.
#[test]
fn the_buffer_of_the_longest_encoding_does_not_grow() {
    let mut document = document(now());
    let token = Token::bearer("s".repeat(3000)).unwrap().with_scope("c".repeat(5000));
    let token = token.with_lifetime(3600 * S).with_refresh_in(S);
    document.token = document.token.map(|stored| StoredToken { token, ..stored });
    let error = Error::of(Problem::InvalidClient)
        .with_status(StatusCode::UNAUTHORIZED)
        .with_oauth_code(&"a".repeat(64), None);
    for process in 1..=9 {
        document.failure = Some(failed(&error, document.failure.as_ref(), process, now()));
    }
    let decoded = Document::decode(&document.encode()).unwrap();
    assert_eq!(decoded.failure, document.failure);
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
    let error = |now| failure.error_in_cooldown(OTHER, false, 5 * S, &settings, now);
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

/// A failure without a random part.
fn failed(
    error: &Error,
    before: Option<&StoredFailure>,
    process: u64,
    now: BothClocks,
) -> StoredFailure {
    StoredFailure::new(error, before, process, false, 0.0, &BackoffSettings::default(), now)
}

#[test]
fn a_process_that_failed_tries_again_after_the_others() {
    let (now, settings) = (now(), BackoffSettings::default());
    let left = |failure: &StoredFailure, reader| {
        let error = failure.error_in_cooldown(reader, false, 5 * S, &settings, now).unwrap();
        error.retry_after().unwrap()
    };
    for problem in [Problem::ServerError, Problem::Transport, Problem::InvalidClient] {
        let error = Error::of(problem);
        let first = failed(&error, None, PROCESS, now);
        assert_eq!((left(&first, PROCESS), left(&first, OTHER)), (S * 3 / 2, S), "{problem:?}");
        let second = failed(&error, Some(&first), OTHER, now);
        let third_process = 3;
        let all = [PROCESS, OTHER, third_process].map(|reader| left(&second, reader));
        assert_eq!(all, [S * 11 / 4, S * 11 / 4, 2 * S], "{problem:?}");
    }
}

/// So that a process which is started again and again, with another id each time, fills no entry.
#[test]
fn eight_processes_that_failed_are_remembered() {
    let (now, settings) = (now(), BackoffSettings::default());
    let error = Error::of(Problem::ServerError).with_retry_after(Some(100 * S));
    let mut last: Option<StoredFailure> = None;
    for process in 1..=20 {
        last = Some(failed(&error, last.as_ref(), process, now));
    }
    let last = last.unwrap();
    let document = Document { failure: Some(last.clone()), ..document(now) };
    assert_eq!(Document::decode(&document.encode()).unwrap().failure, Some(last.clone()));
    for process in 1..=20 {
        let error = last.error_in_cooldown(process, false, 5 * S, &settings, now).unwrap();
        let expected = if process <= 12 { 100 * S } else { 105 * S };
        assert_eq!(error.retry_after(), Some(expected), "{process}");
    }
}

/// The cooldown after `invalid_client` is 30 s in the process that failed, as without a store.
#[test]
fn the_process_that_failed_has_at_least_the_cooldown_of_its_cache() {
    let (now, settings) = (now(), BackoffSettings::default());
    for (problem, expected) in [
        (Problem::InvalidClient, 30 * S),
        (Problem::CredentialsRefused, 30 * S),
        (Problem::Transport, S * 3 / 2),
    ] {
        let error = Error::of(problem);
        let error = failed(&error, None, PROCESS, now).with_cooldown(error, 0.0, &settings, now);
        let cooldown = error.fleet_cooldown().unwrap();
        assert_eq!(
            (cooldown.without_token, cooldown.with_token),
            (expected, expected),
            "{problem:?}"
        );
    }
}

/// `docs::fleet` says how long a key must be kept.
#[test]
fn an_entry_without_a_token_is_kept_for_64_minutes_at_most() {
    let (now, settings) = (now(), BackoffSettings::default());
    let error = Error::of(Problem::RateLimited).with_retry_after(Some(Duration::MAX));
    let failed =
        |error: &Error| StoredFailure::new(error, None, PROCESS, false, 0.999, &settings, now);
    let failure = failed(&error);
    let mut budget = RejectionBudget::default();
    budget.record_rejection(now.instant);
    let mut document = Document { budget: StoredBudget::new(&budget, now), ..Document::default() };
    assert_eq!(document.ttl(&settings, now), 31 * 60 * S);
    document.failure = Some(failure);
    assert_eq!(document.ttl(&settings, now), (63 * 60 + 5) * S);
    for problem in [Problem::InvalidClient, Problem::Transport] {
        document.failure = Some(failed(&Error::of(problem)));
        assert_eq!(document.ttl(&settings, now), 31 * 60 * S);
    }
}

#[test]
fn a_later_failure_keeps_the_claim_on_an_acquisition_from_the_budget() {
    let now = now();
    let failed = |before: Option<&StoredFailure>, is_budgeted| {
        let (error, settings) = (Error::of(Problem::ServerError), BackoffSettings::default());
        StoredFailure::new(&error, before, PROCESS, is_budgeted, 0.0, &settings, now)
    };
    let refresh = failed(None, false);
    assert!(!refresh.is_budgeted());
    let rejection = failed(Some(&refresh), true);
    assert!(rejection.is_budgeted() && failed(Some(&rejection), false).is_budgeted());
}
