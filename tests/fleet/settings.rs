//! Mistakes that `build` reports.

use std::time::Duration;

use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, Token,
    client_auth::Secret,
    dpop::DpopKey,
    endpoint::{ClientCredentialsBuilder, ParameterValue},
    source::AcquireContext,
    store::{MemoryStore, Shared, SharedBuilder},
    testing::AuthorizationServer,
};

use crate::support::*;

fn client() -> ClientCredentialsBuilder {
    let idp = AuthorizationServer::builder().build();
    ClientCredentials::builder(idp.token_url())
        .client_secret_basic("me", "s3cret")
        .transport(idp.service())
}

fn shared(client: ClientCredentialsBuilder) -> SharedBuilder<ClientCredentials> {
    Shared::builder(client.build().unwrap(), MemoryStore::new()).sealed_with([key(1)])
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn mistake<S>(built: Result<Shared<S>, Error>) -> String {
    let error = built.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

#[test]
fn a_client_with_public_settings_needs_no_namespace() {
    for client in [
        client(),
        client().scope("a b").audience("x").resource("https://api.example.com"),
        client().parameter("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        client().client_secret_basic("me", Secret::from_file("/run/secrets/me")),
    ] {
        shared(client).build().unwrap();
    }
}

#[test]
fn a_client_whose_token_depends_on_a_secret_needs_a_namespace() {
    for (client, why) in [
        (
            client().parameter("subject_token", Secret::from("s3cret")),
            "parameter \"subject_token\"",
        ),
        (
            client().parameter(
                "subject_token",
                ParameterValue::from_fn(|| async { Ok(String::new()) }),
            ),
            "parameter \"subject_token\"",
        ),
        (client().parameter("password", "hunter2"), "parameter \"password\""),
        (
            ClientCredentials::builder("https://as.example.com/token?api_key=k3y")
                .client_secret_basic("me", "s3cret"),
            "the query of the URL",
        ),
        (
            client().client_secret_basic("me", Secret::from_fn(|| Ok(String::new()))),
            "a closure provides the credential",
        ),
        (
            client().client_assertion_fn(None, || async { Ok(String::new()) }),
            "a closure provides the credential",
        ),
        (client().tls_client_auth("me"), "the certificate of the transport is not known"),
    ] {
        let client = client.build().unwrap();
        let shared = || Shared::builder(client.clone(), MemoryStore::new()).sealed_with([key(1)]);
        let mistake = mistake(shared().build());
        assert!(
            mistake.contains("namespace: none is set, and") && mistake.contains(why),
            "{mistake}"
        );
        shared().namespace("billing").build().unwrap();
    }
    let closure = |_: AcquireContext| async { Token::bearer("abc") };
    let unknown = Shared::builder(closure, MemoryStore::new()).sealed_with([key(1)]).build();
    assert!(mistake(unknown).contains("does not say what determines its token"));
}

#[test]
fn a_token_that_is_bound_to_a_generated_key_is_never_shared() {
    let bound = || client().dpop(DpopKey::generate());
    for built in [shared(bound()).build(), shared(bound()).namespace("billing").build()] {
        let mistake = mistake(built);
        assert!(
            mistake.contains("source: its token cannot be shared; its tokens are bound"),
            "{mistake}"
        );
    }
}

#[test]
fn sealing_is_a_choice() {
    let builder = || Shared::builder(client().build().unwrap(), MemoryStore::new());
    assert!(mistake(builder().build()).contains("sealing: it was not chosen"));
    assert!(mistake(builder().sealed_with([]).build()).contains("sealing keys: there are none"));
    builder().plain_text().build().unwrap();
}

#[test]
fn bounds_of_zero_are_mistakes() {
    for (built, why) in [
        (shared(client()).store_timeout(Duration::ZERO), "store_timeout: it is zero"),
        (shared(client()).lease(Duration::from_millis(999)), "lease: it is below 1 s"),
        (shared(client()).clock_skew(Duration::MAX), "one is above a year"),
        (shared(client()).lease(YEAR + Duration::from_secs(1)), "one is above a year"),
        (shared(client()).namespace(" "), "namespace: it is empty"),
    ] {
        let mistake = mistake(built.build());
        assert!(mistake.contains(why), "{mistake}");
    }
    for built in [
        shared(client()).lease(Duration::from_secs(1)),
        shared(client()).lease(YEAR),
        shared(client()).clock_skew(YEAR),
        shared(client()).store_timeout(YEAR),
    ] {
        built.build().unwrap();
    }
}

#[test]
fn debug_shows_no_secret() {
    let builder = shared(client()).namespace("billing");
    let shown = [format!("{builder:?}"), format!("{:?}", builder.build().unwrap())].concat();
    assert!(
        shown.contains("billing") && !shown.contains("s3cret") && !shown.contains("SealingKey"),
        "{shown}"
    );
}

/// Each setting that changes the token changes the entry.
#[tokio::test(start_paused = true)]
async fn clients_with_different_tokens_have_different_entries() {
    let store = MemoryStore::new();
    let server = Server::healthy(LIFE, 0.1);
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let client = Client { server: server.clone(), process: number };
        let shared = Shared::builder(client, store.clone()).sealed_with([key(1)]).namespace(name);
        let cache = tower_oauth2_client_credentials::TokenCache::new(shared.build().unwrap());
        cache.get().await.unwrap();
        assert_eq!(store.entry_ids().len(), number + 1);
    }
}
