//! Spans: one for each acquisition and each of its attempts, and none for a request.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tower_oauth2_client_credentials::testing::MockResponse;
use tracing::{
    Instrument, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::*;

#[derive(Clone, Debug, Default)]
struct Span {
    name: &'static str,
    parent: Option<u64>,
    follows: Option<u64>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// All spans in the order of their creation, with their ids.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(u64, Span)>>>);

impl Spans {
    fn with(&self, id: &Id, change: impl FnOnce(&mut Span)) {
        let mut spans = self.0.lock().unwrap();
        // An id may be used again after its span was closed.
        let span = spans.iter_mut().rev().find(|(known, _)| *known == id.into_u64());
        change(&mut span.expect("the span is known").1);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| span.parent());
        let mut span = Span { name: attributes.metadata().name(), ..Span::default() };
        span.parent = parent.map(|parent| parent.id().into_u64());
        attributes.record(&mut span);
        self.0.lock().unwrap().push((id.into_u64(), span));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.with(id, |span| values.record(span));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        self.with(id, |span| span.follows = Some(follows.into_u64()));
    }
}

fn fields(all: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    all.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_has_a_span_and_each_attempt_has_one_within() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let idp = server();
    let api = ProtectedApi::new(&idp);
    idp.script([MockResponse::Status(502), MockResponse::Hang]);
    let tokens = builder(&idp).name("traced").build();
    let request = tracing::info_span!("request");
    assert_eq!(call(&tokens, &api).instrument(request.clone()).await, Ok(200));
    for _ in 0..100 {
        assert_eq!(call(&tokens, &api).await, Ok(200));
    }
    let all = spans.0.lock().unwrap().clone();
    let [(request_id, _), (id, acquisition), attempts @ ..] = &all[..] else { panic!("{all:?}") };
    assert_eq!((acquisition.name, acquisition.parent), ("acquire_token", None));
    assert_eq!(acquisition.follows, Some(*request_id));
    assert_eq!(
        acquisition.fields,
        fields(&[("client", "traced"), ("reason", "missing"), ("probe", "false")])
    );
    let attempt = |number, ended: &[(&'static str, &'static str)]| {
        let started = [
            ("attempt", number),
            ("otel.kind", "client"),
            ("http.request.method", "POST"),
            ("server.address", "idp.test"),
            ("server.port", "443"),
        ];
        fields(&[&started[..], ended].concat())
    };
    let expected = [
        attempt(
            "1",
            &[
                ("http.response.status_code", "502"),
                ("error.type", "502"),
                ("otel.status_code", "ERROR"),
            ],
        ),
        attempt("2", &[("error.type", "acquisition_timeout"), ("otel.status_code", "ERROR")]),
        attempt("3", &[("http.response.status_code", "200")]),
    ];
    assert_eq!(attempts.len(), 3, "no request has a span: {all:?}");
    for ((_, span), expected) in attempts.iter().zip(expected) {
        assert_eq!((span.name, span.parent), ("token_request", Some(*id)));
        assert_eq!(span.fields, expected);
    }
    assert!(!format!("{all:?}").contains(SECRET));
}

/// They are GET requests, and a failed one is not shown as a token request. IPv6 addresses have no
/// brackets.
#[tokio::test(start_paused = true)]
async fn requests_for_metadata_have_their_own_spans() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let idp = server();
    idp.always(MockResponse::Status(404));
    let source = ClientCredentials::discover("https://[2001:db8::1]/x")
        .client_secret_post("orders", SECRET)
        .transport(idp.service())
        .attempts(1)
        .build()
        .unwrap();
    TokenCache::new(source).get().await.unwrap_err();
    let all = spans.0.lock().unwrap().clone();
    let [(id, _), requests @ ..] = &all[..] else { panic!("{all:?}") };
    assert!(!requests.is_empty(), "{all:?}");
    for (_, span) in requests {
        assert_eq!((span.name, span.parent), ("metadata_request", Some(*id)));
        let expected = [
            ("otel.kind", "client"),
            ("otel.status_code", "ERROR"),
            ("http.request.method", "GET"),
            ("server.address", "2001:db8::1"),
            ("server.port", "443"),
            ("http.response.status_code", "404"),
            ("error.type", "404"),
        ];
        assert_eq!(span.fields, fields(&expected));
    }
}

/// The server requires a nonce (RFC 9449 §8), so one attempt is two requests.
#[cfg(feature = "dpop")]
#[tokio::test(start_paused = true)]
async fn a_token_request_with_a_nonce_has_its_own_span() {
    use tower_oauth2_client_credentials::{dpop::DpopKey, testing::DpopVerifier};

    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let verifier = DpopVerifier::new(|_: &str, _: Option<&str>| Some("thumbprint".to_owned()));
    verifier.require_nonce(true);
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("orders").secret(SECRET))
        .dpop(verifier)
        .build();
    let source = source(&idp).dpop(DpopKey::generate()).build().unwrap();
    TokenCache::new(source).get().await.unwrap();
    let all = spans.0.lock().unwrap().clone();
    let requests: Vec<_> = all.iter().filter(|(_, span)| span.name == "token_request").collect();
    let field = |name| requests.iter().map(move |(_, span)| span.fields.get(name).cloned());
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(field("attempt").collect::<Vec<_>>(), [text("1"), text("1")]);
    assert_eq!(field("http.response.status_code").collect::<Vec<_>>(), [text("400"), text("200")]);
    assert_eq!(field("otel.status_code").collect::<Vec<_>>(), [text("ERROR"), None]);
}
