//! Doorkeeper: one valid token at a time, and Basic credentials that are not decoded.

use http::StatusCode;
use tower_oauth2_client_credentials::{
    ClientCredentials, Event,
    endpoint::ClientCredentialsBuilder,
    event::{EventKind, RejectionAction},
};

use crate::{
    support::{acquire, cache, client, get, post, run, secret, variable},
    tap::Tap,
};

fn server() -> String {
    variable("INTEROP_DOORKEEPER")
}

fn builder(tap: &Tap) -> ClientCredentialsBuilder {
    ClientCredentials::builder(server() + "/oauth/token").transport(tap.clone()).attempts(1)
}

#[test]
#[ignore = "needs Doorkeeper (run .ci/real-servers)"]
fn a_server_that_does_not_decode_needs_raw_basic() {
    run(async {
        let tap = Tap::new();
        let secret = secret("secret.basic");
        let token = acquire(builder(&tap).client_secret_basic_raw("raw", &secret)).await.unwrap();
        assert_eq!(token.scope(), Some("api:read"), "its default");
        let (_, answer) = post(
            &(server() + "/oauth/introspect"),
            ("raw", &secret),
            &format!("token={}", token.secret()),
        )
        .await;
        assert_eq!((&answer["active"], &answer["client_id"]), (&true.into(), &"raw".into()));

        let error = acquire(builder(&tap).client_secret_basic("raw", &secret)).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
    });
}

#[test]
#[ignore = "needs Doorkeeper (run .ci/real-servers)"]
fn an_unknown_scope_is_refused() {
    run(async {
        let tap = Tap::new();
        let builder = builder(&tap).client_secret_post("one", secret("secret.doorkeeper"));
        let error = acquire(builder.scope("no:such")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.status()),
            ("invalid_scope", Some(StatusCode::BAD_REQUEST))
        );
    });
}

/// Each cache's token revokes the other's. Without the rejection budget each request to the API
/// would cause a token request, forever.
#[test]
#[ignore = "needs Doorkeeper (run .ci/real-servers)"]
fn two_caches_of_a_client_that_may_have_one_token_do_not_fight() {
    run(async {
        let (tokens, requests) = (Tap::new(), Tap::new());
        let url = server() + "/resource";
        let one = || builder(&tokens).client_secret_basic("one", secret("secret.doorkeeper"));
        let (left, left_events) = cache(one());
        let (right, _) = cache(one());
        let left = client(&left, &server(), requests.clone());
        let right = client(&right, &server(), requests.clone());

        assert_eq!(get(&left, &url).await.0, StatusCode::OK);
        assert_eq!(get(&right, &url).await.0, StatusCode::OK, "the left token is revoked by it");
        for _ in 0..3 {
            assert_eq!(
                get(&left, &url).await.0,
                StatusCode::OK,
                "replaces it, and revokes the right"
            );
            assert_eq!(get(&right, &url).await.0, StatusCode::OK, "the same the other way");
        }
        assert_eq!(tokens.count(), 2 + 6, "each replaces three at once");
        assert_eq!(requests.statuses()[..6], [200, 200, 401, 200, 401, 200]);
        assert_eq!(requests.count(), 2 + 12);

        for _ in 0..20 {
            assert_eq!(get(&left, &url).await.0, StatusCode::UNAUTHORIZED, "the API's own answer");
            assert_eq!(get(&right, &url).await.0, StatusCode::OK);
        }
        assert_eq!(tokens.count(), 2 + 6, "the budget is used up");
        assert_eq!(requests.count(), 14 + 40, "no request is replayed for nothing");
        let too_soon = |event: &Event| {
            matches!(
                event.kind(),
                EventKind::Rejected { action: RejectionAction::BudgetExhausted { .. }, .. }
            )
        };
        assert!(left_events.lock().unwrap().iter().any(too_soon));
    });
}
