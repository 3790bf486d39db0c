//! The whole cache: requests, tasks, rejections and time.

use super::*;
use crate::{cache::Readiness, error::Problem, event::AcquisitionReason};

fn new_each_time(serial: usize, _: &AcquireContext) -> Result<Token, Error> {
    Ok(token(serial))
}

fn fails(_: usize, _: &AcquireContext) -> Result<Token, Error> {
    Err(Error::of(Problem::ServerError))
}

fn fails_once(serial: usize, _: &AcquireContext) -> Result<Token, Error> {
    if serial == 1 {
        fails(serial, &AcquireContext::new(AcquisitionReason::Missing))
    } else {
        Ok(token(serial))
    }
}

fn same_each_time(_: usize, _: &AcquireContext) -> Result<Token, Error> {
    Ok(token(1))
}

/// The serial of the token that a request gets, or 0.
fn get(cache: &TokenCache) -> usize {
    got(cache, block_on(cache.get()).ok())
}

/// No request gets a token before it is published.
fn got(cache: &TokenCache, token: Option<Token>) -> usize {
    let got = token.map_or(0, |token| serial(&token));
    assert!(published(cache) >= got, "t{got} is not published yet");
    got
}

#[test]
fn waiters_share_one_acquisition() {
    check(3, || {
        let world = World::new(new_each_time);
        let other = world.spawn(|cache| get(&cache));
        assert_eq!((get(&world.cache), join(other)), (1, 1));
        world.end(1..=1);
    });
}

#[test]
fn three_waiters_share_one_acquisition() {
    check(2, || {
        let world = World::new(new_each_time);
        let others = [0, 1].map(|_| world.spawn(|cache| get(&cache)));
        assert_eq!((get(&world.cache), others.map(join)), (1, [1, 1]));
        world.end(1..=1);
    });
}

#[test]
fn waiters_share_one_failure() {
    check(3, || {
        let world = World::new(fails);
        let other = world.spawn(|cache| get(&cache));
        assert_eq!((get(&world.cache), join(other)), (0, 0));
        world.end(1..=1);
    });
}

#[test]
fn waiters_share_one_probe() {
    check(3, || {
        let world = World::after_one(fails_once);
        world.pass(2);
        let other = world.spawn(|cache| get(&cache));
        assert_eq!((get(&world.cache), join(other)), (2, 2));
        world.end(2..=2);
    });
}

#[test]
fn an_acquisition_whose_runtime_ended_is_replaced_by_one() {
    check(3, || {
        world::doom_next_task();
        let world = World::new(new_each_time);
        let other = world.spawn(|cache| get(&cache));
        assert_eq!((get(&world.cache), join(other)), (1, 1));
        world.end(1..=1);
    });
}

#[test]
fn the_leader_may_be_dropped_at_any_point() {
    check(3, || {
        let world = World::new(new_each_time);
        let leader = world.spawn(|cache| poll_once(cache.get()));
        assert_eq!(get(&world.cache), 1);
        join(leader);
        world.end(1..=1);
    });
}

#[test]
fn a_request_may_move_to_another_task() {
    check(None, || {
        let world = World::new(new_each_time);
        let mut request = Box::pin(world.cache.get());
        poll_once(request.as_mut());
        let moved = world.spawn(|cache| got(&cache, block_on(request).ok()));
        assert_eq!(join(moved), 1);
        world.end(1..=1);
    });
}

#[test]
fn two_rejections_of_one_token_cost_one_acquisition() {
    check(3, || {
        let world = World::after_one(new_each_time);
        let replaced = |cache: &TokenCache| got(cache, block_on(cache.replacement(&token(1))));
        let other = world.spawn(move |cache| replaced(&cache));
        assert_eq!((replaced(&world.cache), join(other)), (2, 2));
        world.end(2..=2);
    });
}

#[test]
fn a_rejection_and_a_forced_refresh_cost_one_acquisition_each_at_most() {
    check(3, || {
        let world = World::after_one(new_each_time);
        let forced = world.spawn(|cache| got(&cache, block_on(cache.force_refresh()).ok()));
        let request = world.spawn(|cache| get(&cache));
        world.cache.invalidate(&token(1));
        assert!([1, 2, 3].contains(&join(request)));
        // A refresh that is forced after the rejection's acquisition has ended starts another one,
        // which the budget allows.
        assert!([2, 3].contains(&join(forced)));
        world.end(2..=3);
    });
}

#[test]
fn a_snapshot_is_marked_before_its_successor_is_seen() {
    check(3, || {
        let world = World::after_one(new_each_time);
        let old = world.cache.fresh(tokio::time::Instant::now()).expect("a token");
        let refresh = world.spawn(|cache| got(&cache, block_on(cache.force_refresh()).ok()));
        for _ in 0..3 {
            let published = world.cache.inner.snapshot.load();
            let is_old = published.as_ref().is_some_and(|published| Arc::ptr_eq(published, &old));
            assert!(is_old || old.is_replaced(), "an old snapshot was not marked");
        }
        assert_eq!(join(refresh), 2);
        world.end(2..=2);
    });
}

#[test]
fn a_rejection_that_races_the_new_token_costs_nothing_more() {
    check(None, || {
        let world = World::after_one(new_each_time);
        world.pass(800);
        let request = world.spawn(|cache| get(&cache));
        world.cache.invalidate(&token(1));
        assert!([1, 2].contains(&join(request)));
        world.end(2..=2);
        assert_eq!(published(&world.cache), 2);
    });
}

#[test]
fn a_rejection_that_races_the_same_token_costs_one_acquisition_more_at_most() {
    check(None, || {
        let world = World::after_one(same_each_time);
        world.pass(800);
        let request = world.spawn(|cache| get(&cache));
        world.cache.invalidate(&token(1));
        assert_eq!(join(request), 1);
        world.end(2..=3);
    });
}

#[test]
fn requests_that_find_the_token_expired_share_one_acquisition() {
    check(2, || {
        let world = World::after_one(new_each_time);
        let others = [0, 1].map(|_| world.spawn(|cache| get(&cache)));
        world.pass(980);
        assert_eq!(get(&world.cache), 2);
        for got in others.map(join) {
            assert!([1, 2].contains(&got));
        }
        world.end(2..=2);
    });
}

#[test]
fn a_published_token_is_never_followed_by_an_older_one() {
    check(2, || {
        let world = World::after_one(new_each_time);
        world.pass(800);
        let others = [0, 1].map(|_| world.spawn(|cache| got(&cache, cache.current())));
        world.watch();
        for got in others.map(join) {
            assert!([1, 2].contains(&got), "a token was cached all the time");
        }
        world.end(2..=2);
        assert_eq!(published(&world.cache), 2);
    });
}

/// The token is named after its acquisition: 1 started before 31 seconds had passed, 2 after.
#[test]
fn the_late_result_of_an_abandoned_acquisition_is_dropped() {
    thread_local!(static BEGIN: std::cell::Cell<Option<tokio::time::Instant>> = const { std::cell::Cell::new(None) });
    check(3, || {
        BEGIN.set(Some(tokio::time::Instant::now()));
        let world = World::new(|_, acquire| {
            let bound = acquire.deadline.expect("a cache gives one") - BEGIN.get().expect("set");
            Ok(token(if bound < Duration::from_secs(31) { 1 } else { 2 }))
        });
        let leader = world.spawn(|cache| get(&cache));
        world.pass(31);
        let got = [get(&world.cache), join(leader)];
        world.end(1..=2);
        if world.seen.abandoned.load(SeqCst) == 1 {
            assert_eq!((got, published(&world.cache)), ([2, 2], 2), "the late result counted");
        }
    });
}

#[test]
fn a_watch_is_notified_of_the_token() {
    check(3, || {
        let world = World::new(new_each_time);
        let mut watch = world.cache.subscribe();
        let notified = world.spawn(move |_| block_on(watch.changed()));
        assert_eq!(get(&world.cache), 1);
        assert_eq!(join(notified), Some(Readiness::Ready));
        world.end(1..=1);
    });
}

/// The clock does not move, so an offer after the acquisition's end is not newer, and is refused.
#[test]
fn an_offer_during_an_acquisition_serves_its_waiters() {
    check(3, || {
        let world = World::new(new_each_time);
        let other = world.spawn(|cache| serial(&block_on(cache.get()).expect("a token")));
        let is_used = world.offer(9);
        let got = join(other);
        assert!(got == 1 || is_used && got == 9, "t{got}");
        assert_ne!(published(&world.cache), 0);
        world.end(0..=1);
    });
}

/// The first waiter may end with the offered token, and the second joins the same acquisition.
#[test]
fn a_rejected_offer_starts_no_second_acquisition() {
    check(2, || {
        let world = World::new(new_each_time);
        let other = world.spawn(|cache| serial(&block_on(cache.get()).expect("a token")));
        world.offer(9);
        let replaced = block_on(world.cache.replacement(&token(9)));
        assert!(replaced.is_some_and(|token| serial(&token) != 9));
        assert!([1, 9].contains(&join(other)));
        world.end(1..=2);
    });
}
