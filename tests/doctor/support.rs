//! Runs the program, and makes what it needs.

use std::{
    env, fs,
    path::PathBuf,
    process::{self, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::process::Command;
use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockServer, RegisteredClient};

pub(crate) const ID: &str = "my-service";
/// A secret that Basic changes.
pub(crate) const SECRET: &str = "canary s3cret/with+%41&more";
/// A secret that Basic does not change.
pub(crate) const PLAIN_SECRET: &str = "canary-s3cret-1234567890";
/// The variable that holds the secret.
pub(crate) const VARIABLE: &str = "BILLING_SECRET";

/// What a run printed.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// The lines of a level, such as `problem`.
    pub(crate) fn findings(&self, level: &str) -> Vec<String> {
        let lines = self.stdout.lines().map(str::trim_start);
        let lines = lines.filter_map(|line| line.strip_prefix(level)?.strip_prefix(' '));
        lines.map(|line| line.trim().to_owned()).collect()
    }

    /// The only problem. The code is the expected one.
    pub(crate) fn problem(&self, code: i32) -> String {
        assert_eq!(self.code, code, "{} {}", self.stdout, self.stderr);
        let problems = self.findings("problem");
        assert_eq!(problems.len(), 1, "{}", self.stdout);
        problems[0].clone()
    }
}

/// Runs the program with these arguments. The environment has the secret and no proxy.
pub(crate) async fn doctor(arguments: &[&str]) -> Run {
    doctor_with(arguments, &[(VARIABLE, SECRET)]).await
}

pub(crate) async fn doctor_with(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_oauth-doctor"))
        .args(arguments)
        .env_clear()
        // Windows needs it for sockets.
        .envs(env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), output);
    let output = output.await.expect("the program hangs").expect("the program starts");
    Run {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The arguments for a client with a secret.
pub(crate) fn with_secret<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["--client-id", ID, "--secret-env", VARIABLE], rest].concat()
}

/// A server with the client and its secret.
pub(crate) async fn server(secret: &str) -> (AuthorizationServer, MockServer) {
    let client = RegisteredClient::new(ID).secret(secret);
    let idp = AuthorizationServer::builder().client(client).build();
    let listening = idp.listen().await.unwrap();
    (idp, listening)
}

/// A file that is removed when this is dropped.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("doctor-{}-{number}-{name}", process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
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

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pub(crate) pem: TempFile,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let pem = TempFile::new("ca.pem", certificate.pem());
        Self { certificate: certificate.into(), issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name, and its key, as PEM.
    pub(crate) fn certify(&self, name: &str, is_expired: bool) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // macOS accepts certificates for TLS servers only, and for at most 825 days.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let year = if is_expired { 2020 } else { this_year() };
        params.not_before = date_time_ymd(year - 1, 7, 1);
        params.not_after = date_time_ymd(year + 1, 7, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// TLS for a server on 127.0.0.1 that asks for a certificate of this authority.
    pub(crate) fn tls(&self, is_expired: bool) -> Arc<ServerConfig> {
        let (certificate, key) = self.certify("127.0.0.1", is_expired);
        let key = KeyPair::from_pem(&key).unwrap().serialize_der();
        let certificate = rustls_pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let asking = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(asking.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate.unwrap()], PrivateKeyDer::Pkcs8(key.into()));
        Arc::new(config.unwrap())
    }
}

fn this_year() -> i32 {
    const SECONDS_IN_A_YEAR: u64 = 31_556_952;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    1970 + i32::try_from(now.as_secs() / SECONDS_IN_A_YEAR).unwrap()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
