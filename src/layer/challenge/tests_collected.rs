//! A published collection of challenges, see tests/cases_rfc/README.md.

use serde_json::Value as Json;

use super::{Piece, Pieces, tests::check_all};

const CASES: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases_rfc/www_authenticate.json"));

type Challenges = Vec<(String, Vec<(String, String)>)>;

/// Schemes, and parameters in order with their values. Names are in lower case (RFC 9110 §11.1,
/// §11.2). `None` if a part of the field cannot be parsed.
fn parsed(line: &str) -> Option<Challenges> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut challenges = Challenges::new();
    for piece in Pieces::new(line.as_bytes()) {
        match piece {
            Piece::Challenge(scheme) => {
                challenges.push((text(scheme).to_ascii_lowercase(), Vec::new()));
            }
            Piece::Param { name, value } => {
                let value: Vec<u8> = value.unescaped().collect();
                let param = (text(name).to_ascii_lowercase(), text(&value));
                challenges.last_mut()?.1.push(param);
            }
            Piece::Malformed => return None,
        }
    }
    Some(challenges)
}

fn cases() -> Vec<Json> {
    serde_json::from_str(CASES).unwrap()
}

#[test]
fn every_case_of_the_collection_is_classified() {
    check_all(CASES, 53);
}

#[test]
fn schemes_and_parameters_are_those_of_the_collection() {
    let (mut read, mut malformed) = (0, 0);
    for case in cases() {
        let line = case["www_authenticate"][0].as_str().unwrap();
        let expect = &case["expect"];
        let expected = expect.get("parsed").map(|expected| {
            read += 1;
            serde_json::from_value::<Challenges>(expected.clone()).unwrap()
        });
        if expected.is_none() {
            malformed += 1;
            assert_eq!(expect["valid"], false, "{}", case["name"]);
        }
        assert_eq!(parsed(line), expected, "{}", case["name"]);
    }
    assert_eq!((read, malformed), (45, 8));
}
