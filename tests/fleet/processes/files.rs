//! A store in files.

use std::path::PathBuf;

use crate::fleet::{Fleet, Servers, cold_start_lives_and_revocations};

fn directory(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("toacc-{}-{name}", std::process::id()))
}

#[tokio::test]
async fn each_life_costs_one_token_request() {
    let directory = directory("fleet");
    cold_start_lives_and_revocations(directory.to_str().unwrap().to_owned()).await;
    std::fs::remove_dir_all(directory).unwrap();
}

/// The first token, and three from the budget of rejections. The next one would be after a minute.
#[tokio::test]
async fn an_api_that_always_answers_401_costs_four_token_requests() {
    let directory = directory("rejections");
    let servers = Servers::start_rejecting().await;
    let mut fleet = Fleet::start(&servers.settings(directory.to_str().unwrap())).await;
    for _ in 0..6 {
        fleet.rejected_burst(20).await;
    }
    assert_eq!(servers.idp.token_requests(), 4);
    std::fs::remove_dir_all(directory).unwrap();
}
