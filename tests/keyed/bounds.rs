//! Limits of memory, of concurrent acquisitions, and of waiting acquisitions.

use std::time::Duration;

use tokio::time::Instant;
use tower_oauth2_client_credentials::ErrorKind;

use super::support::{Idp, all};

const MANY: u32 = 10_000;

#[tokio::test(start_paused = true)]
async fn at_most_the_capacity_is_kept() {
    let idp = Idp::new();
    let tokens = idp.builder().capacity(100).build();
    for key in 0..MANY {
        idp.set_down(key, key % 2 == 0);
        let _ = tokens.get(&key).await;
    }
    assert!((80..=100).contains(&tokens.len()), "{}", tokens.len());
    // Evicted entries are gone, and their sources too.
    assert_eq!(idp.sources(), tokens.len());
}

#[tokio::test(start_paused = true)]
async fn idle_keys_are_dropped_with_the_next_lookup_of_any_key() {
    let idp = Idp::new();
    let tokens = idp.builder().idle_time(Duration::from_secs(600)).build();
    for key in 0..100 {
        tokens.get(&key).await.unwrap();
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(500) {
        tokens.get(&7).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(tokens.len(), 100, "it is not yet time");
    while begun.elapsed() < Duration::from_secs(760) {
        tokens.get(&7).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!((tokens.len(), idp.sources()), (1, 1));
    assert_eq!(idp.all_requests(), 100, "nothing was asked for it");
}

/// 10,000 new keys at once.
#[tokio::test(start_paused = true)]
async fn many_new_keys_share_the_permits() {
    let idp = Idp::taking(Duration::from_millis(10));
    let tokens = idp.builder().build();
    let begun = Instant::now();
    let results = all((0..MANY).map(|key| tokens.get(&key))).await;
    for (key, token) in results.into_iter().enumerate() {
        assert_eq!(token.unwrap().secret(), format!("{key}.1"));
    }
    assert_eq!((idp.most_running(), idp.all_requests()), (16, MANY as usize));
    // The next acquisition takes each free permit at once.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Acquisitions so slow that most would wait too long. Those without a permit end within half of
/// `acquisition_timeout`, and those with one have the other half.
#[tokio::test(start_paused = true)]
async fn many_new_keys_on_a_slow_server_end_in_time() {
    let idp = Idp::taking(Duration::from_secs(11));
    let tokens = idp.builder().build();
    let begun = Instant::now();
    let results = all((0..MANY).map(|key| {
        let get = tokens.get(&key);
        async move { (get.await, begun.elapsed()) }
    }))
    .await;
    let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(|(it, _)| it.is_ok());
    // 16 start in each quarter of a second, until the others have waited for 12.5 s.
    assert_eq!((good.len(), bad.len()), (50 * 16, MANY as usize - 50 * 16));
    for (result, took) in bad {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Overloaded);
        assert!((12_500..12_600).contains(&took.as_millis()), "{took:?}");
    }
    assert_eq!((idp.most_running(), idp.all_requests()), (4 * 11 * 16, 50 * 16));
}

/// At most `capacity` acquisitions wait.
#[tokio::test(start_paused = true)]
async fn at_most_the_capacity_wait_for_a_permit() {
    let idp = Idp::taking(Duration::from_millis(10));
    let tokens = idp.builder().capacity(100).acquisition_start_limit(4).build();
    let results = all((0..MANY).map(|key| tokens.get(&key))).await;
    let good = results.iter().filter(|it| it.is_ok()).count();
    assert_eq!((good, idp.all_requests(), idp.most_running()), (104, 104, 4));
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Overloaded);
    }
    // A refused key is tried again after its cooldown, and none is lost.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(tokens.get(&(MANY - 1)).await.is_ok());
}
