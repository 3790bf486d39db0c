//! Keys: of the fleet, of many caches, and the ones that tokens are bound to.

use http::{HeaderMap, Method, Uri};
use tower_oauth2_client_credentials::{
    ClientCredentials, KeyedTokenCache, TokenCache,
    dpop::DpopKey,
    jose::{SigningAlgorithm, SigningKey},
    store::{MemoryFault, MemoryStore, Shared, Store, StoredEntry},
    testing::{AuthorizationServer, DpopVerifier, RegisteredClient},
};

use crate::support::*;

/// Each process restarts with the next keys, one after the other, while the others have traffic.
#[tokio::test(start_paused = true)]
async fn the_sealing_key_rotates_while_the_fleet_runs() {
    const PROCESSES: usize = 10;
    let (old, new) = (key(1), key(2));
    let fleet = Fleet::new(Server::healthy(100.0, 0.3));
    let start = |keys: &[_]| fleet.cache(fleet.shared().sealed_with(keys.to_vec()), |it| it);
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| start(std::slice::from_ref(&old))).collect();
    let (lives, lines) = logged(async {
        assert_eq!(traffic(&fleet, &processes, 1.0, 100.0).await, 0);
        for keys in
            [vec![old.clone(), new.clone()], vec![new.clone(), old.clone()], vec![new.clone()]]
        {
            for number in 0..PROCESSES {
                processes[number] = start(&keys);
                assert_eq!(traffic(&fleet, &processes, 1.0, 30.0).await, 0);
            }
            // The life of a token, so that the entry is sealed again.
            assert_eq!(traffic(&fleet, &processes, 1.0, 100.0).await, 0);
        }
        let tokens: std::collections::HashSet<_> = cached(&processes).into_iter().collect();
        assert_eq!(tokens.len(), 1);
        fleet.server.asked()
    })
    .await;
    assert!(lines.is_empty(), "{lines:?}");
    // A process that starts late in a life refreshes at the common time too.
    for pair in lives.windows(2) {
        let life = (pair[1].at - pair[0].at).as_secs_f64();
        assert!(life > 59.0, "{life}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_key_of_a_keyed_cache_has_one_token_for_the_fleet() {
    let servers: Vec<_> = (0..3).map(|_| Server::healthy(LIFE, 0.3)).collect();
    let store = MemoryStore::new();
    let wall = Wall::new();
    let process = |number: usize| {
        let (servers, store) = (servers.clone(), store.clone());
        KeyedTokenCache::new(move |tenant: &usize| {
            let client = Client { server: servers[*tenant].clone(), process: number };
            Shared::builder(client, store.clone())
                .sealed_with([key(1)])
                .namespace(format!("tenant {tenant}"))
                .wall_clock(wall.clock(0.0))
                .build()
        })
    };
    let processes: Vec<_> = (0..10).map(process).collect();
    for tenant in 0..3 {
        let caches: Vec<_> = processes.iter().map(|it| it.cache(&tenant)).collect();
        all_get(&caches, "t1").await;
    }
    assert!(servers.iter().all(|server| server.count() == 1));
    assert_eq!(store.entry_ids().len(), 3);
}

fn signing_key() -> SigningKey {
    let pem = include_str!("../credentials/signing_keys/ec256-sec1.pem");
    SigningKey::from_pem(SigningAlgorithm::Es256, pem).unwrap()
}

/// A token that is bound to a key which all processes have. The proof is each process's own.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_bound_to_a_given_key_is_shared_with_proofs() {
    let thumbprint = signing_key().thumbprint();
    let verifier = DpopVerifier::new(move |_, _| Some(thumbprint.clone()));
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("me").secret("s3cret"))
        .dpop(verifier)
        .build();
    let store = MemoryStore::new();
    let process = || {
        let source = ClientCredentials::builder(idp.token_url())
            .client_secret_basic("me", "s3cret")
            .transport(idp.service())
            .dpop(DpopKey::from(signing_key()))
            .build()
            .unwrap();
        TokenCache::new(
            Shared::builder(source, store.clone()).sealed_with([key(1)]).build().unwrap(),
        )
    };
    let processes = [(); 5].map(|()| process());
    for result in get_all(&processes).await {
        result.unwrap();
    }
    assert_eq!(idp.token_requests(), 1);
    for process in &processes {
        let (mut headers, token) = (HeaderMap::new(), process.get().await.unwrap());
        let uri = Uri::from_static("https://api.example.com/");
        token.authorize(&Method::GET, &uri, &mut headers).unwrap();
        assert!(headers["authorization"].to_str().unwrap().starts_with("DPoP "));
        assert_eq!(headers["dpop"].to_str().unwrap().split('.').count(), 3);
    }
}

/// An attacker who can write to the store has an old entry.
#[tokio::test(start_paused = true)]
async fn an_old_entry_cannot_become_the_newest() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.1));
    let processes = fleet.processes(5);
    all_get(&processes, "t1").await;
    let id = fleet.store.entry_ids()[0];
    let old = fleet.store.read(id).await.unwrap().unwrap();
    pass(1.0).await;
    fleet.server.revoke(&token(1, LIFE));
    assert!(request(&processes[0], &fleet.server).await);
    settle().await;
    assert_eq!(cached(&processes), ["t2"; 5]);
    for generation in [old.generation + (1 << 40), u64::MAX] {
        let replayed = StoredEntry::new(generation, old.value.clone());
        assert!(fleet.store.write(id, replayed, secs(LIFE)).await.unwrap());
        settle().await;
        assert_eq!(cached(&processes), ["t2"; 5]);
    }
    // A new process does not use it either.
    all_get(&[fleet.process()], "t3").await;
}

/// Anyone can write plain text. The caches must not refuse all later tokens.
#[tokio::test(start_paused = true)]
async fn an_entry_of_the_end_of_time_is_not_used() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.1));
    let plain = || fleet.cache(fleet.shared().plain_text(), |it| it);
    let processes = [plain(), plain()];
    all_get(&processes, "t1").await;
    let id = fleet.store.entry_ids()[0];
    let entry = fleet.store.read(id).await.unwrap().unwrap();
    processes[0].clear();
    fleet.store.set_fault(MemoryFault::Evicting);
    let last = StoredEntry::new(u64::MAX, entry.value.clone());
    assert!(fleet.store.write(id, last, secs(LIFE)).await.unwrap());
    fleet.store.set_fault(MemoryFault::None);
    settle().await;
    assert_eq!(cached(&processes), ["-", "t1"]);
    all_get(&processes[..1], "t2").await;
    settle().await;
    assert_eq!(cached(&processes), ["t2", "t2"]);
}
