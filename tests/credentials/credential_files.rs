//! Credential files that are not regular files, or cannot be read.
#![cfg(unix)]

use std::{
    env,
    error::Error as _,
    fs,
    path::PathBuf,
    process::{self, Command},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tower_oauth2_client_credentials::{
    ClientCredentials, Error, ErrorKind, TokenSource as _,
    client_auth::Secret,
    endpoint::ClientCredentialsBuilder,
    event::{AcquisitionReason, EventKind, Observer},
    source::AcquireContext,
    testing::{AuthorizationServer, RegisteredClient},
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("toacc-{}-{name}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file that never finishes reading once it is opened.
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn builder(idp: &AuthorizationServer) -> ClientCredentialsBuilder {
    ClientCredentials::builder(idp.token_url()).transport(idp.service())
}

/// A single attempt.
fn acquire() -> AcquireContext {
    let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
    acquire.single_attempt = true;
    acquire
}

fn assert_names(error: &Error, path: &std::path::Path, why: &str) {
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.source().is_some());
    let text = error.to_string();
    assert!(text.contains(&format!("{}: {why}", path.display())), "{text}");
    assert!(!text.contains("server"), "{text}");
}

#[test]
fn a_thousand_acquisitions_with_a_fifo_as_secret_delay_no_lookup_and_no_shutdown() {
    let folder = Folder::new("thousand");
    let fifo = folder.fifo("secret");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .unwrap();
    let idp = AuthorizationServer::new();
    let source = builder(&idp).client_secret_basic("me", Secret::from_file(&fifo)).build().unwrap();
    runtime.block_on(async {
        for _ in 0..1000 {
            let error = source.acquire(acquire()).await.unwrap_err();
            assert_names(&error, &fifo, "it is a FIFO, and only regular files are read");
        }
        let found =
            tokio::time::timeout(Duration::from_secs(10), tokio::net::lookup_host("localhost:80"));
        assert!(found.await.expect("the blocking pool is free").unwrap().count() > 0);
    });
    assert_eq!(idp.token_requests(), 0);
    let start = Instant::now();
    drop(runtime);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_fifo_in_place_of_an_assertion_is_refused() {
    let folder = Folder::new("assertion");
    let fifo = folder.fifo("token");
    let idp = AuthorizationServer::new();
    let source = builder(&idp).client_assertion_file("me", &fifo).build().unwrap();
    assert_names(&source.acquire(acquire()).await.unwrap_err(), &fifo, "it is a FIFO");
    let source = builder(&idp).client_assertion_file("me", &folder.0).build().unwrap();
    assert_names(&source.acquire(acquire()).await.unwrap_err(), &folder.0, "it is a directory");
}

/// A secret as Kubernetes mounts it: a link to a link, which are replaced together.
#[tokio::test(start_paused = true)]
async fn a_mounted_secret_is_followed_and_survives_a_file_that_is_not_regular() {
    let folder = Folder::new("mounted");
    for (version, secret) in [("v1", "first"), ("v2", "second")] {
        fs::create_dir(folder.path(version)).unwrap();
        fs::write(folder.path(version).join("secret"), secret).unwrap();
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, folder.path("new")).unwrap();
        fs::rename(folder.path("new"), folder.path(name)).unwrap();
    };
    link("v1", "..data");
    link("..data/secret", "secret");
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("me").secret("first"))
        .client(RegisteredClient::new("me").secret("second"))
        .build();
    let path = folder.path("secret");
    let source = builder(&idp).client_secret_post("me", Secret::from_file(&path)).build().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let mut acquire = acquire();
    acquire.observer = Observer::new(move |event| seen.lock().unwrap().push(event.kind().clone()));

    source.acquire(acquire.clone()).await.unwrap();
    link("v2", "..data");
    source.acquire(acquire.clone()).await.unwrap();
    assert!(events.lock().unwrap().is_empty());
    folder.fifo("fifo");
    link("fifo", "secret");
    source.acquire(acquire.clone()).await.unwrap();
    let sent: Vec<_> = idp
        .requests()
        .iter()
        .map(|request| request.form_value("client_secret").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["first", "second", "second"]);
    match &events.lock().unwrap()[..] {
        [EventKind::StaleCredentialUsed { from, error, .. }] => {
            assert_eq!(*from, path.display().to_string());
            assert_names(error, &path, "it is a FIFO");
        }
        other => panic!("{other:?}"),
    };
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn a_signing_key_survives_a_file_that_is_not_regular() {
    use tower_oauth2_client_credentials::jose::{SigningAlgorithm, SigningKeySource};

    let folder = Folder::new("key");
    let path = folder.path("key.pem");
    let idp = AuthorizationServer::builder().verify_assertion(|_| Ok(())).build();
    let key = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, &path);
    let source = builder(&idp).private_key_jwt("me", key, "https://idp.test").build().unwrap();
    assert_names(&source.acquire(acquire()).await.unwrap_err(), &path, "No such file");
    folder.fifo("key.pem");
    assert_names(&source.acquire(acquire()).await.unwrap_err(), &path, "it is a FIFO");
    fs::remove_file(&path).unwrap();
    fs::write(&path, include_str!("signing_keys/ec256-pkcs8.pem")).unwrap();
    source.acquire(acquire()).await.unwrap();
    fs::remove_file(&path).unwrap();
    folder.fifo("key.pem");
    source.acquire(acquire()).await.unwrap();
    assert_eq!(idp.token_requests(), 2);
}

#[cfg(feature = "hyper-transport")]
#[tokio::test(start_paused = true)]
async fn the_last_good_certificate_survives_a_file_that_is_not_regular() {
    use tower_oauth2_client_credentials::transport::{ChainAndKey, ClientIdentity};

    let folder = Folder::new("certificate");
    let (chain, key) = (folder.path("tls.crt"), folder.path("tls.key"));
    fs::write(&chain, include_str!("signing_keys/ec256-certificate.pem")).unwrap();
    fs::write(&key, include_str!("signing_keys/ec256-pkcs8.pem")).unwrap();
    let identity = ClientIdentity::from_files(ChainAndKey { chain: &chain, key: &key }).unwrap();
    let thumbprint = identity.thumbprint();
    fs::remove_file(&chain).unwrap();
    folder.fifo("tls.crt");
    let error = identity.reload().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains(&format!("{}: it is a FIFO", chain.display())), "{error}");

    let idp = AuthorizationServer::new();
    let source = builder(&idp).tls_client_auth("me").client_identity(identity.clone());
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let mut acquire = acquire();
    acquire.observer = Observer::new(move |event| seen.lock().unwrap().push(event.kind().clone()));
    source.build().unwrap().acquire(acquire).await.unwrap();
    assert_eq!((idp.token_requests(), identity.generation()), (1, 0));
    assert_eq!(identity.thumbprint(), thumbprint);
    match &events.lock().unwrap()[..] {
        [EventKind::StaleCredentialUsed { error, .. }] => {
            assert!(error.to_string().contains(&chain.display().to_string()), "{error}");
        }
        other => panic!("{other:?}"),
    };
}

#[cfg(feature = "hyper-transport")]
#[test]
fn a_fifo_in_place_of_a_certificate_or_its_key_is_refused() {
    use tower_oauth2_client_credentials::transport::{ChainAndKey, ClientIdentity};

    let folder = Folder::new("identity");
    let fifo = folder.fifo("fifo");
    let certificate = folder.path("certificate");
    fs::write(&certificate, include_str!("signing_keys/ec256-certificate.pem")).unwrap();
    for (chain, key) in [(&fifo, &certificate), (&certificate, &fifo)] {
        let error = ClientIdentity::from_files(ChainAndKey { chain, key }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        let expected = format!("{}: it is a FIFO, and only", fifo.display());
        assert!(error.to_string().contains(&expected), "{error}");
    }
}
