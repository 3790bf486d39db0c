//! An authorization server that accepts only client assertions, with its own clock.

use std::{
    cell::RefCell,
    collections::HashSet,
    sync::{Arc, Mutex, Once},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Response;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, jwk::Jwk};
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceBuilder;
use tower_oauth2_client_credentials::{
    ClientCredentials,
    endpoint::ClientCredentialsBuilder,
    event::EventKind,
    event::{AcquisitionReason, Observer},
    jose::SigningKey,
    source::AcquireContext,
    testing::{AuthorizationServer, RecordedRequest, RegisteredClient},
};

pub(crate) const ISSUER: &str = "https://idp.test";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The true time. It starts at 2026-11-24T12:00:00Z and runs on tokio's clock.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn now(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_521_600) + self.0.elapsed()
    }

    pub(crate) fn seconds(self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }
}

/// A key that the server knows, by its `kid` if it has one.
pub(crate) struct Known {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl Known {
    /// The keys that a client registers.
    pub(crate) fn of(key: &SigningKey) -> Self {
        let jwk: Jwk = serde_json::from_str(&key.public_jwk()).unwrap();
        Self {
            kid: jwk.common.key_id.clone(),
            algorithm: key.algorithm().as_str().parse().unwrap(),
            key: DecodingKey::from_jwk(&jwk).unwrap(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) idp: AuthorizationServer,
    pub(crate) clock: Clock,
    pub(crate) events: Arc<Mutex<Vec<EventKind>>>,
    /// The accepted assertions.
    pub(crate) accepted: Arc<Mutex<Vec<(Header, Value)>>>,
}

impl Stage {
    pub(crate) fn new(known: Vec<Known>) -> Self {
        listen();
        TRACED.take();
        let clock = Clock(Instant::now());
        let accepted = Arc::<Mutex<Vec<_>>>::default();
        let (log, seen) = (Arc::clone(&accepted), Mutex::new(HashSet::new()));
        let verify = move |request: &RecordedRequest| {
            let (header, claims) = verified(request, &known, clock).ok_or("invalid_client")?;
            let jti = claims["jti"].as_str().ok_or("invalid_client")?;
            if !seen.lock().unwrap().insert(jti.to_owned()) {
                return Err("invalid_client");
            }
            log.lock().unwrap().push((header, claims));
            Ok(())
        };
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("somebody-else").secret("s3cret"))
            .verify_assertion(verify)
            .build();
        Self { idp, clock, events: Arc::default(), accepted }
    }

    /// A client of this server with a correct wall clock.
    pub(crate) fn client(&self) -> ClientCredentialsBuilder {
        let clock = self.clock;
        let service = ServiceBuilder::new()
            .map_response(move |mut response: Response<_>| {
                let date = httpdate::fmt_http_date(clock.now()).parse().unwrap();
                response.headers_mut().insert("date", date);
                response
            })
            .service(self.idp.service());
        ClientCredentials::builder(self.idp.token_url())
            .transport(service)
            .wall_clock(move || clock.now())
    }

    pub(crate) fn acquire(&self) -> AcquireContext {
        let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
        let events = Arc::clone(&self.events);
        acquire.observer =
            Observer::new(move |event| events.lock().unwrap().push(event.kind().clone()));
        acquire
    }

    /// One field of each token request.
    pub(crate) fn sent(&self, field: &str) -> Vec<Option<String>> {
        let requests = self.idp.requests();
        requests.iter().map(|request| request.form_value(field).map(str::to_owned)).collect()
    }
}

thread_local!(static TRACED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });

/// Listens to all threads, from before the first trace. The first thread that reaches a callsite
/// decides for the whole process whether it is enabled. With one subscriber per test, a test
/// without a subscriber would decide for the others.
fn listen() {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        subscriber.with_writer(|| ThisThread).init();
    });
}

/// The traces of this thread, and so of this test, at any level.
pub(crate) fn traced() -> String {
    TRACED.with_borrow(|traced| String::from_utf8(traced.clone()).unwrap())
}

struct ThisThread;

impl std::io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        TRACED.with_borrow_mut(|traced| traced.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The requirements of RFC 7523 §3 and rfc7523bis.
fn verified(request: &RecordedRequest, known: &[Known], clock: Clock) -> Option<(Header, Value)> {
    if request.form_value("client_assertion_type") != Some(JWT_BEARER) {
        return None;
    }
    let jwt = request.form_value("client_assertion")?;
    let header = jsonwebtoken::decode_header(jwt).ok()?;
    let known = known.iter().find(|known| known.kid.is_none() || known.kid == header.kid)?;
    let mut validation = Validation::new(known.algorithm);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    // Checked below, by the server's own clock.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(jwt, &known.key, &validation).ok()?.claims;
    let (now, id) = (clock.seconds(), request.form_value("client_id"));
    let good = claims["aud"] == ISSUER
        && claims["iss"] == claims["sub"]
        && id.is_none_or(|id| claims["sub"] == id)
        && claims["iat"].as_u64()? <= now + 2
        && claims["exp"].as_u64()? > now;
    good.then_some((header, claims))
}
