//! Extension grants (RFC 6749 §4.5), and parameters whose values are read or signed for each
//! attempt.

use std::{
    collections::HashSet,
    env, fs,
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Response, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, ErrorKind, Token, TokenSource as _,
    client_auth::{AssertionAudience, Secret},
    endpoint::{ClientCredentialsBuilder, ParameterValue, SignedJwt},
    event::{AcquisitionReason, EventKind, Observer},
    jose::{SigningAlgorithm, SigningKey, SigningKeySource},
    source::AcquireContext,
    testing::{AuthorizationServer, MockResponse, RecordedRequest, RegisteredClient},
    token::TokenType,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const NOW: u64 = 1_795_521_600;

fn client(idp: &AuthorizationServer) -> ClientCredentialsBuilder {
    ClientCredentials::builder(idp.token_url())
        .transport(idp.service())
        .wall_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

async fn acquire(builder: ClientCredentialsBuilder) -> Result<Token, Error> {
    builder.build().unwrap().acquire(AcquireContext::new(AcquisitionReason::Missing)).await
}

fn accepting(grant_type: &str) -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .extension_grant(grant_type, |_| Ok(()))
        .build()
}

/// Header and claims of a request's `assertion`, verified by another library.
fn verified(request: &RecordedRequest, key: &SigningKey) -> (Value, Value) {
    let jwk: Jwk = serde_json::from_str(&key.public_jwk()).unwrap();
    let mut validation = Validation::new(key.algorithm().as_str().parse::<Algorithm>().unwrap());
    validation.validate_aud = false;
    validation.validate_exp = false;
    let jwt = request.form_value("assertion").unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let decoded = jsonwebtoken::decode::<Value>(jwt, &key, &validation).unwrap();
    (serde_json::to_value(decoded.header).unwrap(), decoded.claims)
}

struct TempFile(PathBuf);

impl TempFile {
    fn new(content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("toacc-grants-{}-{nth}", process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_type_and_its_parameters_are_sent_byte_for_byte() {
    let idp = accepting("account_credentials");
    let builder = client(&idp)
        .client_secret_basic("my-service", "s3cret")
        .grant_type(" account_credentials\n")
        .parameter("account_id", "abc/1")
        .parameter("left_out", "")
        .parameter("pin", Secret::from("1 2"));
    acquire(builder).await.unwrap();
    let request = &idp.requests()[0];
    assert_eq!(request.body, "grant_type=account_credentials&account_id=abc%2F1&pin=1%202");
    let basic = format!("Basic {}", STANDARD.encode("my-service:s3cret"));
    assert_eq!(request.header("authorization"), Some(&*basic));
}

#[tokio::test(start_paused = true)]
async fn a_new_jwt_is_signed_for_each_attempt() {
    let idp = accepting(JWT_BEARER);
    idp.script([MockResponse::Status(503), MockResponse::Status(503), MockResponse::Issue]);
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap().with_key_id("2026-11");
    let jwt = SignedJwt::new(key.clone())
        .issuer("svc@example.com")
        .subject("user@example.com")
        .audience("https://idp.test/token")
        .claim("scope", "replaced")
        .claims(r#"{"scope": "a b", "groups": ["x"], "n": 7}"#)
        .lifetime(Duration::from_secs(3600));
    let builder = client(&idp).no_client_authentication().grant_type(JWT_BEARER);
    acquire(builder.parameter("assertion", jwt)).await.unwrap();
    let requests = idp.requests();
    let mut ids = HashSet::new();
    for request in &requests {
        let names: Vec<_> = request.form.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["grant_type", "assertion"]);
        assert!(request.header("authorization").is_none());
        let (header, mut claims) = verified(request, &key);
        assert_eq!(header, json!({"alg": "ES256", "kid": "2026-11", "typ": "JWT"}));
        assert!(ids.insert(claims["jti"].take().as_str().unwrap().to_owned()));
        let expected = json!({
            "iss": "svc@example.com", "sub": "user@example.com", "aud": "https://idp.test/token",
            "scope": "a b", "groups": ["x"], "n": 7, "iat": NOW, "exp": NOW + 3600, "jti": null,
        });
        assert_eq!(claims, expected);
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_header_of_a_jwt_and_its_discovered_audience() {
    let idp = accepting(JWT_BEARER);
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let sent = |jwt: SignedJwt| {
        let builder = ClientCredentials::discover(idp.issuer())
            .transport(idp.service())
            .no_client_authentication()
            .grant_type(JWT_BEARER)
            .parameter("assertion", jwt);
        let (idp, key) = (idp.clone(), key.clone());
        async move {
            acquire(builder).await.unwrap();
            verified(idp.requests().last().unwrap(), &key)
        }
    };
    let jwt = || SignedJwt::new(key.clone());
    let (header, claims) =
        sent(jwt().audience(AssertionAudience::discovered_issuer()).typ("x+jwt")).await;
    assert_eq!((&header["typ"], &claims["aud"]), (&json!("x+jwt"), &json!("https://idp.test")));
    let (header, claims) = sent(jwt().typ("").claims(r#"{"aud": ["a", "b"]}"#)).await;
    assert_eq!(header, json!({"alg": "EdDSA"}));
    assert_eq!(claims["aud"], json!(["a", "b"]));
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 60);
}

/// A refusal caused by the local clock is retried, dated by the server's clock.
#[tokio::test(start_paused = true)]
async fn a_signed_parameter_is_dated_by_the_servers_clock() {
    let ahead = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + 900);
    let idp = AuthorizationServer::builder().extension_grant(JWT_BEARER, |_| Ok(())).build();
    idp.script([
        MockResponse::OAuthError { status: 400, code: "invalid_grant" },
        MockResponse::Issue,
    ]);
    let dated = ServiceBuilder::new()
        .map_response(move |mut response: Response<_>| {
            let date = httpdate::fmt_http_date(ahead).parse().unwrap();
            response.headers_mut().insert("date", date);
            response
        })
        .service(idp.service());
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let builder = client(&idp)
        .transport(dated)
        .no_client_authentication()
        .grant_type(JWT_BEARER)
        .parameter("assertion", SignedJwt::new(key.clone()).issuer("me"));
    acquire(builder).await.unwrap();
    let dates: Vec<_> =
        idp.requests().iter().map(|it| verified(it, &key).1["iat"].clone()).collect();
    assert_eq!(dates, [json!(NOW), json!(NOW + 900)]);
}

#[tokio::test(start_paused = true)]
async fn files_and_closures_are_read_for_each_attempt() {
    let idp = accepting(TOKEN_EXCHANGE);
    let file = TempFile::new("first\n");
    let calls = Arc::new(AtomicU32::new(0));
    let (path, counter) = (file.0.clone(), Arc::clone(&calls));
    idp.on_request(move |_| {
        // The file is rotated while the first attempt is refused.
        fs::write(&path, "second").unwrap();
        if counter.load(Ordering::Relaxed) == 1 {
            MockResponse::Status(500)
        } else {
            MockResponse::Issue
        }
    });
    let builder = client(&idp)
        .client_secret_post("my-service", "s3cret")
        .grant_type(TOKEN_EXCHANGE)
        .parameter("subject_token", Secret::from_file(&file.0))
        .parameter("actor_token", {
            let calls = Arc::clone(&calls);
            ParameterValue::from_fn(move || {
                let call = calls.fetch_add(1, Ordering::Relaxed);
                async move { Ok(format!("actor {call}")) }
            })
        });
    acquire(builder).await.unwrap();
    let sent = |name: &str| -> Vec<_> {
        idp.requests().iter().map(|it| it.form_value(name).unwrap().to_owned()).collect()
    };
    assert_eq!(sent("subject_token"), ["first", "second"]);
    assert_eq!(sent("actor_token"), ["actor 0", "actor 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_provided_names_its_parameter() {
    let idp = accepting("x");
    let closure = || ParameterValue::from_fn(|| async { Err::<String, _>("sealed".into()) });
    let empty = ParameterValue::from_fn(|| async { Ok(String::new()) });
    let key = SigningKeySource::from_fn(|| Err(BoxError::from("sealed")));
    let key_file = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, "no-such-key");
    let values: [(ParameterValue, &str); 8] = [
        (closure(), "its closure failed"),
        (Secret::from_fn(|| Err("sealed".into())).into(), "the secret's closure failed"),
        (Secret::from_file("no-such-file").into(), "secret file no-such-file"),
        (SignedJwt::new(key).into(), "the signing key's closure failed"),
        (SignedJwt::new(key_file).into(), "signing key file no-such-key"),
        (empty, "its value is empty"),
        (
            Secret::from_fn(|| Ok(String::new())).into(),
            "the secret's closure returned an empty secret",
        ),
        (Secret::from("").into(), "the secret is empty"),
    ];
    for (value, what) in values {
        let builder = client(&idp).public_client("me").grant_type("x").attempts(1);
        let error = acquire(builder.parameter("subject_token", value)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{what}");
        let text = error.to_string();
        assert!(text.contains(&format!("parameter \"subject_token\": {what}")), "{text}");
    }
    assert_eq!(idp.token_requests(), 0);
}

/// The server echoes the value of one parameter in its error.
#[tokio::test(start_paused = true)]
async fn secret_parameters_are_in_no_error_and_no_event() {
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let file = TempFile::new("hush hush");
    let values: [(ParameterValue, &str); 5] = [
        ("hunter2 & co".into(), "the value"),
        (Secret::from("h2&7").into(), "the value"),
        (Secret::from_file(&file.0).into(), "the value"),
        (ParameterValue::from_fn(|| async { Ok("hushed".to_owned()) }), "the value"),
        (SignedJwt::new(key).issuer("me").into(), "the signature"),
    ];
    for (value, echoed) in values {
        let sent = Arc::<Mutex<String>>::default();
        let idp = AuthorizationServer::builder().extension_grant("x", |_| Ok(())).build();
        let seen = Arc::clone(&sent);
        idp.on_request(move |request| {
            let value = request.form_value("assertion").unwrap();
            let value = match echoed {
                "the signature" => value.rsplit('.').next().unwrap(),
                _ => value,
            };
            *seen.lock().unwrap() = value.to_owned();
            let raw = request.body.split(|byte| *byte == b'=').next_back().unwrap();
            let encoded = String::from_utf8(raw.to_vec()).unwrap();
            let body = json!({
                "error": "invalid_grant",
                "error_description": format!("bad '{value}' ({encoded})"),
            });
            let mut answer = Response::new(Bytes::from(body.to_string()));
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            MockResponse::Raw(answer)
        });
        let events = Arc::<Mutex<Vec<EventKind>>>::default();
        let mut asking = AcquireContext::new(AcquisitionReason::Missing);
        let kept = Arc::clone(&events);
        asking.observer =
            Observer::new(move |event| kept.lock().unwrap().push(event.kind().clone()));
        let builder = client(&idp).no_client_authentication().grant_type("x");
        let source = builder.parameter("assertion", value).build().unwrap();
        let error = source.acquire(asking).await.unwrap_err();
        assert_eq!(error.code(), "invalid_grant");
        let shown = format!("{error} {error:?} {source:?} {:?}", events.lock().unwrap());
        let sent = sent.lock().unwrap().clone();
        assert!(!sent.is_empty() && !shown.contains(&*sent), "{sent}: {shown}");
        assert!(!shown.contains(&sent.replace(' ', "%20").replace('&', "%26")), "{shown}");
    }
}

/// Registered names such as a token type stay readable in the server's text.
#[tokio::test(start_paused = true)]
async fn a_registered_name_is_not_taken_for_a_secret() {
    let token_type = "urn:ietf:params:oauth:token-type:jwt";
    let idp = accepting(TOKEN_EXCHANGE);
    let body = json!({"error": "invalid_request", "error_description": format!("no {token_type}")});
    let mut answer = Response::new(Bytes::from(body.to_string()));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    idp.always(MockResponse::Raw(answer));
    let builder = client(&idp).public_client("me").grant_type(TOKEN_EXCHANGE);
    let error = acquire(builder.parameter("subject_token_type", token_type)).await.unwrap_err();
    assert!(error.to_string().contains(token_type), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_metadata_is_compared_with_the_grant_that_is_used() {
    let idp = accepting(JWT_BEARER);
    let mismatches = |grants: Value| {
        idp.set_metadata("grant_types_supported", grants);
        let events = Arc::<Mutex<Vec<EventKind>>>::default();
        let mut asking = AcquireContext::new(AcquisitionReason::Missing);
        let kept = Arc::clone(&events);
        asking.observer =
            Observer::new(move |event| kept.lock().unwrap().push(event.kind().clone()));
        let source = ClientCredentials::discover(idp.issuer())
            .transport(idp.service())
            .no_client_authentication()
            .grant_type(JWT_BEARER)
            .strict_metadata(true)
            .build()
            .unwrap();
        async move {
            source.acquire(asking).await.unwrap();
            let events = events.lock().unwrap();
            let used = events.iter().map(|event| match event {
                EventKind::MetadataMismatch { member, used, .. } => format!("{member} {used}"),
                other => panic!("{other:?}"),
            });
            used.collect::<Vec<_>>()
        }
    };
    assert!(mismatches(json!([JWT_BEARER])).await.is_empty());
    let other = mismatches(json!(["client_credentials"])).await;
    assert_eq!(other, [format!("grant_types_supported {JWT_BEARER}")]);
}

/// RFC 8693 §2.2.1.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_an_access_token_is_refused_with_advice() {
    let idp = accepting(TOKEN_EXCHANGE);
    for name in ["N_A", "n_a"] {
        let body = json!({"access_token": "a.b.c", "token_type": name, "expires_in": 60});
        idp.always(MockResponse::Raw(Response::new(Bytes::from(body.to_string()))));
        let builder = || client(&idp).public_client("me").grant_type(TOKEN_EXCHANGE);
        let error = acquire(builder()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType);
        assert!(error.is_permanent());
        let text = error.to_string();
        for advice in ["N_A", "requested_token_type=", "token_type_override"] {
            assert!(text.contains(advice), "{text}");
        }
        let bearer = builder().token_type_override(TokenType::Bearer);
        assert_eq!(acquire(bearer).await.unwrap().token_type(), TokenType::Bearer);
    }
}
