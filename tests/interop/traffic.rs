//! The layer between oidc-provider and its API: revocation, load, short lifetimes.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tower_oauth2_client_credentials::{Event, event::EventKind};

use crate::{
    oidc::{api, builder, introspect, issuer},
    support::{cache, client, get, post, run, secret},
    tap::Tap,
};

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_revoked_token_is_replaced_and_the_request_replayed() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let secret = secret("secret.post");
        let (cache, _) = cache(builder(&tokens).client_secret_post("post", &secret));
        let client = client(&cache, &api(), requests.clone());
        let url = api() + "/resource";
        assert_eq!(get(&client, &url).await.0, StatusCode::OK);

        let first = cache.current().unwrap();
        // Only a token's own client may revoke it. This one is registered for `client_secret_post`.
        let form = format!("token={}", first.secret());
        let (status, answer) =
            post(&(issuer() + "/token/revocation"), ("post", &secret), &form).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(introspect(first.secret()).await["active"], false);

        let (status, answer) = get(&client, &url).await;
        assert_eq!((status, &answer["client_id"]), (StatusCode::OK, &"post".into()));
        assert_eq!(requests.statuses(), [200, 401, 200], "exactly one replay");
        assert_eq!(tokens.count(), 2);
        assert_ne!(cache.current().unwrap().secret(), first.secret());
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_thousand_requests_at_once_cost_one_token() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let builder = builder(&tokens).client_secret_post("post", secret("secret.post"));
        let (cache, _) = cache(builder);
        let client = client(&cache, &api(), requests.clone());
        let url = api() + "/resource";
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let (client, url) = (client.clone(), url.clone());
            tasks.spawn(async move { get(&client, &url).await.0 });
        }
        let statuses = tasks.join_all().await;
        assert!(statuses.iter().all(|status| *status == StatusCode::OK));
        assert_eq!((tokens.count(), requests.count()), (1, 1000));
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn tokens_of_four_seconds_are_replaced_without_a_stall() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let builder = builder(&tokens).client_secret_post("short", secret("secret.short"));
        let (cache, events) = cache(builder);
        let client = client(&cache, &api(), requests.clone());
        let url = api() + "/resource";
        let start = Instant::now();
        let mut traffic = interval(Duration::from_millis(50));
        traffic.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while start.elapsed() < Duration::from_secs(10) {
            traffic.tick().await;
            assert_eq!(get(&client, &url).await.0, StatusCode::OK);
        }
        assert!(requests.statuses().iter().all(|status| *status == 200), "none was rejected");
        let ahead = |event: &&Event| matches!(event.kind(), EventKind::Refreshed { .. });
        let ahead = events.lock().unwrap().iter().filter(ahead).count();
        assert_eq!(tokens.count(), ahead + 1, "after the first, all were got ahead of time");
        // Each token is in use for 1.2 s to 3.1 s.
        assert!((3..=9).contains(&ahead), "{ahead}");
    });
}
