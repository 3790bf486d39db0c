use serde_json::json;

use super::*;

const NOW: u64 = 1_795_521_600;

fn verifier() -> DpopVerifier {
    DpopVerifier::new(|proof, _| proof.ends_with(".c2ln").then(|| "key".to_owned()))
        .clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

fn request(uri: &str, proofs: &[String]) -> RecordedRequest {
    let mut request = http::Request::put(uri).header("host", "A.example:80");
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    RecordedRequest::new(request.body(()).unwrap().into_parts().0, Default::default())
}

fn proof(change: impl FnOnce(&mut Value, &mut Value), signature: &str) -> String {
    let mut header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": {"kty": "EC"}});
    let mut claims = json!({"jti": "1", "htm": "PUT", "htu": "http://a.example/b", "iat": NOW});
    change(&mut header, &mut claims);
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn good() -> String {
    proof(|_, _| (), "c2ln")
}

#[test]
fn a_good_proof_is_good_once_whatever_way_the_uri_was_written() {
    let verifier = verifier();
    for uri in ["/b?c", "http://A.EXAMPLE:80/b"] {
        let again = verifier.clone();
        let another = proof(|_, claims| claims["jti"] = uri.into(), "c2ln");
        let request = request(uri, &[another]);
        assert_eq!(verifier.check(&request, None).ok().as_deref(), Some("key"), "{uri}");
        let refused = again.check(&request, None).unwrap_err();
        assert_eq!((refused.code(), refused.why()), ("invalid_dpop_proof", "it was used before"));
    }
}

#[test]
fn each_thing_that_is_wrong_is_refused() {
    type Change = fn(&mut Value, &mut Value);
    let changes: [(Change, &str); 9] = [
        (|header, _| header["typ"] = "JWT".into(), "typ"),
        (|header, _| header["jwk"] = Value::Null, "public key"),
        (|header, _| header["jwk"]["d"] = "x".into(), "private"),
        (|_, claims| claims["htm"] = "GET".into(), "method"),
        (|_, claims| claims["htu"] = "http://a.example/".into(), "URI"),
        (|_, claims| claims["htu"] = "https://a.example/b".into(), "URI"),
        (|_, claims| claims["iat"] = (NOW - 61).into(), "old"),
        (|_, claims| claims["iat"] = (NOW + 61).into(), "future"),
        (|_, claims| claims["jti"] = Value::Null, "jti"),
    ];
    let mut wrong: Vec<_> =
        changes.iter().map(|(change, why)| (vec![proof(change, "c2ln")], *why)).collect();
    wrong.push((vec![proof(|_, _| (), "b2xk")], "signature"));
    wrong.push((vec![], "one proof"));
    wrong.push((vec![good(), good()], "one proof"));
    wrong.push((vec!["x.y.z".into()], "JWS"));
    for (proofs, why) in wrong {
        let refused = verifier().check(&request("/b", &proofs), None).expect_err(why);
        assert_eq!(refused.code(), "invalid_dpop_proof", "{why}");
        assert!(refused.why().contains(why), "{why}: {}", refused.why());
    }
}

#[test]
fn a_required_nonce_is_the_current_one() {
    let verifier = verifier();
    verifier.require_nonce(true);
    let with = |nonce: &str, jti: &str| {
        let (nonce, jti) = (nonce.to_owned(), jti.to_owned());
        let proof = proof(
            move |_, claims| {
                claims["nonce"] = nonce.into();
                claims["jti"] = jti.into();
            },
            "c2ln",
        );
        request("/b", &[proof])
    };
    let code = |request| verifier.check(&request, None).map_err(|refused| refused.code());
    assert_eq!(code(request("/b", &[good()])), Err("use_dpop_nonce"));
    assert_eq!(code(with("nonce-0", "2")), Ok("key".into()));
    verifier.rotate_nonce();
    assert_eq!(code(with("nonce-0", "3")), Err("use_dpop_nonce"));
    assert_eq!(code(with("nonce-1", "3")), Ok("key".into()));
    assert_eq!(verifier.challenges(), 2);
}
