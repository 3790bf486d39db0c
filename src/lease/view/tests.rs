//! What a service holds, and which counts its clones and calls write to.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Uri};

use super::*;
use crate::{
    cache::TokenCache,
    error::Error,
    origins::Origins,
    replay::EmptyBodies,
    settings::Settings,
    source::Acquire,
    sync::stripes,
    token::{ProofOfPossession, Token, TokenType},
};

/// Tokens `t1`, `t2`, … that live for an hour, the first at hand.
async fn cache() -> TokenCache {
    let nth = AtomicU32::new(0);
    let cache = TokenCache::new(move |_: Acquire| {
        let token = Token::bearer(format!("t{}", nth.fetch_add(1, Ordering::Relaxed) + 1));
        async move { Ok(token?.with_lifetime(Duration::from_secs(3600))) }
    });
    cache.warm_up().await.unwrap();
    cache
}

fn view(cache: &TokenCache) -> View<EmptyBodies> {
    View::new(Shared::new(cache.clone(), Arc::new(Settings::new(Origins::any()))))
}

/// As a call does it.
fn call(view: &mut View<EmptyBodies>) -> Arc<Badge<EmptyBodies>> {
    let now = Instant::now();
    view.badge(now).or_else(|| view.look_again(now)).expect("a token is at hand")
}

fn token(view: &mut View<EmptyBodies>) -> String {
    call(view).token().secret().to_owned()
}

fn counts<T>(arc: &Arc<T>) -> [usize; 2] {
    [Arc::strong_count(arc), Arc::weak_count(arc)]
}

#[tokio::test]
async fn a_clone_and_its_call_write_to_no_count_that_all_threads_share() {
    let mut root = view(&cache().await);
    call(&mut root);
    let shared = Arc::clone(root.shared());
    let before = counts(&shared);
    let mut last = root.clone();
    for _ in 0..3 {
        let mut clone = root.clone();
        assert!(Arc::ptr_eq(&call(&mut clone), &call(&mut last)));
        assert_eq!(counts(&shared), before);
        last = last.clone();
    }
}

#[tokio::test]
async fn each_thread_is_lent_the_badge_of_its_own_stripe() {
    let mut root = view(&cache().await);
    call(&mut root);
    let clone = root.clone();
    for _ in 0..stripes() {
        thread::scope(|scope| {
            scope.spawn(|| {
                for mut lent in [root.clone(), clone.clone(), clone.clone().clone()] {
                    assert!(call(&mut lent).is_at_home());
                    assert!(lent.lent);
                }
            });
        });
    }
}

#[tokio::test]
async fn a_clone_that_is_called_again_gets_a_badge_of_its_own() {
    let mut root = view(&cache().await);
    let lent = call(&mut root);
    let mut clone = root.clone();
    assert!(Arc::ptr_eq(&call(&mut clone), &lent));
    let own = call(&mut clone);
    assert!(!Arc::ptr_eq(&own, &lent));
    assert!(Arc::ptr_eq(&call(&mut clone), &own));
    assert!(Arc::ptr_eq(clone.shared(), root.shared()));
}

#[tokio::test]
async fn a_clone_that_lay_idle_finds_the_next_token() {
    let cache = cache().await;
    let mut root = view(&cache);
    call(&mut root);
    let (mut idle, other) = (root.clone(), root.clone());
    cache.force_refresh().await.unwrap();
    assert_eq!(token(&mut idle), "t2");
    assert_eq!(token(&mut other.clone()), "t2");
    assert!(other.clone().lent);
    assert!(Arc::ptr_eq(idle.shared(), root.shared()));
}

#[tokio::test]
async fn a_clone_outlives_the_service_it_was_cloned_from() {
    let cache = cache().await;
    let mut root = view(&cache);
    call(&mut root);
    let mut clone = root.clone();
    drop(root);
    assert_eq!(token(&mut clone), "t1");
    cache.force_refresh().await.unwrap();
    let mut next = clone.clone();
    assert_eq!([token(&mut clone), token(&mut next)], ["t2", "t2"]);
    assert!(Arc::ptr_eq(clone.shared(), next.shared()));
}

struct Proof;

impl ProofOfPossession for Proof {
    fn prove(&self, _: &Method, _: &Uri, _: &Token) -> Result<HeaderValue, Error> {
        Ok(HeaderValue::from_static("proof"))
    }

    fn observe(&self, _: &Uri, _: &HeaderMap) -> bool {
        false
    }
}

/// A call takes what it is lent for a bearer token.
#[tokio::test]
async fn a_token_that_needs_a_proof_is_not_lent() {
    let cache = TokenCache::new(|_: Acquire| async {
        let token = Token::new(TokenType::Dpop, "bound")?.with_proof(Arc::new(Proof));
        Ok(token.with_lifetime(Duration::from_secs(3600)))
    });
    cache.warm_up().await.unwrap();
    let mut root = view(&cache);
    for _ in 0..3 {
        assert!(call(&mut root).is_bound() && root.badge.is_none());
        let mut clone = root.clone();
        assert!(clone.badge.is_none() && clone.badge(Instant::now()).is_none());
        assert!(call(&mut clone).is_bound());
    }
}
