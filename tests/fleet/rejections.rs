//! An API rejects the shared token.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tower_oauth2_client_credentials::{
    Token, TokenCache,
    event::{Event, EventKind, RejectionAction},
    store::MemoryFault,
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_hundred_processes_that_see_one_revocation_cost_one_token_request() {
    for is_silent in [false, true] {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        fleet.store.set_silent(is_silent);
        let processes = fleet.processes(100);
        all_get(&processes, "t1").await;
        fleet.server.revoke(&processes[0].peek().unwrap());
        assert_eq!(traffic(&fleet, &processes, 1.0, 60.0).await, 0, "silent: {is_silent}");
        assert_eq!(fleet.server.count(), 2, "silent: {is_silent}");
        assert!(cached(&processes).iter().all(|secret| secret == "t2"));
    }
}

/// At the same instant.
#[tokio::test(start_paused = true)]
async fn a_storm_of_rejections_costs_one_token_request() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(100);
    all_get(&processes, "t1").await;
    let revoked = processes[0].peek().unwrap();
    fleet.server.revoke(&revoked);
    let requests: Vec<_> = processes
        .iter()
        .flat_map(|process| (0..10).map(move |_| process.clone()))
        .map(|process| {
            let server = fleet.server.clone();
            tokio::spawn(async move { request(&process, &server).await })
        })
        .collect();
    for request in requests {
        assert!(request.await.unwrap());
    }
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_always_answers_401_costs_at_most_six_token_requests_in_ten_minutes() {
    for is_silent in [false, true] {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        fleet.store.set_silent(is_silent);
        let processes = fleet.processes(100);
        all_get(&processes, "t1").await;
        // Each token is revoked at once.
        let server = fleet.server.clone();
        fleet.server.set(move |asked| {
            let token = token(asked.nth, LIFE);
            server.revoke(&token);
            (secs(0.3), Ok(token))
        });
        fleet.server.revoke(&processes[0].peek().unwrap());
        traffic(&fleet, &processes, 1.0, 600.0).await;
        let asked = fleet.server.count() - 1;
        assert!((4..=6).contains(&asked), "silent: {is_silent}, {asked}");
        // The tokens are accepted again.
        fleet.server.set(|asked| (secs(0.3), Ok(token(asked.nth, LIFE))));
        traffic(&fleet, &processes, 1.0, 600.0).await;
        assert_eq!(traffic(&fleet, &processes, 1.0, 10.0).await, 0);
        assert_eq!(fleet.server.count() - 1, asked + 1);
    }
}

/// The budget of a process is for token requests.
#[tokio::test(start_paused = true)]
async fn a_token_of_another_process_does_not_count_as_an_acquisition() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_silent(true);
    let (one, other) = (fleet.process(), fleet.process());
    all_get(&[one.clone(), other.clone()], "t1").await;
    for number in 2..30 {
        let rejected = other.peek().unwrap();
        pass(0.1).await;
        one.clear();
        let newer = format!("t{number}");
        gets(&one, &newer).await;
        let replacement = other.replacement(&rejected).await.expect("the budget is used up");
        assert_eq!(replacement.secret(), newer);
        assert_eq!(fleet.server.count(), number);
    }
}

/// Without announcements, the store is asked on a 401, although it was asked for nothing before.
#[tokio::test(start_paused = true)]
async fn a_token_of_the_store_is_found_after_the_budget_of_the_fleet_was_used_up() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_silent(true);
    let (one, other) = (fleet.process(), fleet.process());
    let mut token = one.get().await.unwrap();
    for _ in 0..3 {
        fleet.server.revoke(&token);
        token = one.replacement(&token).await.unwrap();
    }
    gets(&other, "t4").await;
    fleet.server.revoke(&token);
    let from = Instant::now();
    while from.elapsed() < secs(50.0) {
        assert!(other.replacement(&token).await.is_none());
        pass(10.0).await;
    }
    pass(11.0).await;
    assert_eq!(one.replacement(&token).await.unwrap().secret(), "t5");
    pass(10.0).await;
    assert!(request(&other, &fleet.server).await);
    assert_eq!((other.peek().unwrap().secret(), fleet.server.count()), ("t5", 5));
}

/// A process that keeps its token asks the store with pauses, and says once that the budget is used up.
#[tokio::test(start_paused = true)]
async fn the_store_is_asked_with_pauses_while_the_budget_of_the_fleet_is_used_up() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let mut token = fleet.process().get().await.unwrap();
    for _ in 0..3 {
        token = rejected_by(&fleet.process(), &token).await.unwrap();
    }
    let (kept, exhausted) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let process = fleet.process_with({
        let (kept, exhausted) = (Arc::clone(&kept), Arc::clone(&exhausted));
        move |builder| {
            builder.observer(move |event: &Event| match event.kind() {
                EventKind::Kept { .. } => *kept.lock().unwrap() += 1,
                EventKind::Rejected { action: RejectionAction::BudgetExhausted { .. }, .. } => {
                    *exhausted.lock().unwrap() += 1
                }
                _ => {}
            })
        }
    });
    gets(&process, "t4").await;
    let from = Instant::now();
    while from.elapsed() < secs(55.0) {
        assert!(process.replacement(&token).await.is_none());
        pass(0.1).await;
    }
    // After 0, 1, 3, 7, 15, 25, 35 and 45 s.
    assert_eq!((*kept.lock().unwrap(), *exhausted.lock().unwrap()), (8, 1));
    assert_eq!(fleet.server.count(), 4);
}

/// A process keeps its token while the budget of the fleet is used up, and takes the next one.
#[tokio::test(start_paused = true)]
async fn the_budget_of_the_fleet_outlives_the_process_that_used_it() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    for number in 1..=3 {
        let process = fleet.process();
        let token = process.get().await.unwrap();
        assert_eq!(token.secret(), format!("t{number}"));
        let replacement = process.replacement(&token).await.unwrap();
        assert_eq!(replacement.secret(), format!("t{}", number + 1));
    }
    let process = fleet.process();
    let token = process.get().await.unwrap();
    for _ in 0..5 {
        assert!(process.replacement(&token).await.is_none());
    }
    assert_eq!(process.get().await.unwrap().secret(), "t4");
    assert_eq!(fleet.server.count(), 4);
    pass(61.0).await;
    assert_eq!(process.replacement(&token).await.unwrap().secret(), "t5");
}

/// The replacement of this token, for a process that has it.
async fn rejected_by(process: &TokenCache, token: &Token) -> Option<Token> {
    gets(process, token.secret()).await;
    process.replacement(token).await
}

/// The budget is full again when a token reaches its refresh unrejected.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_refreshed_unrejected_refills_the_budget_of_the_fleet() {
    let fleet = Fleet::new(Server::healthy(600.0, 0.3));
    let process = fleet.process();
    let mut token = process.get().await.unwrap();
    for _ in 0..3 {
        token = process.replacement(&token).await.unwrap();
    }
    assert!(rejected_by(&fleet.process(), &token).await.is_none());
    // `t4` was rejected, so `t5` is the first that can refill the budget.
    assert_eq!(traffic(&fleet, std::slice::from_ref(&process), 1.0, 1300.0).await, 0);
    let before = fleet.server.count();
    let other = fleet.process();
    token = other.get().await.unwrap();
    for _ in 0..3 {
        token = other.replacement(&token).await.expect("the budget is full");
    }
    assert_eq!(fleet.server.count(), before + 3);
}

/// On some servers a new token ends the previous one.
#[tokio::test(start_paused = true)]
async fn a_server_with_one_valid_token_fails_no_request_that_can_be_replayed() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let (server, last) = (fleet.server.clone(), Arc::new(Mutex::new(None)));
    fleet.server.set(move |asked| {
        let token = token(asked.nth, 600.0);
        if let Some(previous) = last.lock().unwrap().replace(token.clone()) {
            server.revoke(&previous);
        }
        (secs(0.3), Ok(token))
    });
    let processes = fleet.processes(30);
    assert_eq!(traffic(&fleet, &processes, 0.7, 3.0 * 600.0).await, 0);
    assert!((4..=6).contains(&fleet.server.count()), "{}", fleet.server.count());
}

/// The refresh of a token that an API rejected does not refill the budget, although the process that
/// refreshes it has seen no rejection.
#[tokio::test(start_paused = true)]
async fn a_token_that_was_rejected_does_not_refill_the_budget_of_the_fleet() {
    let fleet = Fleet::new(Server::healthy(600.0, 0.3));
    let process = fleet.process();
    let mut token = process.get().await.unwrap();
    for _ in 0..3 {
        token = process.replacement(&token).await.unwrap();
    }
    drop(process);
    assert!(rejected_by(&fleet.process(), &token).await.is_none());
    let unaware = fleet.process();
    gets(&unaware, "t4").await;
    while fleet.server.count() == 4 {
        assert_eq!(traffic(&fleet, std::slice::from_ref(&unaware), 1.0, 10.0).await, 0);
    }
    gets(&unaware, "t5").await;
    // Enough time has passed since the third for one more acquisition. The next is allowed two minutes
    // later.
    let (one, other) = (fleet.process(), fleet.process());
    let fifth = one.get().await.unwrap();
    let sixth = one.replacement(&fifth).await.unwrap();
    assert_eq!(other.get().await.unwrap().secret(), sixth.secret());
    assert!(other.replacement(&sixth).await.is_none());
    assert_eq!(fleet.server.count(), 6);
}

/// A process that has seen the entry knows its budget.
#[tokio::test(start_paused = true)]
async fn the_budget_of_the_fleet_survives_the_loss_of_its_entry() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_fault(MemoryFault::Evicting);
    let (one, other) = (fleet.process(), fleet.process());
    gets(&one, "t1").await;
    other.get().await.unwrap();
    let mut token = one.peek().unwrap();
    for _ in 0..3 {
        token = one.replacement(&token).await.unwrap();
    }
    let before = fleet.server.count();
    let token = other.get().await.unwrap();
    assert!(other.replacement(&token).await.is_none());
    assert_eq!(fleet.server.count(), before);
}

/// The refresh that fails was not taken from the budget, so it pays for no acquisition.
#[tokio::test(start_paused = true)]
async fn a_failure_of_another_acquisition_does_not_refill_the_budget_of_the_fleet() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let process = fleet.process();
    let mut token = process.get().await.unwrap();
    for _ in 0..3 {
        token = process.replacement(&token).await.unwrap();
    }
    let (one, other) = (fleet.process(), fleet.process());
    gets(&one, "t4").await;
    gets(&other, "t4").await;
    // A process without a token fails to get one.
    fleet.server.set(|_| (secs(0.3), Err(server_error())));
    one.clear();
    one.get().await.unwrap_err();
    assert_eq!(fleet.server.count(), 5);
    fleet.server.set(|asked| (secs(0.3), Ok(crate::support::token(asked.nth, LIFE))));
    pass(5.0).await;
    assert!(other.replacement(&token).await.is_none());
    assert_eq!(fleet.server.count(), 5);
}

/// The acquisition that was taken from the budget is repeated, and counts once.
#[tokio::test(start_paused = true)]
async fn a_failed_acquisition_from_the_budget_is_repeated() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let process = fleet.process();
    let mut token = process.get().await.unwrap();
    for _ in 0..2 {
        token = process.replacement(&token).await.unwrap();
    }
    fleet.server.set(|_| (secs(0.3), Err(server_error())));
    assert!(process.replacement(&token).await.is_none());
    fleet.server.set(|asked| (secs(0.3), Ok(crate::support::token(asked.nth, LIFE))));
    pass(5.0).await;
    let other = fleet.process();
    gets(&other, "t3").await;
    let next = other.replacement(&token).await.expect("it repeats the third acquisition");
    assert_eq!(next.secret(), "t5");
    let another = fleet.process();
    gets(&another, "t5").await;
    assert!(another.replacement(&next).await.is_none());
    assert_eq!(fleet.server.count(), 5);
}

/// The authorization server fails now and then.
#[tokio::test(start_paused = true)]
async fn an_api_that_always_answers_401_and_failures_cost_six_tokens_in_ten_minutes() {
    for every in [2, 3, 5] {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        let processes = fleet.processes(100);
        all_get(&processes, "t1").await;
        let (server, issued) = (fleet.server.clone(), Arc::new(Mutex::new(0)));
        fleet.server.set({
            let issued = Arc::clone(&issued);
            move |asked| {
                if asked.nth % every == 0 {
                    return (secs(0.3), Err(server_error()));
                }
                let token = crate::support::token(asked.nth, LIFE);
                server.revoke(&token);
                *issued.lock().unwrap() += 1;
                (secs(0.3), Ok(token))
            }
        });
        fleet.server.revoke(&processes[0].peek().unwrap());
        let start = fleet.server.count();
        // A process that has lost its token asks too, and fails sometimes. That is not a rejection.
        let mut cleared = 0;
        for minute in 0..10 {
            traffic(&fleet, &processes, 1.0, 59.0).await;
            if minute < 3 {
                processes[minute].clear();
                cleared += 1;
            }
        }
        let (asked, issued) = (fleet.server.count() - start, *issued.lock().unwrap());
        assert!(issued <= 6 + cleared, "every {every}: {issued} tokens");
        assert!(asked <= 14 + 2 * cleared, "every {every}: {asked} token requests");
    }
}
