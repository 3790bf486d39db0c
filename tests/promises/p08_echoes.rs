//! P8: a server that echoes a request does not get a secret into an error, an event or a log, in
//! any text and any encoding.
//!
//! A separate binary, because the first thread that reaches a callsite decides for the whole
//! process whether it is enabled.

#[path = "../support/encodings.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod encodings;
#[path = "../support/log.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod log;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use encodings::{SHARED, encodings, form};
use http::Response;
use http_body_util::Full;
use log::Log;
use serde_json::json;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, TokenSource as _,
    endpoint::ClientCredentialsBuilder,
    event::{AcquisitionReason, Observer},
    source::AcquireContext,
    transport::TokenRequest,
};

const ID: &str = "svc";
/// Every kind of character that an encoding escapes.
const SECRET: &str = "Zq7+wV/x Kj&9<Lp\"4m'Rt\\2=Hd~8";
/// The same for places that allow no such characters.
const PLAIN: &str = "zq7wvxkj9lp4mrt2hd8";

type Answer = Response<Full<Bytes>>;

fn answer(status: u16, content_type: &str, body: String) -> Answer {
    let answer = Response::builder().status(status).header("content-type", content_type);
    answer.body(Full::from(body)).unwrap()
}

/// Every text of a response that can appear in an error, an event or a log line.
fn places(text: &str) -> Vec<Answer> {
    let json =
        |status, body: serde_json::Value| answer(status, "application/json", body.to_string());
    let said = format!("cannot read '{text}', sorry");
    vec![
        json(401, json!({"error": "invalid_client", "error_description": said})),
        json(400, json!({"error": "invalid_request", "error_uri": said})),
        json(400, json!({"error": said})),
        json(400, json!({"error": {"message": said}})),
        json(401, json!({"message": said})),
        json(403, json!({"detail": [{"msg": said}]})),
        json(500, json!({"error": "oops", "message": said})),
        json(200, json!({"access_token": "abc", "token_type": said})),
        json(200, json!({"access_token": "abc", "scope": said})),
        json(200, json!({"access_token": "abc", "scope": ["other", said]})),
        json(200, json!({"errmsg": said})),
        answer(401, "text/plain", said.clone()),
        answer(403, "text/html", format!("<p>{said}</p>")),
        answer(503, "text/html", format!("<p>{said}</p>")),
        answer(200, "text/html", format!("<p>{said}</p>")),
    ]
}

fn source(answer: Answer) -> ClientCredentialsBuilder {
    let transport = tower::service_fn(move |_: TokenRequest| {
        let answer = answer.clone();
        async move { Ok::<_, BoxError>(answer) }
    });
    ClientCredentials::builder("https://idp.example/token").transport(transport)
}

/// All output of one acquisition, at TRACE and in `Debug`.
fn shown(builder: ClientCredentialsBuilder) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    tracing::subscriber::with_default(subscriber, || {
        runtime.unwrap().block_on(async {
            let source = builder.scope("requested").build().unwrap();
            let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
            let events = log.clone();
            acquire.observer =
                Observer::new(move |event| events.clone().add(&format!("{event:?}")));
            match source.acquire(acquire).await {
                Ok(token) => log.add(&format!("{token:?} {token:#?} {:?}", token.scope())),
                Err(error) => {
                    let mut cause: Option<&dyn std::error::Error> = Some(&error);
                    while let Some(error) = cause {
                        log.add(&format!("{error} {error:?} {error:#?}"));
                        cause = error.source();
                    }
                }
            }
            log.add(&format!("{:?}", source.server_metadata().await));
        });
    });
    log.read()
}

/// Fails if the text contains any `SHARED` consecutive characters of these secrets.
fn assert_absent(shown: &str, texts: &[&str]) {
    for text in texts {
        let chars: Vec<_> = text.chars().collect();
        for piece in chars.windows(SHARED) {
            let piece: String = piece.iter().collect();
            assert!(!shown.contains(&piece), "{piece} of {text} is in: {shown}");
        }
    }
}

#[test]
fn p8_no_encoding_of_a_sent_secret_is_shown_wherever_a_server_repeats_it() {
    for encoded in encodings(ID, SECRET) {
        for place in places(&encoded) {
            for builder in [
                source(place.clone()).client_secret_post(ID, SECRET),
                source(place.clone()).client_secret_basic(ID, SECRET),
                source(place.clone()).client_secret_basic_raw(ID, SECRET),
            ] {
                assert_absent(&shown(builder), &[SECRET, &encoded]);
            }
        }
    }
}

/// An assertion, and a further parameter that contains a password.
#[test]
fn p8_other_secrets_of_the_request_are_not_shown_either() {
    const ASSERTION: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtZSJ9.kq83hFwzT1sYp0vXcRm5uQ";
    for secret in [ASSERTION, SECRET] {
        for place in places(secret).into_iter().chain(places(&form(secret, "+", false))) {
            let builder = source(place);
            let builder = match secret {
                ASSERTION => builder
                    .client_assertion_fn(Some(ID), || async { Ok(ASSERTION.to_owned()) })
                    .client_assertion_type("urn:example:opaque"),
                _ => builder.public_client(ID).parameter("api_key", SECRET),
            };
            assert_absent(&shown(builder), &[secret, &form(secret, "+", false)]);
        }
    }
}

/// The claims of a JWT that is sent as a parameter, at any depth.
#[cfg(feature = "jwt")]
#[test]
fn p8_a_secret_claim_of_a_signed_jwt_is_not_shown() {
    use tower_oauth2_client_credentials::{
        endpoint::SignedJwt,
        jose::{SigningAlgorithm, SigningKey},
    };

    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let jwt = SignedJwt::new(key).issuer("my-service").audience("https://idp.example");
    for jwt in [
        jwt.clone().claim("password", SECRET),
        jwt.clone().claims(json!({"account": {"keys": [1, SECRET]}}).to_string()),
    ] {
        for encoded in encodings(ID, SECRET) {
            for place in places(&encoded) {
                let builder = source(place).public_client(ID).parameter("assertion", jwt.clone());
                assert_absent(&shown(builder), &[SECRET, &encoded]);
            }
        }
    }
    // Messages need the names of parties and scopes.
    let body = json!({"error": "invalid_grant", "error_description": "my-service is unknown"});
    let answer = answer(400, "application/json", body.to_string());
    let shown = shown(source(answer).public_client(ID).parameter("assertion", jwt));
    assert!(shown.contains("my-service is unknown"), "{shown}");
}

#[test]
fn p8_a_secret_in_a_header_field_of_the_answer_is_not_shown() {
    let with = |status, name: &str, value: String| {
        let answer = Response::builder().status(status).header(name, value);
        answer.body(Full::from("<p>x</p>")).unwrap()
    };
    for answer in [
        with(302, "location", format!("https://{PLAIN}.example/")),
        with(400, "content-type", format!("text/{PLAIN}")),
        with(503, "retry-after", PLAIN.to_owned()),
    ] {
        assert_absent(&shown(source(answer).client_secret_post(ID, PLAIN)), &[PLAIN]);
    }
}

/// Some servers require a key in the query of the token URL.
#[test]
fn p8_the_query_of_the_token_url_is_not_shown() {
    let url = format!("https://idp.example/token?key={PLAIN}");
    let failing = || tower::service_fn(|_: TokenRequest| async { Err::<Answer, _>("no network") });
    let answers = places("sorry").into_iter().map(|answer| {
        let transport = tower::service_fn(move |_: TokenRequest| {
            let answer = answer.clone();
            async move { Ok::<_, BoxError>(answer) }
        });
        ClientCredentials::builder(&url).transport(transport)
    });
    for builder in answers.chain([ClientCredentials::builder(&url).transport(failing())]) {
        let builder = builder.client_secret_basic(ID, SECRET);
        assert_absent(&format!("{builder:?} {builder:#?}"), &[PLAIN]);
        assert_absent(&shown(builder), &[PLAIN]);
    }
}

#[test]
fn p8_a_transports_error_that_repeats_a_secret_is_not_shown() {
    #[derive(Debug)]
    struct Goaway(#[expect(dead_code)] String);
    impl std::fmt::Display for Goaway {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the peer closed the connection")
        }
    }
    impl std::error::Error for Goaway {}
    let errors: [fn() -> BoxError; 3] = [
        || format!("debug data: {}", form(SECRET, "+", true)).into(),
        || Goaway(SECRET.to_owned()).into(),
        || Error::from_source(SECRET).into(),
    ];
    for error in errors {
        let transport =
            tower::service_fn(move |_: TokenRequest| async move { Err::<Answer, _>(error()) });
        let builder = ClientCredentials::builder("https://idp.example/token").transport(transport);
        let shown = shown(builder.client_secret_post(ID, SECRET));
        assert_absent(&shown, &[SECRET, &form(SECRET, "+", true)]);
        assert!(shown.contains("the cause is left out"), "{shown}");
    }
}

#[test]
fn p8_a_secret_in_a_metadata_document_is_not_shown() {
    const ISSUER: &str = "https://idp.example";
    for document in [
        json!({"issuer": format!("{ISSUER}/{SECRET}"), "token_endpoint": "https://idp.example/t"}),
        json!({
            "issuer": ISSUER,
            "token_endpoint": "https://idp.example/t",
            "token_endpoint_auth_methods_supported": ["none", SECRET, form(SECRET, "+", false)],
            "grant_types_supported": ["implicit", STANDARD.encode(format!("{ID}:{SECRET}"))],
        }),
    ] {
        for strict in [false, true] {
            let document = document.to_string();
            let transport = tower::service_fn(move |request: TokenRequest| {
                let answer = match request.method() {
                    &http::Method::GET => answer(200, "application/json", document.clone()),
                    _ => answer(401, "application/json", r#"{"error":"invalid_client"}"#.into()),
                };
                async move { Ok::<_, BoxError>(answer) }
            });
            let builder = ClientCredentials::discover(ISSUER).transport(transport);
            let shown = shown(builder.strict_metadata(strict).client_secret_post(ID, SECRET));
            let encoded = [form(SECRET, "+", false), STANDARD.encode(format!("{ID}:{SECRET}"))];
            assert_absent(&shown, &[SECRET, &encoded[0], &encoded[1]]);
            assert!(shown.contains("client_secret_post") || shown.contains("another issuer"));
        }
    }
}

/// A part of a word that equals a very short secret is not removed.
#[test]
fn a_very_short_secret_does_not_hide_words() {
    let body = json!({"error": "invalid_client", "error_description": "the client is invalid"});
    let answer = || answer(401, "application/json", body.to_string());
    for secret in ["in", "i", "va", "cli", "secret"] {
        let shown = shown(source(answer()).client_secret_post(ID, secret));
        assert!(shown.contains(r#"(HTTP 401: "the client is invalid")"#), "{secret}: {shown}");
    }
    let echo = json!({"error": "invalid_client", "error_description": "secret=in"}).to_string();
    let shown = shown(source(self::answer(401, "text/plain", echo)).client_secret_post(ID, "in"));
    assert!(!shown.contains("=in") && shown.contains("repeats part of a secret"), "{shown}");
}
