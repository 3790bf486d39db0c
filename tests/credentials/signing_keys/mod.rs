//! Signing keys: accepted ones, refused ones with their advice, and their public halves.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::{Value, json};
use tower_oauth2_client_credentials::{
    Error, ErrorKind,
    jose::{SigningAlgorithm as Algorithm, SigningKey},
};

const RSA_PKCS8: &str = include_str!("rsa2048-pkcs8.pem");
const RSA_PKCS1: &str = include_str!("rsa2048-pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("rsa2048-public.pem");
const RSA_CERTIFICATE: &str = include_str!("rsa2048-certificate.pem");
const EC256_PKCS8: &str = include_str!("ec256-pkcs8.pem");
const EC256_SEC1: &str = include_str!("ec256-sec1.pem");
const EC256_CERTIFICATE: &str = include_str!("ec256-certificate.pem");
const EC384_SEC1: &str = include_str!("ec384-sec1.pem");
const EC521_SEC1: &str = include_str!("ec521-sec1.pem");
const ED25519: &str = include_str!("ed25519-pkcs8.pem");
const RFC_7517_A_2: &str = include_str!("rfc7517_a2.json");
const RFC_8037_A_1: &str = r#"{"kty":"OKP","crv":"Ed25519",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7517 App. A.2, without its `use`.
const EC_JWK: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;

#[track_caller]
fn refused(key: Result<SigningKey, Error>, why: &str) {
    let error = key.expect_err(why);
    assert_eq!(error.kind(), ErrorKind::Config, "{why}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(why), "{why}: {shown}");
    for secret in ["MIIE", "870MB6", "nWGxne", "X4cTte"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn changed(jwk: &str, member: &str, value: Value) -> String {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk[member] = value;
    jwk.to_string()
}

fn without(jwk: &str, member: &str) -> String {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk.as_object_mut().unwrap().remove(member).unwrap();
    jwk.to_string()
}

#[test]
fn marks_and_escapes_of_editors_and_variables_are_read() {
    let thumbprint = SigningKey::from_pem(Algorithm::Es256, EC256_PKCS8).unwrap().thumbprint();
    for pem in [EC256_PKCS8, EC256_SEC1] {
        for text in [
            format!("\u{feff}{pem}"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\r\\n"),
            pem.replace('\n', "\\\\n"),
            format!("\"{}\"", pem.replace('\n', "\\n")),
        ] {
            let key = SigningKey::from_pem(Algorithm::Es256, text).unwrap();
            assert_eq!(key.thumbprint(), thumbprint);
        }
    }
    let certificate = EC256_CERTIFICATE.replace('\n', "\\n");
    let key = SigningKey::from_pem(Algorithm::Es256, EC256_PKCS8).unwrap();
    key.x5t_s256_from_certificate_pem(certificate).unwrap();
    SigningKey::from_jwk(format!("\u{feff}{EC_JWK}")).unwrap();
}

#[test]
fn the_same_key_in_different_wrappings_is_the_same_key() {
    let thumbprint =
        |algorithm, pem: &str| SigningKey::from_pem(algorithm, pem).unwrap().thumbprint();
    assert_eq!(thumbprint(Algorithm::Rs256, RSA_PKCS8), thumbprint(Algorithm::Ps512, RSA_PKCS1));
    let es256 = thumbprint(Algorithm::Es256, EC256_SEC1);
    assert_eq!(thumbprint(Algorithm::Es256, EC256_PKCS8), es256);
    // As in a file with its certificate, or with Windows line breaks.
    let bundle = format!("{EC256_CERTIFICATE}{EC256_PKCS8}").replace('\n', "\r\n");
    assert_eq!(thumbprint(Algorithm::Es256, &bundle), es256);
    thumbprint(Algorithm::Es384, EC384_SEC1);
    thumbprint(Algorithm::EdDsa, ED25519);
}

#[test]
fn thumbprints_of_rfc_7638_and_rfc_8037() {
    let rsa = SigningKey::from_jwk(RFC_7517_A_2).unwrap();
    assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!((rsa.algorithm(), rsa.key_id()), (Algorithm::Rs256, Some("2011-04-29")));
    let ed25519 = SigningKey::from_jwk(RFC_8037_A_1).unwrap();
    assert_eq!(ed25519.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(ed25519.algorithm(), Algorithm::EdDsa);
}

#[test]
fn another_library_reads_the_public_key_and_agrees_on_its_thumbprint() {
    for algorithm in
        [Algorithm::Rs256, Algorithm::Ps384, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa]
    {
        let key = SigningKey::generate(algorithm).unwrap().with_key_id("a\"b");
        let jwk: Jwk = serde_json::from_str(&key.public_jwk()).unwrap();
        assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), key.thumbprint());
        assert_eq!(jwk.common.key_id.as_deref(), Some("a\"b"));
        let members: Value = serde_json::from_str(&key.public_jwk()).unwrap();
        assert_eq!((&members["alg"], &members["use"]), (&json!(algorithm.as_str()), &json!("sig")));
        assert!(["d", "p", "q"].iter().all(|secret| members.get(secret).is_none()), "{members}");
    }
}

#[test]
fn keys_that_fit_no_pem_rule_are_refused() {
    let refused = |algorithm, pem: &str, why| refused(SigningKey::from_pem(algorithm, pem), why);
    for small in [include_str!("rsa1024-pkcs8.pem"), include_str!("rsa1024-pkcs1.pem")] {
        refused(Algorithm::Rs256, small, "below 2048 bits");
        refused(Algorithm::Ps256, small, "below 2048 bits");
    }
    refused(Algorithm::Es256, RSA_PKCS8, "this one is RSA; sign with RS256");
    refused(Algorithm::Rs256, EC256_SEC1, "this one is P-256; sign with ES256");
    refused(Algorithm::Es384, EC256_PKCS8, "needs a key of kind P-384");
    refused(Algorithm::Es256, EC384_SEC1, "this one is P-384");
    refused(Algorithm::EdDsa, EC256_PKCS8, "needs a key of kind Ed25519");
    refused(Algorithm::Ps256, ED25519, "sign with EdDSA");
    refused(Algorithm::Es384, EC521_SEC1, "not RSA, P-256, P-384 or Ed25519");
    refused(Algorithm::Rs256, RSA_PUBLIC, "a PUBLIC KEY and no private key");
    refused(Algorithm::Rs256, RSA_CERTIFICATE, "a CERTIFICATE and no private key");
    refused(Algorithm::Es256, include_str!("ec256-encrypted.pem"), "decrypt it");
    refused(Algorithm::Rs256, include_str!("rsa2048-encrypted-pkcs1.pem"), "decrypt it");
    refused(Algorithm::Es256, &format!("{EC256_PKCS8}{ED25519}"), "more than one private key");
    refused(Algorithm::Es256, "", "no section");
    refused(Algorithm::Es256, &EC256_PKCS8[..100], "cut off");
    refused(Algorithm::Es256, EC_JWK, "no section");
    refused(Algorithm::Es256, &EC256_PKCS8.replace("EVP", "!!!").replace("MIG", "!!!"), "damaged");
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAQID\n-----END OPENSSH PRIVATE KEY-----";
    refused(Algorithm::EdDsa, openssh, "ssh-keygen");
    let der = URL_SAFE_NO_PAD.decode("MIIE__8").unwrap();
    self::refused(SigningKey::from_pem(Algorithm::Es256, der), "not text");
}

#[test]
fn keys_that_fit_no_jwk_rule_are_refused() {
    let refused = |jwk: &str, why| refused(SigningKey::from_jwk(jwk), why);
    refused(&changed(RFC_7517_A_2, "alg", json!("none")), "not a signature");
    refused(&changed(RFC_7517_A_2, "alg", json!("HS256")), "client_secret_jwt");
    refused(&changed(RFC_7517_A_2, "alg", json!("RSA-OAEP")), "not known");
    refused(&changed(RFC_7517_A_2, "alg", json!("ES256")), "sign with RS256");
    refused(&changed(EC_JWK, "alg", json!("ES384")), "needs a key of kind P-384");
    refused(&changed(EC_JWK, "alg", json!(256)), "its alg is not a string");
    refused(&changed(EC_JWK, "crv", json!("P-521")), "\"P-521\" is not supported");
    refused(&changed(EC_JWK, "crv", json!("P-384")), "damaged");
    refused(&changed(EC_JWK, "use", json!("enc")), "not for signing");
    refused(&changed(EC_JWK, "key_ops", json!(["verify"])), "not for signing");
    refused(&changed(EC_JWK, "kty", json!("oct")), "client_secret_jwt");
    refused(&changed(EC_JWK, "kty", json!("DSA")), "kty");
    refused(&changed(EC_JWK, "d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")), "damaged");
    refused(&changed(EC_JWK, "x", json!("+/==")), "its x is missing or not base64url");
    refused(&changed(EC_JWK, "y", json!("")), "damaged");
    refused(&without(EC_JWK, "x"), "its x is missing");
    refused(&changed(RFC_8037_A_1, "crv", json!("X25519")), "not supported");
    refused(&changed(RFC_8037_A_1, "x", json!("AAAA")), "damaged");
    refused(&changed(RFC_7517_A_2, "oth", json!([])), "two primes");
    refused(&changed(RFC_7517_A_2, "n", json!("AQAB")), "signing key");
    refused(&without(RFC_7517_A_2, "alg"), "from_jwk_as");
    refused(&without(RFC_7517_A_2, "p"), "its p is missing");
    for jwk in [RFC_7517_A_2, EC_JWK, RFC_8037_A_1] {
        refused(&without(jwk, "d"), "public key");
    }
    refused(&format!("{{\"keys\":[{EC_JWK}]}}"), "a set of keys");
    for no_jwk in ["", "[]", "null", "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE", EC256_SEC1] {
        refused(no_jwk, "not a JSON object");
    }
    self::refused(SigningKey::from_jwk_as(Algorithm::Ps256, RFC_7517_A_2), "RS256 and not PS256");
    self::refused(SigningKey::from_jwk_as(Algorithm::Ps256, EC_JWK), "sign with ES256");
    SigningKey::from_jwk_as(Algorithm::Ps256, without(RFC_7517_A_2, "alg")).unwrap();
    SigningKey::from_jwk(changed(EC_JWK, "key_ops", json!(["sign"]))).unwrap();
}

#[test]
fn a_certificate_names_its_own_key_only() {
    let rsa = || SigningKey::from_pem(Algorithm::Rs256, RSA_PKCS8).unwrap();
    let ec = || SigningKey::from_pem(Algorithm::Es256, EC256_SEC1).unwrap();
    rsa().x5t_s256_from_certificate_pem(RSA_CERTIFICATE).unwrap();
    let bundle = format!("{EC256_SEC1}{EC256_CERTIFICATE}");
    ec().x5t_s256_from_certificate_pem(bundle).unwrap();
    refused(rsa().x5t_s256_from_certificate_pem(EC256_CERTIFICATE), "for another key");
    refused(ec().x5t_s256_from_certificate_pem(RSA_CERTIFICATE), "for another key");
    refused(ec().x5t_s256_from_certificate_pem(EC256_SEC1), "no -----BEGIN CERTIFICATE-----");
}

#[test]
fn debug_shows_algorithm_and_id_only() {
    let key = SigningKey::from_jwk(EC_JWK).unwrap().with_key_id("2026-11");
    assert_eq!(
        format!("{key:?}"),
        "SigningKey { algorithm: Es256, key_id: Some(\"2026-11\"), .. }"
    );
}
