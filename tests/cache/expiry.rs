//! `Token::expires_at`, the timestamp for a gauge.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tower_oauth2_client_credentials::{Error, Token, TokenCache, source::AcquireContext};

const HOUR: Duration = Duration::from_secs(3600);

fn token() -> Result<Token, Error> {
    Token::bearer("abc")
}

#[tokio::test]
async fn a_cached_token_expires_its_lifetime_after_it_was_requested() {
    let tokens = TokenCache::new(|_: AcquireContext| async { Ok(token()?.with_lifetime(HOUR)) });
    let before = SystemTime::now();
    tokens.warm_up().await.unwrap();
    let expires_at = tokens.peek().unwrap().expires_at().unwrap();
    assert!(before + HOUR - Duration::from_secs(1) <= expires_at);
    assert!(expires_at <= SystemTime::now() + HOUR);
    let same = [tokens.get().await.unwrap(), tokens.current().unwrap()];
    assert!(same.iter().all(|token| token.expires_at() == Some(expires_at)), "it does not drift");
}

#[tokio::test]
async fn without_a_stated_lifetime_there_is_none() {
    let tokens = TokenCache::new(|_: AcquireContext| async { token() });
    assert_eq!(tokens.get().await.unwrap().expires_at(), None);
    // Nobody has said when this one was issued.
    assert_eq!(token().unwrap().with_lifetime(HOUR).expires_at(), None);
}

#[tokio::test]
async fn it_counts_from_the_given_instant() {
    let minute = Duration::from_secs(60);
    let issued_at = Instant::now().checked_sub(minute).expect("the machine ran for a minute");
    for token in [
        token().unwrap().with_lifetime(HOUR).with_issued_at(issued_at),
        token().unwrap().with_issued_at(issued_at).with_lifetime(HOUR),
    ] {
        let left = token.expires_at().unwrap().duration_since(SystemTime::now()).unwrap();
        let off = left.abs_diff(HOUR - minute);
        assert!(off < Duration::from_secs(5), "{left:?}");
    }
}
