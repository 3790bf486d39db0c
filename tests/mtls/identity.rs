//! The contents of an identity, and what it never shows.

use std::fs;

use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind,
    transport::{ChainAndKey, ClientIdentity, HyperTransport},
};

use super::support::{Authority, Files, Pair};

#[test]
fn an_invalid_identity_says_why_and_shows_no_key() {
    let (one, other) = (Pair::self_signed("a.test"), Pair::self_signed("a.test"));
    let broken = one.key.replacen("MI", "XX", 1);
    let encrypted = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let not_x509 = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n";
    for (chain, key, why) in [
        ("", one.key.as_str(), "no certificate"),
        (one.key.as_str(), one.key.as_str(), "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nc2VjcmV0", one.key.as_str(), "damaged PEM"),
        (not_x509, one.key.as_str(), "not an X.509 certificate"),
        (one.chain.as_str(), "", "no private key"),
        (one.chain.as_str(), one.chain.as_str(), "no private key"),
        (one.chain.as_str(), encrypted.as_str(), "not encrypted"),
        (one.chain.as_str(), broken.as_str(), "damaged"),
        (one.chain.as_str(), other.key.as_str(), "does not belong"),
    ] {
        let error = ClientIdentity::from_pem(ChainAndKey { chain, key }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{why}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(why), "{why}: {text}");
        for line in key.lines().filter(|line| !line.starts_with('-')) {
            assert!(!text.contains(line), "{text}");
        }
        let built =
            HyperTransport::builder().client_identity_pem(ChainAndKey { chain, key }).build();
        let error = built.unwrap_err();
        assert_eq!((error.kind(), error.is_permanent()), (ErrorKind::Config, true), "{why}");
        let text = error.to_string();
        assert!(text.contains("client_identity_pem: ") && text.contains(why), "{text}");
        assert!(text.ends_with("in PEM"), "{text}");
    }
    let error =
        ClientIdentity::from_files(ChainAndKey { chain: "/no/such/file", key: "/no/such/key" })
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("/no/such/file"));
}

#[test]
fn a_builder_reports_an_identity_that_it_cannot_read_as_a_mistake() {
    let no_files = || ChainAndKey { chain: "/no/such/file", key: "/no/such/key" };
    let error = HyperTransport::builder().client_identity_files(no_files()).build().unwrap_err();
    assert_eq!((error.kind(), error.is_permanent()), (ErrorKind::Config, true));
    let text = error.to_string();
    assert!(text.contains("client_identity_files: ") && text.contains("/no/such/file"), "{text}");
    // The last choice counts.
    let pair = Pair::self_signed("a.test");
    let builder = || HyperTransport::builder().client_identity_files(no_files());
    builder().client_identity(pair.identity()).build().unwrap();
    let pem = ChainAndKey { chain: &pair.chain, key: &pair.key };
    builder().client_identity_pem(pem).build_tls_config().unwrap();
    let error = builder().client_identity_pem(ChainAndKey { chain: "", key: "" }).build();
    assert!(error.unwrap_err().to_string().contains("client_identity_pem: "));
}

#[test]
fn one_file_may_hold_everything_and_debug_shows_the_thumbprint() {
    let pair = Authority::new().certify("a.test");
    let both = pair.key.clone() + &pair.chain;
    let identity = ClientIdentity::from_pem(ChainAndKey { chain: &both, key: &both }).unwrap();
    let files = Files::new(&pair);
    fs::write(&files.chain, &both).unwrap();
    let from_files =
        ClientIdentity::from_files(ChainAndKey { chain: &files.chain, key: &files.chain }).unwrap();
    assert_eq!(identity.thumbprint(), from_files.thumbprint());
    // 32 bytes in base64url.
    assert_eq!(identity.thumbprint().len(), 43);
    let transport = HyperTransport::builder().client_identity(from_files);
    let text = format!("{identity:?} {transport:?}");
    assert!(text.contains(&identity.thumbprint()), "{text}");
    for line in pair.key.lines() {
        assert!(!text.contains(line), "{text}");
    }
}

#[test]
fn a_file_of_1_mib_is_read_and_a_byte_more_is_too_long() {
    let pair = Pair::self_signed("a.test");
    let files = Files::new(&pair);
    for path in [&files.chain, &files.key] {
        let text = fs::read_to_string(path).unwrap();
        let longest = text.clone() + &"\n".repeat(1024 * 1024 - text.len());
        fs::write(path, &longest).unwrap();
        assert_eq!(files.identity().thumbprint(), pair.identity().thumbprint());
        fs::write(path, longest + "\n").unwrap();
        let error =
            ClientIdentity::from_files(ChainAndKey { chain: &files.chain, key: &files.key })
                .unwrap_err();
        let expected = format!("{}: it is longer than 1 MiB", path.display());
        assert!(error.to_string().contains(&expected), "{error}");
        fs::write(path, text).unwrap();
    }
}

#[test]
fn marks_and_escapes_of_editors_and_variables_are_read() {
    let pair = Pair::self_signed("a.test");
    let marked = |text: &str| format!("\u{feff}{text}");
    let escaped = |text: &str| text.replace('\n', "\\n");
    for change in [&marked as &dyn Fn(&str) -> String, &escaped] {
        let (chain, key) = (change(&pair.chain), change(&pair.key));
        let identity = ClientIdentity::from_pem(ChainAndKey { chain: &chain, key: &key }).unwrap();
        assert_eq!(identity.thumbprint(), pair.identity().thumbprint());
        let files = Files::new(&pair);
        fs::write(&files.chain, &chain).unwrap();
        fs::write(&files.key, &key).unwrap();
        assert_eq!(files.identity().thumbprint(), pair.identity().thumbprint());
        HyperTransport::builder().only_root_certificates_pem(&chain).build().unwrap();
    }
}

#[test]
fn authentication_by_a_certificate_without_one_is_an_error_of_build() {
    let error =
        ClientCredentials::builder("https://idp.test/t").tls_client_auth("id").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("call client_identity"), "{error}");
    let pair = Pair::self_signed("a.test");
    ClientCredentials::builder("http://127.0.0.1:1/t")
        .self_signed_tls_client_auth("id")
        .client_identity(pair.identity())
        .build()
        .unwrap();
}

#[tokio::test]
async fn a_reload_says_whether_the_certificate_was_replaced() {
    let (one, other) = (Pair::self_signed("a.test"), Pair::self_signed("a.test"));
    let files = Files::new(&one);
    let identity = files.identity();
    let (thumbprint, clone) = (identity.thumbprint(), identity.clone());
    assert!(!identity.reload().await.unwrap());
    files.replace(&other);
    assert!(identity.reload().await.unwrap());
    assert!(!identity.reload().await.unwrap());
    assert_eq!(clone.generation(), 1);
    assert_ne!(clone.thumbprint(), thumbprint);
    assert!(!one.identity().reload().await.unwrap(), "there are no files");
}
