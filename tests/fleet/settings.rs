//! Mistakes that `build` reports.

use std::{collections::HashSet, time::Duration};

#[cfg(feature = "jwt")]
use tower_oauth2_client_credentials::jose::{SigningAlgorithm, SigningKey};
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, Token, TokenCache,
    client_auth::Secret,
    dpop::DpopKey,
    endpoint::{ClientCredentialsBuilder, ParameterValue},
    source::AcquireContext,
    store::{MemoryStore, Shared, SharedBuilder},
    testing::AuthorizationServer,
};
#[cfg(feature = "hyper-transport")]
use tower_oauth2_client_credentials::{
    config::ClientCredentialsConfig,
    transport::{ChainAndKey, ClientIdentity},
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
                .client_secret_basic("me", "s3cret")
                .transport(AuthorizationServer::builder().build().service()),
            "the query of the URL",
        ),
        (
            client().client_secret_basic("me", Secret::from_fn(|| Ok(String::new()))),
            "the closure of client_secret_basic",
        ),
        (
            client().client_secret_post("me", Secret::from_fn(|| Ok(String::new()))),
            "the closure of client_secret_post",
        ),
        (
            client().client_assertion_fn(None, || async { Ok(String::new()) }),
            "the closure of client_assertion_fn",
        ),
        (
            client().client_assertion_file("me", "/run/secrets/a.jwt"),
            "the file of client_assertion_file",
        ),
        (
            ClientCredentials::builder("https://as.example.com/token")
                .tls_client_auth("me")
                .transport(AuthorizationServer::builder().build().service()),
            "client_identity is not set",
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
fn settings_out_of_range_are_mistakes() {
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

/// The id of the entry of a client.
async fn entry_of(client: ClientCredentialsBuilder, store: &MemoryStore) -> String {
    entry_in(None, client, store).await
}

async fn entry_in(
    namespace: Option<&str>,
    client: ClientCredentialsBuilder,
    store: &MemoryStore,
) -> String {
    let mut shared = Shared::builder(client.build().unwrap(), store.clone()).sealed_with([key(1)]);
    if let Some(namespace) = namespace {
        shared = shared.namespace(namespace);
    }
    store.clear();
    // A failure is stored too.
    let _ = TokenCache::new(shared.build().unwrap()).get().await;
    let [id] = store.entry_ids()[..] else { panic!("one entry") };
    id.to_string()
}

/// Anyone who can list the entries could guess a short secret from its hash.
#[tokio::test(start_paused = true)]
async fn values_that_may_be_secret_are_not_part_of_the_id() {
    let (idp, store) = (AuthorizationServer::builder().build(), MemoryStore::new());
    let at = |url: String| {
        ClientCredentials::builder(url).client_secret_basic("me", "s3cret").transport(idp.service())
    };
    let url = idp.token_url();
    let mut ids = Vec::new();
    for value in ["hunter2", "hunter3"] {
        let client = at(url.clone()).parameter("password", value);
        ids.push(entry_in(Some("billing"), client, &store).await);
    }
    assert_eq!(ids[0], ids[1], "parameter");
    let mut ids = Vec::new();
    for query in ["", "?api_key=k3y", "?api_key=other"] {
        ids.push(entry_in(Some("billing"), at(format!("{url}{query}")), &store).await);
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "query: {ids:?}");
    // The namespace stands for them.
    let client = || at(url.clone()).parameter("password", "hunter2");
    let [one, other] = [Some("billing"), Some("shipping")];
    assert_ne!(entry_in(one, client(), &store).await, entry_in(other, client(), &store).await);
}

/// A key can be replaced while the fleet runs. The keys of one client id are those of one client.
#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn two_keys_of_one_client_share_an_entry_and_two_clients_do_not() {
    let (idp, store) = (AuthorizationServer::builder().build(), MemoryStore::new());
    let client = |id: &str, (algorithm, pem): (_, &str)| {
        let key = SigningKey::from_pem(algorithm, pem).unwrap();
        let builder = ClientCredentials::builder(idp.token_url()).transport(idp.service());
        builder.private_key_jwt(id, key, "https://as.example.com")
    };
    let [one, other] = [
        (SigningAlgorithm::Es256, include_str!("../credentials/signing_keys/ec256-sec1.pem")),
        (SigningAlgorithm::Rs256, include_str!("../credentials/signing_keys/rsa2048-pkcs8.pem")),
    ];
    let entry = entry_of(client("me", one), &store).await;
    assert_eq!(entry, entry_of(client("me", other), &store).await);
    assert_ne!(entry, entry_of(client("you", one), &store).await);
}

/// Tokens may be bound to the certificate.
#[cfg(feature = "hyper-transport")]
#[tokio::test(start_paused = true)]
async fn two_certificates_of_one_client_have_two_entries() {
    let (idp, store) = (AuthorizationServer::builder().build(), MemoryStore::new());
    let mut entries = HashSet::new();
    for _ in 0..2 {
        let certified = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
        let (chain, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        let identity = ClientIdentity::from_pem(ChainAndKey { chain, key }).unwrap();
        let client = ClientCredentials::builder(idp.token_url()).transport(idp.service());
        let client = client.tls_client_auth("me").client_identity(identity);
        entries.insert(entry_of(client, &store).await);
    }
    assert_eq!(entries.len(), 2);
}

/// Each setting that changes the token changes the entry.
#[tokio::test(start_paused = true)]
async fn clients_with_different_tokens_have_different_entries() {
    let (idp, store) = (AuthorizationServer::builder().build(), MemoryStore::new());
    let at = |url: &str| {
        ClientCredentials::builder(url).client_secret_basic("me", "s3cret").transport(idp.service())
    };
    let url = idp.token_url();
    let client = || at(&url);
    let clients = [
        client(),
        at(&format!("{url}/other")),
        client().client_secret_basic("you", "s3cret"),
        client().client_secret_post("me", "s3cret"),
        client().scope("a"),
        client().scope("b"),
        client().audience("x"),
        client().resource("https://api.example.com"),
        client().resource("https://api.example.com").resource("https://other.example.com"),
        client().parameter("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        client().parameter("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"),
    ];
    let mut ids = HashSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        assert!(ids.insert(entry_of(client, &store).await), "client {number}");
    }
    for namespace in ["a", "b"] {
        let id = entry_in(Some(namespace), client(), &store).await;
        assert!(ids.insert(id), "namespace {namespace}");
    }
}

/// The name of the entry has the certificate's thumbprint, which is not known when the processes start.
#[cfg(feature = "hyper-transport")]
#[tokio::test(start_paused = true)]
async fn processes_share_a_token_although_their_certificate_is_created_later() {
    let (idp, store) = (AuthorizationServer::builder().build(), MemoryStore::new());
    let file = |name| std::env::temp_dir().join(format!("toacc-{}-{name}", std::process::id()));
    let (chain, private_key) = (file("fleet.crt"), file("fleet.key"));
    let process = || {
        let config = ClientCredentialsConfig::from_vars(
            "IDP_",
            [
                ("IDP_TOKEN_URL", "https://idp.test/token"),
                ("IDP_CLIENT_ID", "me"),
                ("IDP_AUTH_METHOD", "tls_client_auth"),
                ("IDP_CLIENT_CERTIFICATE_FILE", chain.to_str().unwrap()),
                ("IDP_CLIENT_KEY_FILE", private_key.to_str().unwrap()),
            ],
        );
        let client = config.source_builder().unwrap().transport(idp.service());
        let shared = Shared::builder(client.build().unwrap(), store.clone()).sealed_with([key(1)]);
        TokenCache::new(shared.build().unwrap())
    };
    let (one, other) = (process(), process());
    for process in [&one, &other] {
        assert_eq!(process.get().await.unwrap_err().kind(), ErrorKind::Credentials);
        process.end_cooldown();
    }
    // Without a certificate it is not known which entry to ask for.
    assert_eq!((store.operations(), idp.token_requests()), (0, 0));
    let certified = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
    std::fs::write(&chain, certified.cert.pem()).unwrap();
    std::fs::write(&private_key, certified.signing_key.serialize_pem()).unwrap();
    let tokens = [one.get().await, other.get().await];
    for path in [chain, private_key] {
        std::fs::remove_file(path).unwrap();
    }
    let [one, other] = tokens.map(|token| token.unwrap().secret().to_owned());
    assert_eq!((one, idp.token_requests()), (other, 1));
}
