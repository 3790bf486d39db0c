//! Private keys in files. A scanner for secrets reports them, and its reader must see that they are for
//! tests.

use std::{fs, path::Path};

use super::{files, root};

/// Whether a text has a private key: PEM with more than a few bytes, or a JWK with a private member.
fn has_private_key(text: &str) -> bool {
    let pem = text.split("PRIVATE KEY-----").skip(1).step_by(2).any(|body| body.len() > 100);
    pem || text.contains("\"kty\"") && text.contains("\"d\"")
}

/// Whether a README says that the folder, or one above it, has private keys.
fn is_explained(path: &Path) -> bool {
    let folders = path.ancestors().skip(1).take_while(|folder| *folder != root());
    folders
        .filter_map(|folder| fs::read_to_string(folder.join("README.md")).ok())
        .any(|readme| readme.to_lowercase().contains("private key"))
}

#[test]
fn folders_with_private_keys_have_a_readme_that_says_so() {
    let mut found = Vec::new();
    files(root(), &mut found);
    let mut keys = 0;
    for path in found {
        // Keys in Rust source are examples of RFCs, or parts of a key.
        if path.extension().is_some_and(|it| it == "rs") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if has_private_key(&text) {
            keys += 1;
            assert!(
                is_explained(&path),
                "{}: a private key; say in a README.md next to it where it comes from, or make it in the test",
                path.display()
            );
        }
    }
    assert!(keys > 5, "the keys were not found");
}

#[test]
fn a_private_key_is_recognized() {
    let body = "A".repeat(200);
    assert!(has_private_key(&format!(
        "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    )));
    assert!(has_private_key("{\"kty\": \"EC\", \"d\": \"abc\"}"));
    assert!(!has_private_key("a PEM text (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`)"));
    assert!(!has_private_key("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"));
    assert!(!has_private_key("{\"kty\": \"EC\", \"x\": \"abc\"}"));
}
