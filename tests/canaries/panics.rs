//! Panics of the user's closures.

use std::{panic::panic_any, sync::Arc};

use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, TokenCache,
    client_auth::Secret,
    endpoint::{ClientCredentialsBuilder, ParameterValue},
    event::Event,
    source::AcquireContext,
    testing::AuthorizationServer,
};

use crate::{
    capture::{Shown, canary},
    journey::ID,
};

/// The message is on standard error, by the standard library's hook. Nothing of this crate repeats
/// it.
#[tokio::test(start_paused = true)]
async fn the_message_of_a_panic_is_not_repeated() {
    let (shown, secret) = (Arc::new(Shown::new()), canary("a panic"));
    shown.secret("a panic", ID, &secret);
    let idp = AuthorizationServer::new();
    let client = || ClientCredentials::builder(idp.token_url()).transport(idp.service());
    let message = || secret.clone();
    let (one, two, three, four) = (message(), message(), message(), message());
    let sources: Vec<ClientCredentialsBuilder> = vec![
        client().client_secret_post(ID, Secret::from_fn(move || panic!("{one}"))),
        client().client_assertion_fn(Some(ID), move || {
            let message = two.clone();
            async move { panic!("{message}") }
        }),
        client().public_client(ID).parameter(
            "sas",
            ParameterValue::from_fn(move || {
                let message = three.clone();
                async move { panic_any(message) }
            }),
        ),
    ];
    let mut caches: Vec<_> =
        sources.into_iter().map(|source| TokenCache::new(source.build().unwrap())).collect();
    caches.push(TokenCache::new(move |_: AcquireContext| {
        let message = four.clone();
        async move { panic!("{message}") }
    }));
    for tokens in caches {
        let error = tokens.get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        shown.error(&error);
        shown.debug(&tokens);
    }

    let message = message();
    let tokens = TokenCache::builder(client().public_client(ID).build().unwrap())
        .observer(move |_: &Event| panic!("{message}"))
        .build();
    tokens.get().await.unwrap();
    shown.contains("the observer of token events panicked");
    shown.check();
}
