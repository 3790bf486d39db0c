//! Behavior that tonic hides: the HTTP status, and settings of the layer, over a custom service.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    event::{EventKind, NotReplayedReason},
    layer::{RejectionPolicy, SkipToken},
    replay::CloneBodies,
    source::AcquireContext,
};

type Call = Request<Full<Bytes>>;
type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn fields(status: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())])
}

fn trailers_only(status: &'static str) -> Answer {
    let mut answer = Response::new(Full::default().boxed_unsync());
    *answer.headers_mut() = fields(status);
    answer
}

fn with_trailers(status: &'static str) -> Answer {
    let frames = [Frame::data(Bytes::from_static(b"a message")), Frame::trailers(fields(status))];
    Response::new(StreamBody::new(tokio_stream::iter(frames.map(Ok))).boxed_unsync())
}

fn numbered() -> (TokenCache, Arc<Mutex<u32>>) {
    let asked = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&asked);
    let tokens = TokenCache::new(move |_: AcquireContext| {
        let mut asked = counter.lock().unwrap();
        *asked += 1;
        let token = Token::bearer(format!("token-{asked}"));
        async { token }
    });
    (tokens, asked)
}

/// One call: the response's status and trailers, and the tokens that the service saw.
async fn call(
    layer: OAuthClientCredentialsLayer,
    call: Call,
    answer: fn() -> Answer,
) -> (StatusCode, Option<HeaderMap>, Vec<String>) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&seen);
    let service = service_fn(move |call: Call| {
        let token = call.headers().get(AUTHORIZATION).map_or("none", |it| it.to_str().unwrap());
        kept.lock().unwrap().push(token.to_owned());
        async move { Ok::<_, Infallible>(answer()) }
    });
    let client = layer.replay(CloneBodies).grpc().layer(service);
    let answer = client.oneshot(call).await.unwrap();
    let (status, body) = (answer.status(), answer.into_body());
    let trailers = body.collect().await.unwrap().trailers().cloned();
    let seen = seen.lock().unwrap().clone();
    (status, trailers, seen)
}

fn request() -> Call {
    Request::post("/test.Echo/Unary").body(Full::from("a message")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_returned_answer_has_its_status() {
    let (tokens, _) = numbered();
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream());
    let (status, _, seen) = call(layer.clone(), request(), || trailers_only("16")).await;
    assert_eq!(
        (status, seen),
        (StatusCode::OK, vec!["Bearer token-1".into(), "Bearer token-2".into()])
    );
    let (status, trailers, _) = call(layer, request(), || with_trailers("0")).await;
    assert_eq!((status, trailers), (StatusCode::OK, Some(fields("0"))));
}

/// The caller reads the response already, so the call can't be replayed.
#[tokio::test(start_paused = true)]
async fn a_status_in_the_trailers_is_reported_as_too_late_to_replay() {
    let reasons = Arc::<Mutex<Vec<_>>>::default();
    let events = Arc::clone(&reasons);
    let tokens = TokenCache::builder(|_: AcquireContext| async { Token::bearer("token") });
    let tokens = tokens.observer(move |event| {
        if let EventKind::NotReplayed { reason, .. } = event.kind() {
            events.lock().unwrap().push(*reason);
        }
    });
    let layer = OAuthClientCredentialsLayer::new(tokens.build(), Origins::fixed_upstream());
    for _ in 0..3 {
        call(layer.clone(), request(), || with_trailers("16")).await;
    }
    assert_eq!(*reasons.lock().unwrap(), [NotReplayedReason::ResponseStarted]);
}

#[tokio::test(start_paused = true)]
async fn the_answers_body_reports_its_size_and_its_end() {
    let service =
        service_fn(|call: Call| async { Ok::<_, Infallible>(Response::new(call.into_body())) });
    let layer = OAuthClientCredentialsLayer::new(numbered().0, Origins::fixed_upstream()).grpc();
    let mut body = layer.layer(service).oneshot(request()).await.unwrap().into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(9), false));
    body.frame().await.unwrap().unwrap();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
}

#[tokio::test(start_paused = true)]
async fn an_http_401_stays_one_and_is_a_rejection_too() {
    let (tokens, asked) = numbered();
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream());
    let (status, _, seen) = call(layer, request(), || {
        let mut answer = trailers_only("16");
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        answer
    })
    .await;
    assert_eq!((status, seen.len()), (StatusCode::UNAUTHORIZED, 2));
    assert_eq!(*asked.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_layers_own_settings_decide_what_is_a_rejection() {
    for rejections in
        [RejectionPolicy::never(), RejectionPolicy::when(|_, fields| fields.contains_key("x"))]
    {
        for answer in [|| trailers_only("16"), || with_trailers("16")] {
            let (tokens, asked) = numbered();
            let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::fixed_upstream())
                .rejection_policy(rejections.clone());
            let (status, _, seen) = call(layer, request(), answer).await;
            assert_eq!((status, seen.len()), (StatusCode::OK, 1));
            tokens.get().await.unwrap();
            assert_eq!(*asked.lock().unwrap(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_to_another_origin_passes_untouched() {
    let mut own = request();
    own.headers_mut().insert(AUTHORIZATION, "Bearer own".parse().unwrap());
    let mut skipped = request();
    skipped.extensions_mut().insert(SkipToken);
    for (theirs, token) in [(own, "Bearer own"), (skipped, "none")] {
        for answer in [|| trailers_only("16"), || with_trailers("16")] {
            let (tokens, asked) = numbered();
            tokens.warm_up().await.unwrap();
            let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::fixed_upstream());
            let (status, _, seen) = call(layer, theirs.clone(), answer).await;
            assert_eq!((status, seen), (StatusCode::OK, vec![token.to_owned()]));
            tokens.get().await.unwrap();
            assert_eq!(*asked.lock().unwrap(), 1);
        }
    }
}
