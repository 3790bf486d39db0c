//! The supported readers, and a token request with the settings that they read.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use serde::Deserialize;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, TokenCache,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, RecordedRequest, RegisteredClient},
};

/// As in an application with other settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct App {
    pub(crate) port: u16,
    pub(crate) oauth: ClientCredentialsConfig,
}

pub(crate) fn app(read: Result<App, impl std::fmt::Display>) -> ClientCredentialsConfig {
    let app = read.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(app.port, 8080);
    app.oauth
}

pub(crate) fn env_of(vars: &[(&str, &str)]) -> ClientCredentialsConfig {
    ClientCredentialsConfig::from_vars("OAUTH_", vars.iter().copied())
}

pub(crate) fn json(value: &serde_json::Value) -> ClientCredentialsConfig {
    serde_json::from_value(value.clone()).unwrap()
}

/// The token request as a server sees it. The server knows the usual client and accepts all
/// assertions.
pub(crate) async fn token_request(config: &ClientCredentialsConfig) -> RecordedRequest {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .client(RegisteredClient::new("nobody"))
        .verify_assertion(|_| Ok(()))
        .build();
    let source = config.source_builder().unwrap().transport(idp.service()).build().unwrap();
    TokenCache::new(source).get().await.unwrap();
    idp.requests().remove(0)
}

/// The message of an error, without the common prefix.
pub(crate) fn mistake(config: &ClientCredentialsConfig) -> String {
    let error = refused(config);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.is_permanent());
    error.to_string().strip_prefix("config: a setting is wrong; ").unwrap().to_owned()
}

pub(crate) fn refused(config: &ClientCredentialsConfig) -> Error {
    config.source_builder().map(drop).expect_err("a mistake")
}

/// A file that is deleted on drop.
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    pub(crate) fn new(content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("toacc-configuration-{}-{nth}", process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One of the keys of the key tests.
pub(crate) fn key_file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/credentials/signing_keys");
    folder.join(name).to_str().unwrap().to_owned()
}
