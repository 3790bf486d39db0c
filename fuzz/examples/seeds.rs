//! Writes the seeds of the corpora to `target/seeds`, from `tests/cases` and from lists here.
//!
//! ```sh
//! cargo run --no-default-features --example seeds
//! ```

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fuzz::planted::NOW_MS;
use serde_json::Value;

const KEYS: &str = "../tests/credentials/signing_keys";
/// Longer cases test bounds, and would slow the fuzzer down.
const MAX_BYTES: usize = 2048;

fn main() {
    let tests = "../tests/cases";
    for case in cases(&format!("{tests}/token_responses.json")) {
        write("token_response", &name(&case), &response(&case, "headers"));
    }
    for case in cases(&format!("{tests}/www_authenticate.json")) {
        let lines: Vec<_> =
            case["www_authenticate"].as_array().expect("a list").iter().map(bytes).collect();
        let status = case["status"].as_u64().expect("a number");
        let mode = [401, 403, 400, 407, 404, 200].iter().position(|it| *it == status);
        let lines = lines.join(&b"\n"[..]);
        write("challenge", &name(&case), &[&[mode.unwrap_or(4) as u8], &lines[..]].concat());
        write("challenge_differential", &name(&case), &lines);
        write("api_answer", &name(&case), &response(&case, "other_headers"));
    }
    for (name, document) in DOCUMENTS {
        write("discovery", name, &[&[0, 0, b'\n'], document.as_bytes()].concat());
    }
    for (target, seeds) in SEEDS {
        for (number, seed) in seeds.iter().enumerate() {
            write(target, &format!("seed-{number}"), seed.as_bytes());
        }
    }
    // `minimize` keeps these.
    write("challenge", "keep-other-status", b"\x04Bearer error=\"invalid_token\"");
    for (name, body) in [("keep-space", r#""a b""#), ("keep-lifetime", r#""a","expires_in":1e400"#)]
    {
        let body = format!("\0\0\n{{\"access_token\":{body}}}");
        write("token_response", name, body.as_bytes());
    }
    for key in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(KEYS))
        .expect("the keys of the tests")
        .map(|entry| entry.expect("a file"))
    {
        let name = key.file_name().into_string().expect("ASCII");
        let mode = u8::from(name.contains("384"))
            + 2 * u8::from(name.contains("ed25519"))
            + 3 * u8::from(name.contains("rsa"));
        if name.ends_with(".pem") || name.ends_with(".json") {
            let key = fs::read(key.path()).expect("a file");
            write("keys", &name, &[&[mode], &key[..]].concat());
        }
    }
    for (name, document) in entries() {
        write("stored_entry", name, &[&[0], &document[..]].concat());
    }
    let sealed = [&[1], &[7; 64][..]].concat();
    for (mode, name) in [(2, "sealed-without-key"), (3, "sealed-by-another-key")] {
        write("stored_entry", name, &[&[mode], &sealed[..]].concat());
    }
    write("stored_entry", "plain-text-with-key", &[&[1], &entries()[0].1[..]].concat());
    write("stored_round_trip", "token", b"\x00\x70\x0e\x10\x04readsecret-token-of-one-process");
}

const DOCUMENTS: &[(&str, &str)] = &[
    (
        "whole",
        r#"{"issuer":"https://idp.example.com/t","token_endpoint":"https://a.example/token?k=1","mtls_endpoint_aliases":{"token_endpoint":"https://mtls.example:8443/token"},"token_endpoint_auth_methods_supported":["tls_client_auth","x"],"token_endpoint_auth_signing_alg_values_supported":["ES256"],"dpop_signing_alg_values_supported":["ES256"],"grant_types_supported":["client_credentials"]}"#,
    ),
    (
        "plain-http",
        r#"{"issuer":"https://idp.example.com/t","token_endpoint":"http://127.0.0.1/token"}"#,
    ),
    (
        "echo",
        "{\"issuer\":\"https://idp.example.com/t\",\"token_endpoint\":\"https://a.example/token\",\"grant_types_supported\":[\"\0\",\"x\\u0000\"]}",
    ),
    (
        "other-issuer",
        r#"{"issuer":"https://idp.example.com/t/","token_endpoint":"https://a.example/"}"#,
    ),
];

const SEEDS: &[(&str, &[&str])] = &[
    (
        "retry_after",
        &[
            "7",
            "Tue, 24 Nov 2026 12:02:00 GMT",
            "Tuesday, 24-Nov-26 12:00:30 GMT",
            "Tue Nov 24 12:00:30 2026",
            "5\nsoon\n60",
            "99999999999999999999999",
            "1.5",
            "-1",
        ],
    ),
    ("dpop_nonce", &["eyJ7S_zG.eyJH0-Z.HX4w-7v", "a\na", "a\"b", "a b", "~!#[]", ""]),
    (
        "origins",
        &[
            "https://api.example.com",
            "https://API.example.com:443/",
            "http://localhost:8080",
            "https://a@api.example.com",
            "https://[::1]:1",
            "https://api.example.com.",
            "https://api.example.com:444",
            "https://api.example.com/p?q#f",
        ],
    ),
    (
        "config",
        &[
            r#"{"token_url":"https://idp.example.com/token","client_id":"c","client_secret":"SECRET","scope":"a b","attempts":3,"attempt_timeout":"5s"}"#,
            r#"{"issuer":"https://idp.example.com","client_id":"c","client_auth":"private_key_jwt","SECRET":1}"#,
            r#"{"token_url":"https://u:SECRET@idp.example.com","client_id":"SECRET","wait_timeout":"SECRET"}"#,
            r#"{"token_url":"https://idp.example.com","client_id":"c","client_secret":"SECRET","parameters":{"audience":"x"},"keep_warm":"true","leeway":"1m"}"#,
            r#"{"token_url":"https://idp.example.com","client_id":"c","client_secret":"SECRET","parameters":"a=b","keep_warm":"true","resource":"https://a.example","grant_type":"x"}"#,
        ],
    ),
    (
        "keys",
        &[
            "0{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"SECRET\",\"y\":\"SECRET\",\"d\":\"SECRET\",\"kid\":\"1\"}",
            "0{\"kty\":\"SECRET\",\"d\":\"SECRET\"}",
            "0{\"kty\":\"oct\",\"k\":SECRET",
            "0-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n",
            "0-----BEGIN SECRET-----\nAQID\n-----END SECRET-----\n",
            "0-----BEGIN EC PRIVATE KEY----\nSECRET\n-----END EC PRIVATE KEY-----\n-----BEGIN A-----\n-----END A-----",
        ],
    ),
    (
        "proxy",
        &[
            "a.test\nhttp://u:SECRET@p.test:3128\n\np.test\n\n\n\n10.0.0.0/8,.b.test",
            "10.2.3.4\n\nHTTP://p.test\n\nsocks5h://u%40:SECRET@[::1]:1\n\n\n\n10.0.0.0/8 *\nGET",
            "[2001:db8::1]\n\n\n\n\nhttp:///p.test:\n\n2001:db8::1",
            "a.test\nhttp://u:p@ss@p.test:1",
            "a.test.\n\n\n\n\n\nhttps://p.test/x?y#z\n\nA.TEST",
        ],
    ),
];

/// Documents in the encoding of `src/store/entry/fields.rs`.
fn entries() -> Vec<(&'static str, Vec<u8>)> {
    let number = |tag: u8, value: u64| field(tag, &value.to_be_bytes());
    let times = [
        number(6, NOW_MS - 1000),
        number(7, NOW_MS + 3_600_000),
        number(8, NOW_MS + 60_000),
        number(9, 0),
    ]
    .concat();
    let budget =
        [number(30, 1), number(31, NOW_MS - 9), number(32, NOW_MS - 9), field(255, &[])].concat();
    let token = [
        field(1, b"of-another-process"),
        field(2, b"b"),
        field(3, b"read"),
        number(4, 3_600_000),
        number(5, 1_800_000),
    ]
    .concat();
    let failure = [
        field(20, b"invalid_client"),
        field(21, b"c4n4ry-s3cret"),
        number(22, 401),
        number(23, 15),
        number(24, 2),
        number(25, NOW_MS - 10),
        number(26, NOW_MS + 9000),
        number(27, NOW_MS + 9000),
        number(28, 5),
    ]
    .concat();
    vec![
        ("token", [&[1], &token[..], &times, &budget].concat()),
        ("failure", [&[1], &failure[..], &budget].concat()),
        ("both", [&[1], &token[..], &times, &failure, &budget].concat()),
        ("bound", [&[1], &field(1, b"bound")[..], &field(2, b"d"), &times, &budget].concat()),
    ]
}

fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag], &(value.len() as u32).to_be_bytes()[..], value].concat()
}

/// In the form of `support::response`.
fn response(case: &Value, fields: &str) -> Vec<u8> {
    let status = case["status"].as_u64().expect("a number").saturating_sub(200) as u16;
    let mut data = status.to_be_bytes().to_vec();
    for field in case[fields].as_array().into_iter().flatten() {
        data.extend([&bytes(&field[0])[..], b":", &bytes(&field[1]), b"\n"].concat());
    }
    for line in case["www_authenticate"].as_array().into_iter().flatten() {
        data.extend([b"www-authenticate:", &bytes(line)[..], b"\n"].concat());
    }
    data.push(b'\n');
    data.extend(case.get("body").map(bytes).unwrap_or_default());
    data
}

fn cases(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_slice(&fs::read(path).expect("the cases")).expect("a list")
}

fn name(case: &Value) -> String {
    case["name"].as_str().expect("a name").to_owned()
}

/// A string in the notation of the cases' README.
fn bytes(text: &Value) -> Vec<u8> {
    match text {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Object(_) if text["base64"].is_string() => {
            STANDARD.decode(text["base64"].as_str().expect("a string")).expect("base64")
        }
        Value::Object(_) if text["concat"].is_array() => {
            text["concat"].as_array().expect("a list").iter().flat_map(bytes).collect()
        }
        Value::Object(_) => {
            bytes(&text["repeat"][0]).repeat(text["repeat"][1].as_u64().expect("a number") as usize)
        }
        _ => Vec::new(),
    }
}

fn write(target: &str, name: &str, data: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/seeds").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    if data.len() <= MAX_BYTES {
        fs::write(file, data).expect("a file");
    }
}
