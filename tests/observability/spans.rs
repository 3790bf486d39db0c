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
        attempt("1", &[("http.response.status_code", "502"), ("error.type", "502")]),
        attempt("2", &[("error.type", "acquisition_timeout")]),
        attempt("3", &[("http.response.status_code", "200")]),
    ];
    assert_eq!(attempts.len(), 3, "no request has a span: {all:?}");
    for ((_, span), expected) in attempts.iter().zip(expected) {
        assert_eq!((span.name, span.parent), ("token_request", Some(*id)));
        assert_eq!(span.fields, expected);
    }
    assert!(!format!("{all:?}").contains(SECRET));
}
