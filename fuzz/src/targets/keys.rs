//! P8: any text becomes a signing key, or an error that shows nothing of the text but labels. The
//! public half of a key has no private member, and is not taken for a private key.

use serde_json::Value;
use tower_oauth2_client_credentials::{
    Error,
    jose::{SigningAlgorithm, SigningKey},
};

use crate::support::{check_error, leaks, with_secret};

const ALGORITHMS: [SigningAlgorithm; 4] = [
    SigningAlgorithm::Es256,
    SigningAlgorithm::Es384,
    SigningAlgorithm::EdDsa,
    SigningAlgorithm::Rs256,
];

pub fn run(data: &[u8]) {
    let Some((mode, text)) = data.split_first() else { return };
    let Some(text) = with_secret(text) else { return };
    let algorithm = ALGORITHMS[usize::from(*mode) % 4];
    if text.trim_start().starts_with('{') {
        // Names are shown: of algorithms, types and curves.
        let named = serde_json::from_str::<Value>(&text).is_ok_and(|jwk| {
            ["alg", "kty", "crv", "use", "key_ops"].iter().any(|it| leaks(&jwk[it].to_string()))
        });
        check(SigningKey::from_jwk(&text), named);
        check(SigningKey::from_jwk_as(algorithm, &text), named);
    } else {
        // A label ends as it begins.
        let mut ends = text.split("-----END ").skip(1);
        let labelled = ends.any(|end| end.split("-----").next().is_some_and(leaks));
        check(SigningKey::from_pem(algorithm, &text), labelled);
    }
}

fn check(key: Result<SigningKey, Error>, is_shown: bool) {
    let key = match key {
        Ok(key) => key,
        Err(_) if is_shown => return,
        Err(error) => return check_error(&error),
    };
    let public = key.public_jwk();
    let members: Value = serde_json::from_str(&public).expect("it is JSON");
    assert!(["d", "p", "q", "dp", "dq", "qi"].iter().all(|private| members[private].is_null()));
    assert_eq!(members["kid"].as_str(), key.key_id());
    assert_eq!(key.thumbprint().len(), 43);
    assert!(SigningKey::from_jwk(&public).is_err());
    let debug = format!("{key:?}");
    assert!(!leaks(&debug) || key.key_id().is_some_and(leaks), "{debug}");
}
