//! A store in files.

use crate::fleet::cold_start_five_lives_and_a_revocation;

#[tokio::test]
async fn each_life_costs_one_token_request() {
    let directory = format!("toacc-{}-fleet", std::process::id());
    let directory = std::env::temp_dir().join(directory);
    cold_start_five_lives_and_a_revocation(directory.to_str().unwrap().to_owned()).await;
    std::fs::remove_dir_all(directory).unwrap();
}
