//! The checks can fail: each fault breaks the code in one place, and a scenario must notice.

use std::process::Command;

use crate::sync::{Fault, modelled::FAULT};

/// Runs a scenario over broken code. In a process of its own, as one that deadlocks is aborted.
fn noticed(fault: Fault, scenario: &str, complaint: &str) {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture", &format!("cache::model::{scenario}")])
        .env(FAULT, format!("{fault:?}"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{fault:?} went unnoticed");
    assert!(said.contains(complaint), "{fault:?} was noticed for another reason: {said}");
}

#[test]
fn closing_before_the_outcome_is_noticed() {
    let scenario = "flights::two_waiters_join_while_the_flight_ends";
    noticed(Fault::ClosesEarly, scenario, "an outcome is set before closing");
}

#[test]
fn joining_an_ended_flight_is_noticed() {
    let scenario = "flights::two_waiters_join_while_the_flight_ends";
    noticed(Fault::JoinsLate, scenario, "deadlock");
    noticed(Fault::JoinsLate, "caches::waiters_share_one_acquisition", "deadlock");
}

#[test]
fn waking_the_task_that_a_waiter_left_is_noticed() {
    let scenario = "flights::a_waiter_that_moves_to_another_task_is_woken_there";
    noticed(Fault::KeepsWaker, scenario, "deadlock");
    noticed(Fault::KeepsWaker, "caches::a_request_may_move_to_another_task", "deadlock");
}

#[test]
fn publishing_outside_of_the_lock_is_noticed() {
    let scenario = "caches::what_is_published_never_goes_back";
    noticed(Fault::PublishesUnlocked, scenario, "published");
}

#[test]
fn counting_a_late_result_is_noticed() {
    let scenario = "caches::the_late_result_of_an_abandoned_flight_is_dropped";
    noticed(Fault::LandsLate, scenario, "the late result counted");
}

#[test]
fn publishing_before_marking_is_noticed() {
    let scenario = "caches::a_snapshot_is_marked_before_its_successor_is_seen";
    noticed(Fault::MarksLate, scenario, "an old snapshot was not marked");
}
