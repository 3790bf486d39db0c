//! Files that settings name: created later, invalid, or not regular files.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, TokenCache,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, RegisteredClient},
};

use crate::log::Log;
use crate::support::{TempFile, json, key_file, refused, token_request};

/// A folder for files that are created later.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("toacc-config-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with(settings: &[(&str, &str)]) -> ClientCredentialsConfig {
    let mut all = json!({"token_url": "https://idp.test/token", "client_id": "my-service"});
    for (name, value) in settings {
        all[name] = Value::from(*value);
    }
    json(&all)
}

fn key(file: &str, more: &[(&str, &str)]) -> ClientCredentialsConfig {
    let settings = [("private_key_file", file), ("assertion_audience", "https://idp.test")];
    with(&[&settings, more].concat())
}

/// The WARN lines that were logged while the closure ran.
fn warnings<T>(run: impl FnOnce() -> T) -> (T, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // With two dispatchers, `tracing` asks both about a callsite that another test's thread reaches
    // first. Otherwise it would ask that thread's dispatcher only, and never again.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let result = tracing::subscriber::with_default(subscriber, run);
    (result, log.read())
}

#[track_caller]
fn assert_refused(error: Error, expected: &str) {
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_created_later_is_a_warning_and_read_when_needed() {
    let folder = Folder::new("later");
    let path = folder.path("secret");
    let config = with(&[("client_secret_file", &path)]);
    let (builder, log) = warnings(|| config.source_builder().unwrap());
    assert!(log.contains("client_secret_file") && log.contains("No such file"), "{log}");
    assert!(log.contains("WARN"), "{log}");
    assert_refused(config.check().unwrap_err(), "client_secret_file: no file can be read there (");

    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let tokens = TokenCache::new(builder.transport(idp.service()).build().unwrap());
    let error = tokens.get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains(&format!("secret file {path}: ")), "{error}");

    fs::write(&path, "s3cret\n").unwrap();
    let ((), log) = warnings(|| config.check().unwrap());
    assert_eq!(log, "");
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    tokens.get().await.unwrap();
}

#[test]
fn keys_and_assertions_may_be_created_later_too() {
    let folder = Folder::new("others-later");
    let path = folder.path("file");
    let mut configs = vec![("client_assertion_file", with(&[("client_assertion_file", &path)]))];
    if cfg!(feature = "jwt") {
        configs.push(("private_key_file", key(&path, &[])));
    }
    for (setting, config) in configs {
        let (_, log) = warnings(|| config.source_builder().map(drop).unwrap());
        assert!(log.contains(setting), "{log}");
        assert_refused(config.check().unwrap_err(), &format!("{setting}: no file can be read"));
    }
}

/// A misplaced secret is not shown as a path later.
#[tokio::test(start_paused = true)]
async fn a_text_that_is_not_a_path_is_not_shown() {
    for secret in ["canary", "/canary", "canary/x", "../../canary", "./canary", "/", "canary\0"] {
        let config = with(&[("client_secret_file", secret)]);
        let (builder, log) = warnings(|| config.source_builder());
        let shown = match builder {
            Err(error) => format!("{error} {error:?}"),
            Ok(builder) => {
                let idp = AuthorizationServer::new();
                let source = builder.transport(idp.service()).build().unwrap();
                let debug = format!("{source:?}");
                let error = TokenCache::new(source).get().await.unwrap_err();
                assert!(error.to_string().contains("file client_secret_file: "), "{error}");
                format!("{error} {error:?} {debug}")
            }
        };
        let check = config.check().unwrap_err();
        let shown = format!("{shown} {log} {check} {check:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn files_that_are_not_regular_are_refused() {
    let folder = Folder::new("no-file");
    let directory = folder.0.to_str().unwrap();
    assert_refused(
        refused(&with(&[("client_secret_file", directory)])),
        "client_secret_file: it is a directory",
    );
    #[cfg(unix)]
    {
        let fifo = folder.path("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for setting in ["client_secret_file", "client_assertion_file"] {
            assert_refused(
                refused(&with(&[(setting, &fifo)])),
                &format!("{setting}: it is a FIFO, and only regular files are read"),
            );
        }
        if cfg!(feature = "jwt") {
            assert_refused(refused(&key(&fifo, &[])), "private_key_file: it is a FIFO");
        }
    }
}

#[test]
fn a_check_reads_what_is_in_the_files() {
    let secret = TempFile::new("s3cret");
    with(&[("client_secret_file", secret.path())]).check().unwrap();
    let empty = TempFile::new("\u{feff}\n");
    for setting in ["client_secret_file", "client_assertion_file"] {
        let config = with(&[(setting, empty.path())]);
        config.source_builder().map(drop).unwrap();
        assert_refused(config.check().unwrap_err(), &format!("{setting}: it is empty"));
    }
    let config = with(&[("client_assertion_file", secret.path())]);
    let expected = "client_assertion_file: the client assertion is not a complete JWT";
    assert_refused(config.check().unwrap_err(), expected);
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let settings = [("client_assertion_file", secret.path()), ("client_assertion_type", saml)];
    with(&settings).check().unwrap();
    let jwt = TempFile::new("\u{feff}eyJhbGciOiJub25lIn0.e30.AA\n");
    with(&[("client_assertion_file", jwt.path())]).check().unwrap();
    // Expires at 1e999.
    let endless = TempFile::new("eyJhbGciOiJub25lIn0.eyJleHAiOjFlOTk5fQ.AA");
    assert_refused(
        with(&[("client_assertion_file", endless.path())]).check().unwrap_err(),
        expected,
    );
    // Mistakes that concern no file.
    assert_refused(with(&[]).check().unwrap_err(), "client_secret, client_secret_file");
}

#[cfg(feature = "jwt")]
mod keys {
    use super::*;

    const JWK: &str = include_str!("../credentials/signing_keys/rfc7517_a2.json");

    /// RFC 7517 App. A.2, without `alg` and `kid`.
    fn rsa_jwk() -> TempFile {
        let mut jwk: Value = serde_json::from_str(JWK).unwrap();
        let jwk = jwk.as_object_mut().unwrap();
        jwk.remove("alg");
        jwk.remove("kid");
        TempFile::new(&serde_json::to_string(jwk).unwrap())
    }

    fn header(assertion: &str) -> Value {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let header = assertion.split('.').next().unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    }

    #[test]
    fn a_check_parses_keys() {
        let rsa = key_file("rsa2048-pkcs8.pem");
        for (file, algorithm, expected) in [
            (rsa.as_str(), "ES256", "signing key: ES256 needs a key of kind P-256"),
            (&key_file("ec256-public.pem"), "ES256", "signing key PEM: "),
            (&key_file("ec256-encrypted.pem"), "ES256", "it is encrypted"),
            (&key_file("rsa1024-pkcs8.pem"), "RS256", "RSA keys below 2048 bits are refused"),
            (&key_file("rfc7515_a2.json"), "ES256", "ES256 needs a key of kind P-256"),
        ] {
            let config = key(file, &[("signing_algorithm", algorithm)]);
            config.source_builder().map(drop).unwrap();
            let error = config.check().unwrap_err();
            assert_refused(error.clone(), expected);
            assert_refused(error, "private_key_file: ");
        }
        key(&rsa, &[("signing_algorithm", "PS512")]).check().unwrap();
    }

    #[test]
    fn an_algorithm_that_does_not_follow_from_the_key_is_asked_for_by_the_setting() {
        let jwk = rsa_jwk();
        let expected = "JWK: an RSA key without alg fits several algorithms; set signing_algorithm";
        assert_refused(key(jwk.path(), &[]).check().unwrap_err(), expected);
        let vars = [
            ("X_TOKEN_URL", "https://idp.test/token"),
            ("X_CLIENT_ID", "me"),
            ("X_ASSERTION_AUDIENCE", "https://idp.test"),
            ("X_PRIVATE_KEY_FILE", &key_file("rsa2048-pkcs1.pem")),
        ];
        let config = ClientCredentialsConfig::from_vars("X_", vars);
        let expected = "X_PRIVATE_KEY_FILE: signing key PEM: an RSA key fits several algorithms; \
                        set X_SIGNING_ALGORITHM";
        assert_refused(config.check().unwrap_err(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_jwk_without_alg_signs_with_the_algorithm_of_the_settings() {
        let jwk = rsa_jwk();
        let config = key(jwk.path(), &[("signing_algorithm", "PS256"), ("key_id", "mine")]);
        config.check().unwrap();
        let request = token_request(&config).await;
        let header = header(request.form_value("client_assertion").unwrap());
        assert_eq!((&header["alg"], &header["kid"]), (&json!("PS256"), &json!("mine")));
    }

    /// Its curve determines it.
    #[tokio::test(start_paused = true)]
    async fn a_pem_of_a_curve_needs_no_algorithm() {
        let config = key(&key_file("ec384-sec1.pem"), &[]);
        config.check().unwrap();
        let request = token_request(&config).await;
        assert_eq!(header(request.form_value("client_assertion").unwrap())["alg"], "ES384");
    }

    #[tokio::test(start_paused = true)]
    async fn marks_and_escapes_of_editors_and_variables_are_read() {
        let pem = fs::read_to_string(key_file("ec256-pkcs8.pem")).unwrap();
        let ec = r#"{"kty":"EC","crv":"P-256",
            "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
        for text in [
            format!("\u{feff}{pem}"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\r\\n"),
            format!("\u{feff}{ec}"),
            format!(" \n{ec}"),
        ] {
            let file = TempFile::new(&text);
            let config = key(file.path(), &[("signing_algorithm", "ES256")]);
            config.check().unwrap();
            token_request(&config).await;
        }
    }
}

#[cfg(all(feature = "hyper-transport", feature = "testing-rustls"))]
mod certificates {
    use tower_oauth2_client_credentials::TokenSource as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_certificate_that_is_created_later_is_a_warning_and_read_when_needed() {
        let folder = Folder::new("certificate");
        let (chain, key) = (folder.path("tls.crt"), folder.path("tls.key"));
        let config = with(&[
            ("auth_method", "tls_client_auth"),
            ("client_certificate_file", &chain),
            ("client_key_file", &key),
        ]);
        let (builder, log) = warnings(|| config.source_builder().unwrap());
        assert!(
            log.contains("client_certificate_file") && log.contains("client_key_file"),
            "{log}"
        );
        let expected = "client_certificate_file: no file can be read there (";
        assert_refused(config.check().unwrap_err(), expected);

        let idp = AuthorizationServer::new();
        let source = builder.transport(idp.service()).build().unwrap();
        let acquire = || {
            let mut acquire = tower_oauth2_client_credentials::source::AcquireContext::new(
                tower_oauth2_client_credentials::event::AcquisitionReason::Missing,
            );
            acquire.single_attempt = true;
            source.acquire(acquire)
        };
        let error = acquire().await.unwrap_err();
        assert_eq!((error.kind(), idp.token_requests()), (ErrorKind::Credentials, 0));
        assert!(error.to_string().contains(&format!("{chain}: No such file")), "{error}");

        let pair = rcgen::generate_simple_self_signed(["me.test".to_owned()]).unwrap();
        fs::write(&chain, pair.cert.pem()).unwrap();
        config.check().unwrap_err();
        let error = acquire().await.unwrap_err();
        assert!(error.to_string().contains(&format!("{key}: No such file")), "{error}");
        fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        config.check().unwrap();
        acquire().await.unwrap();
        assert_eq!(idp.token_requests(), 1);

        // A file that exists and is invalid is refused at once.
        fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert_refused(
            refused(&config),
            "client_certificate_file, client_key_file: no certificate",
        );
    }
}
