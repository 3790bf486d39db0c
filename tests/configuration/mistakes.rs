//! Errors are reported by the name that the user wrote, with the next step.

use serde_json::{Value, json};
use tower_oauth2_client_credentials::config::ClientCredentialsConfig;

use crate::canaries::SETTINGS;
use crate::support::{TempFile, env_of, json, key_file, mistake};

/// A valid set of variables, with some replaced or added.
fn env_with(changes: &[(&str, &str)]) -> ClientCredentialsConfig {
    let good = [
        ("OAUTH_TOKEN_URL", "https://idp.test/token"),
        ("OAUTH_CLIENT_ID", "my-service"),
        ("OAUTH_CLIENT_SECRET", "s3cret"),
    ];
    let kept = good.into_iter().filter(|(name, _)| changes.iter().all(|change| change.0 != *name));
    env_of(&kept.chain(changes.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn contradictory_settings_are_named() {
    let file = TempFile::new("s3cret");
    let key = key_file("ec256-pkcs8.pem");
    for (changes, expected) in [
        (
            &[("OAUTH_ISSUER", "https://idp.test")][..],
            "OAUTH_TOKEN_URL and OAUTH_ISSUER: both are set; set one of them",
        ),
        (
            &[("OAUTH_CLIENT_SECRET_FILE", file.path())],
            "OAUTH_CLIENT_SECRET and OAUTH_CLIENT_SECRET_FILE: both are set; set one of them",
        ),
        (
            &[("OAUTH_PRIVATE_KEY_FILE", &key)],
            "OAUTH_PRIVATE_KEY_FILE: client_secret_basic does not use it; remove it, or set \
             OAUTH_AUTH_METHOD to a method that uses it",
        ),
        (
            &[("OAUTH_AUTH_METHOD", "none")],
            "OAUTH_CLIENT_SECRET: none does not use it; remove it, or set OAUTH_AUTH_METHOD to \
             a method that uses it",
        ),
        (
            &[("OAUTH_SIGNING_ALGORITHM", "ES256")],
            "OAUTH_SIGNING_ALGORITHM: client_secret_basic does not use it; remove it, or set \
             OAUTH_AUTH_METHOD to a method that uses it",
        ),
        (
            &[("OAUTH_CLIENT_ASSERTION_FILE", file.path())],
            "OAUTH_CLIENT_ASSERTION_FILE: client_secret_basic does not use it; remove it, or set \
             OAUTH_AUTH_METHOD to a method that uses it",
        ),
        (
            &[("OAUTH_CLIENT_CERTIFICATE_FILE", file.path())],
            "OAUTH_CLIENT_KEY_FILE: not set; OAUTH_CLIENT_CERTIFICATE_FILE needs it; both may be \
             one file",
        ),
    ] {
        assert_eq!(mistake(&env_with(changes)), expected);
    }
}

#[test]
fn missing_settings_are_named() {
    let key = key_file("ec256-pkcs8.pem");
    for (changes, expected) in [
        (&[("OAUTH_TOKEN_URL", "")][..], "OAUTH_TOKEN_URL, OAUTH_ISSUER: not set; set one of them"),
        (
            &[("OAUTH_CLIENT_ID", " ")],
            "OAUTH_CLIENT_ID: not set; set the id that the authorization server gave this client",
        ),
        (
            &[("OAUTH_CLIENT_SECRET", "\n")],
            "OAUTH_CLIENT_SECRET, OAUTH_CLIENT_SECRET_FILE, OAUTH_PRIVATE_KEY_FILE, \
             OAUTH_CLIENT_ASSERTION_FILE: not set; set one of them, or OAUTH_AUTH_METHOD",
        ),
        (
            &[("OAUTH_CLIENT_SECRET", ""), ("OAUTH_AUTH_METHOD", "client_secret_post")],
            "OAUTH_CLIENT_SECRET, OAUTH_CLIENT_SECRET_FILE: not set; client_secret_post needs one \
             of them",
        ),
        (
            &[("OAUTH_CLIENT_SECRET", ""), ("OAUTH_AUTH_METHOD", "private_key_jwt")],
            "OAUTH_PRIVATE_KEY_FILE: not set; private_key_jwt needs it",
        ),
        (
            &[
                ("OAUTH_CLIENT_SECRET", ""),
                ("OAUTH_PRIVATE_KEY_FILE", &key),
                ("OAUTH_SIGNING_ALGORITHM", "ES256"),
            ],
            "OAUTH_ASSERTION_AUDIENCE: not set; set it to the authorization server's issuer, or to \
             its token URL if it expects that",
        ),
    ] {
        assert_eq!(mistake(&env_with(changes)), expected);
    }
    assert_eq!(
        mistake(&ClientCredentialsConfig::default()),
        "token_url, issuer: not set; set one of them"
    );
}

#[test]
fn unknown_settings_are_named_with_the_known_ones() {
    let text = mistake(&env_with(&[("OAUTH_SCOPES", "a"), ("OAUTH_client-id", "b")]));
    let expected = "OAUTH_SCOPES: there is no such setting (did you mean OAUTH_SCOPE?); \
                    OAUTH_client-id: there is no such setting (did you mean OAUTH_CLIENT_ID?); the \
                    settings are OAUTH_TOKEN_URL, OAUTH_ISSUER, OAUTH_CLIENT_ID, ";
    assert!(text.starts_with(expected), "{text}");
    let text = mistake(&json(&json!({"client_secrett": "s3cret"})));
    let expected = "client_secrett: there is no such setting (did you mean client_secret?); the \
                    settings are token_url, issuer, ";
    assert!(text.starts_with(expected), "{text}");
    // A variable of another program. A file has no prefix to change.
    let text = mistake(&env_with(&[("OAUTH_REALM_OF_X", "a"), ("OAUTH_SCOPES", "a")]));
    let expected = "OAUTH_REALM_OF_X: there is no such setting; OAUTH_SCOPES: there is no such \
                    setting (did you mean OAUTH_SCOPE?); if they are not for this client, use \
                    another prefix (from_env_with_prefix); the settings are";
    assert!(text.starts_with(expected), "{text}");
    assert!(!mistake(&json(&json!({"realm_of_x": "a"}))).contains("prefix"));
    // A name is untrusted text, too.
    for name in ["a\n\u{1b}[31m", "ключ", &"a".repeat(65), " scope", "scope:a:b", ""] {
        let text = mistake(&json(&json!({name: 1})));
        let expected = match name {
            "scope:a:b" => "scope: the name continues after this; put a space between",
            "" => ": there is no such setting; the settings are",
            _ => "a name that is not shown: there is no such setting; the settings are",
        };
        assert!(text.starts_with(expected), "{name}: {text}");
    }
}

/// As Kubernetes makes them for a service named like the prefix.
#[test]
fn of_many_mistakes_the_first_are_reported() {
    let vars: Vec<_> = (0..200).map(|nth| (format!("OAUTH_PORT_{nth}"), "80")).collect();
    let text = mistake(&ClientCredentialsConfig::from_vars("OAUTH_", vars));
    assert_eq!(text.matches("there is no such setting").count(), 10, "{text}");
    let expected =
        "OAUTH_PORT_9: there is no such setting; and 190 more mistakes; Kubernetes makes";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn service_variables_of_kubernetes_come_with_a_way_out() {
    let links = [
        ("OAUTH_SERVICE_HOST", "10.0.0.1"),
        ("OAUTH_PORT", "tcp://10.0.0.1:80"),
        ("OAUTH_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    // Even if another variable is misspelled, or of another program.
    for more in [&[][..], &[("OAUTH_SCOPES", "a")], &[("OAUTH_REALM_OF_X", "a")]] {
        let text = mistake(&env_with(&[&links[..], more].concat()));
        let expected = "; Kubernetes makes such variables for a service named like the prefix; use \
                        another prefix (from_env_with_prefix), or set enableServiceLinks: false in \
                        the pod spec; the settings are";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("OAUTH_SERVICE_HOST: there is no such setting;"), "{text}");
    }
}

#[test]
fn an_empty_prefix_is_a_mistake() {
    let vars = [("TOKEN_URL", "https://idp.test/token"), ("PATH", "/bin")];
    let text = mistake(&ClientCredentialsConfig::from_vars("", vars));
    assert!(text.starts_with("the prefix of the variables is empty; the settings are"), "{text}");
}

/// On Windows variable names ignore case.
#[test]
fn the_case_of_variables_counts_where_it_does_for_the_system() {
    let vars = [("Oauth_Client_Id", "a"), ("OAUTH_TOKEN_URL", "b")];
    let shown = format!("{:?}", env_of(&vars));
    assert_eq!(shown.contains("OAUTH_CLIENT_ID"), cfg!(windows), "{shown}");
}

#[test]
fn a_key_that_is_given_twice_is_named() {
    let twice = r#"{"scope": "a", "scope": "b"}"#;
    let config = serde_json::from_str::<ClientCredentialsConfig>(twice).unwrap();
    assert!(mistake(&config).starts_with("scope: it is set twice; "), "{}", mistake(&config));
}

#[test]
fn a_value_that_is_not_a_map_of_settings_is_reported() {
    for value in [json!("s3cret"), json!(["s3cret"]), json!(7), json!(true)] {
        let text = mistake(&json(&value));
        assert!(text.starts_with("it is not a map of settings"), "{text}");
    }
    // Nothing counts as empty.
    assert_eq!(mistake(&json(&Value::Null)), mistake(&ClientCredentialsConfig::default()));
    let numbered = yaml_serde::from_str::<ClientCredentialsConfig>("1: s3cret").unwrap();
    assert!(mistake(&numbered).starts_with("a key is not text"), "{}", mistake(&numbered));
}

#[test]
fn a_value_of_another_type_is_reported() {
    let good =
        json!({"token_url": "https://idp.test/token", "client_id": "a", "client_secret": "b"});
    let a_duration =
        "it must be a number of seconds, or such as \"500ms\", \"30s\", \"5m\", \"1h\"";
    let a_map = "it must be a map of texts, or a form as in \"a=b&c=d\" (a = in a value is %3D)";
    let above_zero = "it must be above zero";
    let a_list = "it must be text, or a list of texts";
    let a_count = "it must be a whole number above zero";
    let quoted = "it must be text; put it into quotes";
    for (setting, value, expected) in [
        ("client_secret", json!(12345), quoted),
        ("client_id", json!(true), quoted),
        ("token_url", json!(["https://idp.test"]), "it must be text"),
        ("audience", json!({"a": "b"}), "it must be text"),
        ("scope", json!(["a", 1]), a_list),
        ("resource", json!({"a": "b"}), a_list),
        ("parameters", json!(["a"]), a_map),
        ("parameters", json!({"a": 1}), a_map),
        ("parameters", json!("a"), a_map),
        ("parameters", json!("a=%ff"), a_map),
        ("parameters", json!("a=b=c"), a_map),
        ("parameters", json!("czNjcjN0cw=="), a_map),
        ("parameters", json!("=a"), "one of the names is empty"),
        ("parameters", json!("a=b&c=d&a=e"), "one of the names is there twice"),
        ("parameters", json!({" ": "a"}), "one of the names is empty"),
        (
            "authorization_details",
            json!("{}"),
            "it is not a JSON array; pass an array of objects (RFC 9396 §2)",
        ),
        (
            "resource",
            json!(["https://a.test", "api"]),
            "it is not an absolute URI; write it as in https://api.example.com (RFC 8707 §2)",
        ),
        (
            "grant_type",
            json!("a b"),
            "it contains a space or a character that no grant type contains; pass a name or a URI \
             (RFC 6749 §4.5)",
        ),
        ("parameter_files", json!("a"), a_map),
        (
            "parameter_files",
            json!({"a": "no-such-file"}),
            "no file can be read there (No such file or directory (os error 2)); check the path",
        ),
        ("jwt_lifetime", json!("1m"), "nothing uses it; set jwt_claims, or remove it"),
        ("wait_timeout", json!(0), above_zero),
        ("acquisition_timeout", json!("0s"), above_zero),
        ("attempt_timeout", json!(1e-12), above_zero),
        ("default_lifetime", json!("0"), above_zero),
        ("lifetime_cap", json!(-0.0), above_zero),
        ("token_lifetime", json!("0s"), above_zero),
        ("leeway", json!("soon"), a_duration),
        ("leeway", json!(-1), a_duration),
        ("wait_timeout", json!("1e3"), a_duration),
        ("acquisition_timeout", json!(1e300), a_duration),
        ("default_lifetime", json!([1]), a_duration),
        ("attempts", json!(1.5), a_count),
        ("attempts", json!(0), a_count),
        ("attempts", json!(-1), a_count),
        ("attempts", json!("4294967296"), a_count),
        ("keep_warm", json!("yes"), "it must be true or false"),
        ("keep_warm", json!(1), "it must be true or false"),
        ("token_url", json!("idp.test"), "it is not absolute; it must begin with https://"),
        ("client_secret_file", json!(env!("CARGO_MANIFEST_DIR")), "it is a directory"),
    ] {
        let mut settings = good.clone();
        if setting == "client_secret_file" {
            settings.as_object_mut().unwrap().remove("client_secret");
        }
        settings[setting] = value;
        assert_eq!(mistake(&json(&settings)), format!("{setting}: {expected}"), "{settings}");
    }
}

/// `into_cache` leaves no code that could fix these, so they are errors in the settings.
#[test]
fn missing_settings_are_reported_when_no_code_can_add_them() {
    let plain = "plain http would show the client's credentials to the network";
    for (changes, expected) in [
        (&[("OAUTH_TOKEN_URL", "http://idp.test/token")][..], format!("OAUTH_TOKEN_URL: {plain}")),
        (
            &[("OAUTH_TOKEN_URL", ""), ("OAUTH_ISSUER", "http://idp.test")],
            format!("OAUTH_ISSUER: {plain}"),
        ),
        (
            &[("OAUTH_CLIENT_SECRET", ""), ("OAUTH_AUTH_METHOD", "tls_client_auth")],
            "OAUTH_CLIENT_CERTIFICATE_FILE, OAUTH_CLIENT_KEY_FILE: not set; tls_client_auth needs"
                .to_owned(),
        ),
    ] {
        let config = env_with(changes);
        let _ = config.source_builder().unwrap();
        let text = config.into_cache().unwrap_err().to_string();
        assert!(text.contains(&expected), "{text}");
    }
    let query = [("OAUTH_TOKEN_URL", ""), ("OAUTH_ISSUER", "https://idp.test/?a=b")];
    assert!(mistake(&env_with(&query)).starts_with("OAUTH_ISSUER: it has a query; "));
}

#[test]
fn names_of_methods_and_algorithms_are_checked() {
    let text = mistake(&env_with(&[("OAUTH_AUTH_METHOD", "basic")]));
    assert!(
        text.starts_with("OAUTH_AUTH_METHOD: it is not one of client_secret_basic, "),
        "{text}"
    );
    let jwt = [
        ("OAUTH_AUTH_METHOD", "client_secret_jwt"),
        ("OAUTH_ASSERTION_AUDIENCE", "https://idp.test"),
        ("OAUTH_SIGNING_ALGORITHM", "ES256"),
    ];
    assert_eq!(
        mistake(&env_with(&jwt)),
        "OAUTH_SIGNING_ALGORITHM: it is not one of HS256, HS384, HS512"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_named() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let raw = [(OsStr::new("OAUTH_CLIENT_SECRET"), OsStr::from_bytes(b"s3\xffcret"))];
    let text = mistake(&ClientCredentialsConfig::from_vars("OAUTH_", raw));
    assert!(text.starts_with("OAUTH_CLIENT_SECRET: it is not UTF-8; "), "{text}");
    let raw = [(OsStr::from_bytes(b"OAUTH_SCOPE\xff"), OsStr::new("a"))];
    let text = mistake(&ClientCredentialsConfig::from_vars("OAUTH_", raw));
    assert!(text.starts_with("OAUTH_SCOPE: the name continues after this; "), "{text}");
    let raw = [(OsStr::from_bytes(b"OAUTH_SC\xffPE"), OsStr::new("a"))];
    let text = mistake(&ClientCredentialsConfig::from_vars("OAUTH_", raw));
    assert!(text.starts_with("a name that is not shown: there is no such setting"), "{text}");
    // Other programs' variables may have any content.
    let raw = [(OsStr::from_bytes(b"OTHER_\xff"), OsStr::from_bytes(b"\xff"))];
    let text = mistake(&ClientCredentialsConfig::from_vars("OAUTH_", raw));
    assert!(text.starts_with("OAUTH_TOKEN_URL, OAUTH_ISSUER: not set"), "{text}");
}

/// The settings in the message are those that the chapter explains, and those that the secrets are
/// put into.
#[test]
fn every_setting_is_documented() {
    let text = mistake(&json(&json!({"unknown": 1})));
    let listed = text.split_once("the settings are ").unwrap().1;
    assert_eq!(listed, SETTINGS.join(", "));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapter = std::fs::read_to_string(root.join("src/docs/configuration.rs")).unwrap();
    for &setting in SETTINGS {
        let quoted = format!("`{setting}`");
        let mut rows = chapter.lines().filter(|line| line.starts_with("//! | `"));
        assert!(rows.any(|row| row.contains(&quoted)), "{setting}");
    }
}
