//! `oauth-doctor` finds the right lines for each server.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::{
    authlib, canaries, oidc,
    support::{path, run, secret, variable},
};

/// Runs the program with `--json`. It must exit with 0.
async fn doctor(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_oauth-doctor"))
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the program starts");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    canaries::shown(&format_args!("{stdout}{stderr}"));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// The path of a file with a secret, which must not be printed.
fn file(name: &str) -> String {
    secret(name);
    path(name).to_str().unwrap().to_owned()
}

/// Asserts that the function `tokens` is exactly this.
fn assert_lines(report: &Value, before: &[&str], chain: &[&str]) {
    let before: String = before.iter().map(|line| format!("    {line}\n")).collect();
    let chain = chain.join("\n        ");
    let expected = format!(
        "pub(crate) fn tokens() -> Result<TokenCache, BoxError> {{\n{before}    let source = \
         {chain}\n        .build()?;\n    Ok(source.into_cache())\n}}\n"
    );
    let rust = report["rust"].as_str().unwrap();
    assert!(rust.contains(&expected), "{rust}\n{expected}");
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_lines_for_oidc_provider() {
    run(async {
        let (issuer, ca, api) = (oidc::issuer(), path("ca.pem"), oidc::api() + "/resource");
        let ca = ca.to_str().unwrap();
        let shared = ["--issuer", &issuer, "--ca-file", ca, "--api", &api];
        let trust = [
            "let transport = HyperTransport::builder()",
            &format!("    .extra_root_certificates_file({ca:?})"),
            "    .build()?;",
        ];
        let discover = format!("ClientCredentials::discover({issuer:?})");
        // The server lists both methods, and takes either from both clients.
        for (id, name, method, stated) in [
            ("basic:client/1", "secret.basic", "client_secret_basic", &[][..]),
            (
                "post",
                "secret.post",
                "client_secret_post",
                &["--auth-method", "client_secret_post", "--thorough"],
            ),
        ] {
            let secret = file(name);
            let client = ["--client-id", id, "--secret-file", &secret, "--scope", "api:read"];
            let report = doctor(&[&shared[..], &client, stated].concat()).await;
            let authentication = format!(".{method}({id:?}, Secret::from_file({secret:?}))");
            let chain =
                [&*discover, &authentication, ".transport(transport)", ".scope(\"api:read\")"];
            assert_lines(&report, &trust, &chain);
            assert_eq!(report["environment"]["OAUTH_AUTH_METHOD"], method);
            assert_eq!(report["api"]["accepted"], true);
            assert_eq!(report["token"]["scope_granted"], "api:read");
            assert_eq!(report["connection"]["http_version"], "HTTP/2");
        }

        // This client must use DPoP, and the server wants a nonce. The API is not called: it keeps few
        // nonces, and other tests count its challenges.
        let secret = file("secret.dpop");
        let client = ["--client-id", "dpop", "--secret-file", &secret, "--thorough"];
        let report = doctor(&[&shared[..4], &client].concat()).await;
        let authentication =
            format!(".client_secret_basic(\"dpop\", Secret::from_file({secret:?}))");
        let dpop = ".dpop(DpopKey::generate())";
        assert_lines(&report, &trust, &[&discover, &authentication, ".transport(transport)", dpop]);
        for fact in ["required", "bound", "nonce_required"] {
            assert_eq!(report["dpop"][fact], true, "{fact}");
        }
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_lines_for_keys_and_certificates_of_oidc_provider() {
    run(async {
        let (issuer, ca) = (oidc::issuer(), path("ca.pem"));
        let ca = ca.to_str().unwrap();
        let shared = ["--issuer", &issuer, "--ca-file", ca];
        let discover = format!("ClientCredentials::discover({issuer:?})");
        let trust = [
            "let transport = HyperTransport::builder()",
            &format!("    .extra_root_certificates_file({ca:?})"),
        ];
        let key = file("ec256.pem");
        let client = ["--client-id", "key-jwt-ES256", "--key-file", &key];
        let report = doctor(&[&shared[..], &client].concat()).await;
        let lines =
            format!("let key = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, {key:?});");
        let authentication =
            ".private_key_jwt(\"key-jwt-ES256\", key, AssertionAudience::discovered_issuer())";
        let chain = [&*discover, authentication, ".transport(transport)"];
        let before = [&[&*lines][..], &trust, &["    .build()?;"]].concat();
        assert_lines(&report, &before, &chain);

        let (chain, key) = (path("tls-client.pem"), file("tls-client.key"));
        let chain = chain.to_str().unwrap();
        let client = ["--client-id", "tls", "--cert", chain, "--cert-key", &key];
        let report = doctor(&[&shared[..], &client].concat()).await;
        let lines = format!("let paths = ChainAndKey {{ chain: {chain:?}, key: {key:?} }};");
        let lines = [&*lines, "let identity = ClientIdentity::from_files(paths)?;"];
        let shown = ["    .client_identity(identity.clone())", "    .build()?;"];
        let before = [&lines[..], &trust, &shown].concat();
        let authentication = ".tls_client_auth(\"tls\")";
        let identity = ".client_identity(identity)";
        let chain = [&*discover, authentication, identity, ".transport(transport)"];
        assert_lines(&report, &before, &chain);
        assert_eq!(report["discovery"]["mtls_offered"], true);
    });
}

#[test]
#[ignore = "needs Authlib (run .ci/real-servers)"]
fn the_lines_for_authlib() {
    run(async {
        let (url, api) = (authlib::server() + "/oauth/token", authlib::server() + "/resource");
        let shared = ["--token-url", &url, "--api", &api];
        let start = format!("ClientCredentials::builder({url:?})");
        for (id, name, method) in [
            ("basic:client/1", "secret.basic", "client_secret_basic"),
            ("post", "secret.post", "client_secret_post"),
        ] {
            let secret = file(name);
            let client = ["--client-id", id, "--secret-file", &secret, "--scope", "api:read"];
            let report = doctor(&[&shared[..], &client, &["--thorough"]].concat()).await;
            let authentication = format!(".{method}({id:?}, Secret::from_file({secret:?}))");
            assert_lines(&report, &[], &[&start, &authentication, ".scope(\"api:read\")"]);
            assert_eq!(report["api"]["accepted"], true);
            assert_eq!(report["token"]["lifetime_seconds"], 864_000.0, "ten days");
        }
        // This server has no metadata. It wants its issuer as the audience.
        let (key, issuer) = (file("rsa.pem"), authlib::server());
        let client = ["--client-id", "key-jwt-RS256", "--key-file", &key];
        let audience = ["--assertion-audience", &issuer];
        let report = doctor(&[&shared[..], &client, &audience].concat()).await;
        let lines =
            format!("let key = SigningKeySource::from_pem_file(SigningAlgorithm::Rs256, {key:?});");
        let authentication = format!(".private_key_jwt(\"key-jwt-RS256\", key, {issuer:?})");
        assert_lines(&report, &[&lines], &[&start, &authentication]);
    });
}

#[test]
#[ignore = "needs Doorkeeper (run .ci/real-servers)"]
fn the_lines_for_doorkeeper() {
    run(async {
        let server = variable("INTEROP_DOORKEEPER");
        let (url, api) = (server.clone() + "/oauth/token", server + "/resource");
        let shared = ["--token-url", &url, "--api", &api, "--thorough"];
        let start = format!("ClientCredentials::builder({url:?})");
        // The secret has characters that encoding changes, and this server does not decode.
        let secret = file("secret.basic");
        let client = ["--client-id", "raw", "--secret-file", &secret];
        let report = doctor(&[&shared[..], &client].concat()).await;
        let authentication =
            format!(".client_secret_basic_raw(\"raw\", Secret::from_file({secret:?}))");
        assert_lines(&report, &[], &[&start, &authentication]);
        assert_eq!(report["environment"]["OAUTH_AUTH_METHOD"], "client_secret_basic_raw");
        assert_eq!(report["client_authentication"]["accepted"], false, "plain Basic");
        // Another secret, with which an extra request tells.
        let secret = file("secret.doorkeeper");
        let client = ["--client-id", "one", "--secret-file", &secret];
        let report = doctor(&[&shared[..], &client].concat()).await;
        let authentication =
            format!(".client_secret_basic(\"one\", Secret::from_file({secret:?}))");
        assert_lines(&report, &[], &[&start, &authentication]);
        assert_eq!(report["client_authentication"]["basic_is_decoded"], false);
        assert_eq!(report["token"]["second_ends_first"], true);
    });
}
