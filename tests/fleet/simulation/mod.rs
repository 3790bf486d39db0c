//! A fleet of 10,000 processes for a day of virtual time, with and without the store.
//!
//! The tests have fewer processes, so that they stay fast: `FLEET_PROCESSES` sets their number. The
//! numbers and the plot in `docs/` are written by
//!
//! ```text
//! FLEET_PROCESSES=10000 FLEET_REPORT=docs cargo test --all-features --test fleet -- \
//!     --ignored --nocapture simulation::report
//! ```

mod plot;
mod world;

use std::{env, fmt::Write as _, fs};

use self::world::{Day, MINUTES, Numbers, World};

fn processes() -> usize {
    env::var("FLEET_PROCESSES").map_or(500, |count| count.parse().expect("a number"))
}

async fn run(day: Day, has_store: bool) -> Numbers {
    World::new(processes(), day, has_store).run().await
}

#[tokio::test(start_paused = true)]
async fn a_healthy_day_costs_one_token_request_for_each_life() {
    let with = run(Day::Healthy, true).await;
    assert_eq!(with.failed_requests, 0);
    // A life is 2,490 s to 3,030 s, and up to 5 s more if another process refreshes.
    assert!((28..=35).contains(&with.total()), "{}", with.total());
}

/// Each process has its own token.
#[tokio::test(start_paused = true)]
async fn without_a_store_the_token_requests_of_a_fleet_are_spread() {
    let without = run(Day::Healthy, false).await;
    assert_eq!(without.failed_requests, 0);
    let (peak, mean) = without.peak_and_mean();
    // Few processes have few requests a minute, which vary by chance: four standard deviations of a
    // minute with the greatest mean.
    let greatest_mean = 2.0 * mean;
    assert!(peak <= greatest_mean + 4.0 * greatest_mean.sqrt(), "{peak} {mean}");
}

#[tokio::test(start_paused = true)]
async fn a_day_of_faults_costs_one_token_request_for_each_life_and_dead_leader() {
    let with = run(Day::Faults, true).await;
    assert_eq!(with.failed_requests, 0, "while a valid token existed");
    assert!(with.dead_leaders > 3, "{}", with.dead_leaders);
    let outside: usize = with.outside_of_outages();
    // The outages take three hours, with the life after each.
    let lives = outside - with.dead_leaders_outside;
    assert!((20..=35).contains(&lives), "{lives} lives, {outside} token requests");
}

/// Writes the numbers and the plot.
#[test]
#[ignore = "writes files, and takes minutes with 10,000 processes"]
fn report() {
    let folder = env::var("FLEET_REPORT").expect("FLEET_REPORT is the folder to write to");
    let run = |day, has_store| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(day, has_store))
    };
    let columns = [
        ("healthy day with a store", run(Day::Healthy, true)),
        ("healthy day without a store", run(Day::Healthy, false)),
        ("day of faults with a store", run(Day::Faults, true)),
        ("day of faults without a store", run(Day::Faults, false)),
    ];
    let mut csv = "minute,healthy_with_store,healthy_without_store,faults_with_store,\
                   faults_without_store\n"
        .to_owned();
    for minute in 0..MINUTES {
        let [a, b, c, d] = [0, 1, 2, 3].map(|column: usize| columns[column].1.minutes[minute]);
        writeln!(csv, "{minute},{a},{b},{c},{d}").unwrap();
    }
    fs::write(format!("{folder}/fleet.csv"), csv).unwrap();
    fs::write(format!("{folder}/fleet.svg"), plot::svg(&columns)).unwrap();
    for (name, numbers) in &columns {
        let (peak, mean) = numbers.peak_and_mean();
        println!(
            "{name}: {} token requests ({} outside of outages), {} acquiring processes died ({} \
             outside), {} requests failed although the fleet had a valid token; after the first hour \
             {peak} in the busiest minute, {mean:.1} on average",
            numbers.total(),
            numbers.outside_of_outages(),
            numbers.dead_leaders,
            numbers.dead_leaders_outside,
            numbers.failed_requests
        );
    }
}
