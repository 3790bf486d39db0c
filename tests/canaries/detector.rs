//! The search finds each encoding in each place.

use tower_oauth2_client_credentials::BoxError;

use crate::{
    capture::{Shown, canary, plain_canary},
    encodings::{SHARED, encodings},
};

fn planted(kind: &str) -> (Shown, String) {
    let (shown, secret) = (Shown::new(), canary(kind));
    shown.secret(kind, "my-service", &secret);
    assert_eq!(shown.leak(), None, "{kind}");
    (shown, secret)
}

#[test]
fn each_encoding_is_found() {
    let (shown, secret) = planted("an encoding");
    let all = encodings("my-service", &secret);
    // Raw, percent-encoded in four ways, HTML, JSON; base64 and base64url of four texts; prefixes.
    assert_eq!(all.len(), 2 * (7 + 8));
    for encoded in all {
        let said = format!("the server said '{encoded}', sorry");
        assert!(shown.leak_in(&said).is_some(), "{encoded}");
        let end = &encoded[encoded.len() - 12..];
        assert!(shown.leak_in(end).is_some(), "the end of {encoded}");
    }
}

#[test]
fn a_piece_of_8_characters_is_found_and_of_7_is_not() {
    let secret = plain_canary("a piece");
    for start in [0, 5, secret.len() - SHARED] {
        for (length, is_found) in [(SHARED, true), (SHARED - 1, false)] {
            let shown = Shown::new();
            shown.secret("a piece", "", &secret);
            let text = format!("<{}>", &secret[start..start + length]);
            assert_eq!(shown.leak_in(&text).is_some(), is_found, "{start} {length}");
        }
    }
}

#[test]
fn the_id_alone_is_not_a_leak() {
    let (shown, secret) = planted("an id");
    assert_eq!(shown.leak_in("my-service, bXktc2VydmljZQ==, bXktc2VydmljZTo"), None);
    assert!(shown.leak_in(&encodings("my-service", &secret)[11]).is_some());
}

#[test]
fn each_place_is_searched() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "`Debug` reads it")]
    struct Holder(String);

    type Plant = fn(&Shown, &str);
    let places: [(&str, Plant); 6] = [
        ("debug", |shown, secret| shown.debug(&Holder(secret.to_owned()))),
        ("cause", |shown, secret| {
            let cause: BoxError = secret.into();
            shown.error(&std::io::Error::other(std::io::Error::other(cause)));
        }),
        ("log", |_, secret| tracing::trace!(target: "some::crate", "{secret}")),
        ("span", |_, secret| {
            let _span = tracing::trace_span!("work", field = secret).entered();
        }),
        ("metric", |_, secret| {
            metrics::counter!("a", "label" => secret.to_owned()).increment(1);
        }),
        ("bytes", |shown, secret| shown.debug(secret)),
    ];
    for (place, plant) in places {
        let (shown, secret) = planted(&format!("a secret in a {place}"));
        plant(&shown, &secret);
        assert!(shown.leak().is_some(), "{place}");
    }
}
