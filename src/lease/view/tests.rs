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
    source::AcquireContext,
    sync::{stripe, stripes},
    token::{ProofOfPossession, Token, TokenType},
};

/// Tokens `t1`, `t2`, … that live for an hour, the first at hand.
async fn cache() -> TokenCache {
    let nth = AtomicU32::new(0);
    let cache = TokenCache::new(move |_: AcquireContext| {
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

/// Also where it was cloned on another.
#[tokio::test]
async fn each_call_uses_the_badge_of_its_threads_stripe() {
    let mut root = view(&cache().await);
    call(&mut root);
    let clone = root.clone();
    for _ in 0..2 * stripes() {
        let made_elsewhere = root.clone();
        thread::scope(|scope| {
            scope.spawn(|| {
                let made_here = [root.clone(), clone.clone(), clone.clone().clone()];
                assert!(made_here.iter().all(|view| view.lent));
                let of_the_thread = root.shared().lend().unwrap();
                for mut view in made_here.into_iter().chain([made_elsewhere]) {
                    let badge = call(&mut view);
                    assert_eq!(badge.stripe, stripe());
                    assert!(Arc::ptr_eq(&badge, &of_the_thread));
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
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&call(&mut clone), &own));
        // Which it lends to none.
        assert!(Arc::ptr_eq(&call(&mut clone.clone()), &lent));
    }
    assert!(Arc::ptr_eq(clone.shared(), root.shared()));
}

#[tokio::test]
async fn a_clone_that_lay_idle_finds_the_next_token() {
    let cache = cache().await;
    let mut root = view(&cache);
    call(&mut root);
    let (mut idle, other) = (root.clone(), root.clone());
    cache.force_refresh().await.unwrap();
    // Before the next is known, none is lent what is known not to be good.
    assert!(!root.clone().lent && !other.clone().lent);
    assert_eq!(token(&mut idle), "t2");
    assert_eq!(token(&mut other.clone()), "t2");
    assert!(root.clone().lent && other.clone().lent);
    assert!(Arc::ptr_eq(idle.shared(), root.shared()));
}

/// What a layer's services share is made anew once, by the first that needs it, and then kept by all.
#[tokio::test(start_paused = true)]
async fn clones_go_on_together_without_the_service_they_were_cloned_from() {
    for expires in [false, true] {
        let cache = cache().await;
        let mut root = view(&cache);
        call(&mut root);
        let mut clones: Vec<_> = (0..10).map(|_| root.clone()).collect();
        assert!(clones.iter().all(|clone| clone.lent));
        drop(root);
        assert_eq!(token(&mut clones[0].clone()), "t1");
        if expires {
            tokio::time::advance(Duration::from_secs(3600)).await;
            let waits = |view: &mut View<_>| {
                let now = Instant::now();
                view.badge(now).is_none() && view.look_again(now).is_none()
            };
            // As those do that are replaced by a clone of them before they are called.
            assert!(
                clones.iter_mut().all(|clone| waits(&mut std::mem::replace(clone, clone.clone())))
            );
            cache.warm_up().await.unwrap();
        } else {
            cache.force_refresh().await.unwrap();
        }
        let shared = Arc::clone(clones[0].shared());
        for clone in &mut clones {
            assert_eq!([token(&mut clone.clone()), token(clone)], ["t2", "t2"]);
            assert!(
                Arc::ptr_eq(clone.shared(), &shared)
                    && Arc::ptr_eq(clone.clone().shared(), &shared)
            );
        }
    }
}

/// Nothing is made anew while what it was lent is good.
#[tokio::test]
async fn a_clone_that_is_left_alone_is_good_on_any_thread() {
    let mut root = view(&cache().await);
    let lent = call(&mut root);
    let template = root.clone();
    drop(root);
    for _ in 0..2 * stripes() {
        let mut clone = template.clone();
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(Arc::ptr_eq(&call(&mut clone), &lent) && clone.shared.get().is_none());
            });
        });
    }
    // One that looks for more is not lent from what it makes, as nothing else would keep that.
    let shared = Arc::clone(template.shared());
    let mut keeper = View::new(Arc::clone(&shared));
    call(&mut keeper);
    assert!(shared.lend().is_none() && !keeper.clone().lent);
}

/// Requests that waited for one token share what they leave with.
#[tokio::test]
async fn a_lease_is_shared_by_those_who_waited_for_it() {
    let cache = cache().await;
    let root = view(&cache);
    let snapshot = cache.fresh(Instant::now()).unwrap();
    let [first, second] = [(); 2].map(|()| root.shared().badge(&snapshot));
    assert!(Arc::ptr_eq(&first, &second));
}

/// It would keep the cache warm for good.
#[tokio::test]
async fn what_services_share_ends_with_the_last_of_them() {
    let cache = cache().await;
    let mut root = view(&cache);
    let badge = Arc::downgrade(&call(&mut root));
    let shared = Arc::downgrade(root.shared());
    let mut clone = root.clone();
    drop(root);
    assert!(shared.upgrade().is_none() && badge.upgrade().is_some());
    call(&mut clone);
    call(&mut clone);
    let shared = Arc::downgrade(clone.shared());
    drop(clone);
    assert!(shared.upgrade().is_none() && badge.upgrade().is_none());
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
    let cache = TokenCache::new(|_: AcquireContext| async {
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
