//! Ways to reach a Redis, and permissions there.

use std::{fs, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tower_oauth2_client_credentials::{
    client_auth::Secret,
    store::{AnnouncementReceiver, Announcer, EntryId, RedisStore, Store as _},
    transport::{ChainAndKey, ClientIdentity},
};

use crate::{
    conformance::conforms,
    redis_server::{RedisServer, shared_url},
    support::{MINUTE, cause, entry, eventually, granted, id, owner},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn it_conforms() {
    let store = || RedisStore::new(shared_url()).unwrap();
    conforms(store(), store()).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn it_conforms_with_resp3_and_another_database() {
    let server = RedisServer::start([]);
    let store = || RedisStore::new(server.url() + "3?protocol=resp3").unwrap();
    conforms(store(), store()).await;
    assert!(server.admin::<String>("INFO keyspace").contains("db3:"));
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn it_conforms_over_a_socket() {
    let server = RedisServer::start_with(|directory| {
        vec!["--unixsocket".to_owned(), directory.join("socket").to_str().unwrap().to_owned()]
    });
    let path = server.directory.join("socket");
    let store = || RedisStore::new(format!("unix://{}", path.display())).unwrap();
    conforms(store(), store()).await;
    let missing = RedisStore::new("unix:///no/such/socket").unwrap();
    let text = cause(&missing.read(id()).await.unwrap_err());
    assert!(text.contains("/no/such/socket") && text.contains("check that Redis runs"), "{text}");
}

/// A certificate authority, and what it certified.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Chain and key.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn it_conforms_over_tls_with_a_client_certificate() {
    let authority = Authority::new();
    let tls_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = RedisServer::start_with(|directory| {
        let (chain, key) = authority.certify("127.0.0.1");
        let mut arguments = vec!["--tls-port".to_owned(), tls_port.to_string()];
        for (option, name, content) in [
            ("--tls-cert-file", "chain.pem", &chain),
            ("--tls-key-file", "key.pem", &key),
            ("--tls-ca-cert-file", "ca.pem", &authority.pem),
        ] {
            let path = directory.join(name);
            fs::write(&path, content).unwrap();
            arguments.extend([option.to_owned(), path.to_str().unwrap().to_owned()]);
        }
        arguments
    });
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let (chain, key) = authority.certify("client");
    let identity = ClientIdentity::from_pem(ChainAndKey { chain, key }).unwrap();
    let store = || {
        RedisStore::builder(&url)
            .only_root_certificates_pem(&authority.pem)
            .client_identity(identity.clone())
            .build()
            .unwrap()
    };
    conforms(store(), store()).await;

    let without_identity =
        RedisStore::builder(&url).extra_root_certificates_file(server.directory.join("ca.pem"));
    let text = cause(&without_identity.build().unwrap().read(id()).await.unwrap_err());
    assert!(text.contains("alert"), "{text}");
    let unknown = RedisStore::new(&url).unwrap();
    let text = cause(&unknown.read(id()).await.unwrap_err());
    assert!(text.contains("unknown authority"), "{text}");
    let to_plain = RedisStore::new(server.url().replace("redis:", "rediss:")).unwrap();
    let text = cause(&to_plain.read(id()).await.unwrap_err());
    assert!(text.contains("TLS"), "{text}");
    let to_tls = RedisStore::new(url.replace("rediss:", "redis:")).unwrap();
    let text = cause(&to_tls.read(id()).await.unwrap_err());
    assert!(text.contains("check"), "{text}");
}

/// The ACL that the documentation of `RedisStore` names, without the permissions in `without`.
pub(crate) fn acl(without: &[&str]) -> String {
    let source = include_str!("../../src/store/redis/store.rs");
    let start = source.split("/// ACL SETUSER tokens ").nth(1).unwrap();
    let rules = start.split("/// ```").next().unwrap().replace("///", " ");
    let rules = rules.split_whitespace().filter(|rule| !without.contains(rule));
    let rules: Vec<_> = rules.map(|rule| rule.replace("PASSWORD", "s3cret")).collect();
    assert!(rules.len() > 20);
    format!("ACL SETUSER tokens reset {}", rules.join(" "))
}

pub(crate) fn limited(server: &RedisServer) -> RedisStore {
    RedisStore::new(format!("redis://tokens:s3cret@127.0.0.1:{}", server.port)).unwrap()
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn the_documented_permissions_are_enough() {
    let server = RedisServer::start([]);
    server.command(&acl(&[]));
    let id = id();
    let (announcements, mut received) = Announcer::channel(id);
    let store = limited(&server);
    store.subscribe(announcements);
    conforms(limited(&server), limited(&server)).await;
    received_eventually(&store, id, &mut received).await;
    assert_eq!(server.admin::<Vec<redis::Value>>("ACL LOG"), []);
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn an_acl_without_pub_sub_does_not_stop_sharing() {
    let without: [&[&str]; 2] = [&["+publish", "+subscribe"], &["&oauth2-tokens:*"]];
    for without in without {
        let server = RedisServer::start([]);
        server.command(&acl(without));
        let store = limited(&server);
        let id = id();
        let (announcements, received) = Announcer::channel(id);
        store.subscribe(announcements);
        let why = eventually("the interruption", || async { received.take_interruption() }).await;
        assert!(why.contains("ACL forbids"), "{why}");
        assert!(why.contains(&format!("127.0.0.1:{}", server.port)), "{why}");
        assert!(store.write(id, entry(1, "x"), MINUTE).await.unwrap());
        let why = received.take_interruption().unwrap();
        assert!(why.contains("does not announce new entries; allow PUBLISH"), "{why}");
        conforms(store.clone(), store).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_missing_permission_is_an_error_that_names_it() {
    let server = RedisServer::start([]);
    let forbidden = |text: &str, name: &str| {
        assert!(text.contains("ACL forbids") && text.contains(name), "{text}");
    };
    server.command(&acl(&["+eval"]));
    forbidden(&cause(&limited(&server).read(id()).await.unwrap_err()), "'eval'");
    // Needed by the second operation of a kind.
    server.command(&acl(&["+evalsha"]));
    let store = limited(&server);
    store.read(id()).await.unwrap();
    forbidden(&cause(&store.read(id()).await.unwrap_err()), "'evalsha'");
    server.command(&acl(&["~oauth2-tokens:*"]));
    let text = cause(&limited(&server).read(id()).await.unwrap_err());
    assert!(text.contains("ACL forbids"), "{text}");
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = RedisServer::start(["--requirepass", "s3cret"]);
    let port = server.port;
    for (url, why) in [
        (format!("redis://127.0.0.1:{port}"), "requires a password"),
        (format!("redis://:wr0ng@127.0.0.1:{port}"), "password are wrong"),
        (format!("redis://nobody:wr0ng@127.0.0.1:{port}"), "password are wrong"),
    ] {
        let store = RedisStore::new(&url).unwrap();
        let error = store.read(id()).await.unwrap_err();
        let shown = format!("{} {error:?} {store:?}", cause(&error));
        assert!(shown.contains(why) && !shown.contains("wr0ng"), "{shown}");
        assert!(shown.contains(&format!("127.0.0.1:{port}")), "{shown}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_password_from_a_file_is_read_for_each_connection() {
    let mut server = RedisServer::start(["--requirepass", "first"]);
    let path = server.directory.join("password");
    fs::write(&path, "wr0ng\n").unwrap();
    let store = RedisStore::builder(server.url()).password(Secret::from_file(&path)).build();
    let (store, id) = (store.unwrap(), id());
    let shown = format!("{store:?} {}", cause(&store.read(id).await.unwrap_err()));
    assert!(shown.contains("password are wrong") && !shown.contains("wr0ng"), "{shown}");
    fs::write(&path, "first\n").unwrap();
    eventually("the password", || async { store.read(id).await.ok() }).await;
    fs::remove_file(&path).unwrap();
    // Not needed for an existing connection.
    store.read(id).await.unwrap();
    server.kill();
    server.start_again();
    let text = cause(&store.read(id).await.unwrap_err());
    assert!(text.contains("its password: ") && text.contains("No such file"), "{text}");
    fs::write(&path, "first\n").unwrap();
    eventually("the password", || async { store.read(id).await.ok() }).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn stores_with_different_prefixes_share_nothing() {
    let server = RedisServer::start([]);
    let (ours, other) = (server.store(), server.builder().prefix("other").build().unwrap());
    let id = id();
    assert!(ours.write(id, entry(1, "ours"), MINUTE).await.unwrap());
    granted(ours.lease(id, owner(1), MINUTE).await.unwrap());
    assert_eq!(other.read(id).await.unwrap(), None);
    granted(other.lease(id, owner(2), MINUTE).await.unwrap());
    let mut keys = server.admin::<Vec<String>>("KEYS *");
    keys.sort();
    let ours = format!("oauth2-tokens:{{{id}}}");
    assert_eq!(keys, [ours.clone(), format!("{ours}:lease"), format!("other:{{{id}}}:lease")]);
    // Nothing stays for good.
    for key in keys {
        assert!(server.admin::<i64>(&format!("PTTL {key}")) > 0);
    }
}

/// Writes until the receiver gets an entry, since a subscription starts in the background. Returns
/// the generation of the last one.
pub(crate) async fn received_eventually(
    writer: &RedisStore,
    id: EntryId,
    received: &mut AnnouncementReceiver,
) -> u64 {
    let first = writer.read(id).await.unwrap().map_or(1, |entry| entry.generation + 1);
    for generation in first..first + 200 {
        let written = writer.write(id, entry(generation, "announced"), MINUTE).await;
        assert!(written.unwrap());
        let limit = Duration::from_millis(100);
        if let Ok(mut received_entry) = tokio::time::timeout(limit, received.recv()).await {
            while received_entry.generation < generation {
                received_entry = received.recv().await;
            }
            assert_eq!(received_entry, entry(generation, "announced"));
            return generation;
        }
    }
    panic!("nothing was received");
}
