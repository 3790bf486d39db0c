//! gRPC over real sockets: a tonic channel below the layer, and a tonic server.
#![allow(missing_docs, unreachable_pub)]

mod in_memory;
#[cfg(feature = "keyed")]
mod keyed;
mod server;

use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tonic::{
    Code, IntoStreamingRequest, Request, Response, Status, Streaming,
    body::Body,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tower::Layer;
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, OAuthClientCredentialsLayer, Origins, TokenCache,
    cache::Readiness,
    grpc::OAuthGrpc,
    replay::{BufferBodies, ReplayPolicy},
    testing::{AuthorizationServer, MockResponse, MockServer, RegisteredClient},
};

use server::{Echo, Text};

/// A channel, both servers, and a cache.
struct World {
    idp: AuthorizationServer,
    echo: Echo,
    tokens: TokenCache,
    channel: Channel,
    listening: MockServer,
}

impl World {
    async fn new() -> Self {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("caller").secret("s3cret"))
            .client(RegisteredClient::new("other").secret("s3cret"))
            .build();
        let listening = idp.listen().await.unwrap();
        let echo = Echo::new(&idp);
        let channel = Endpoint::from_shared(echo.listen().await).unwrap().connect_lazy();
        let tokens = ClientCredentials::builder(listening.token_url())
            .client_secret_basic("caller", "s3cret")
            .build()
            .unwrap()
            .into_cache();
        Self { idp, echo, tokens, channel, listening }
    }

    fn layer(&self) -> OAuthClientCredentialsLayer {
        OAuthClientCredentialsLayer::new(self.tokens.clone(), Origins::fixed_upstream())
    }

    /// Replays empty bodies only.
    fn client(&self) -> Client<OAuthGrpc<Channel>> {
        Client(Grpc::new(self.layer().grpc().layer(self.channel.clone())))
    }

    /// Replays up to a kilobyte.
    fn replaying(&self) -> Client<OAuthGrpc<Channel, BufferBodies<Body>>> {
        let layer = self.layer().replay(BufferBodies::<Body>::new(1024, Body::new)).grpc();
        Client(Grpc::new(layer.layer(self.channel.clone())))
    }

    /// Waits until the rejected token is replaced.
    async fn healed(&self) {
        let mut watch = self.tokens.subscribe();
        while watch.current() != Some(Readiness::Ready) {
            watch.changed().await.unwrap();
        }
    }

    /// The calls that the server saw, as in `Unary rejected`.
    fn calls(&self) -> Vec<String> {
        self.echo.calls().iter().map(|(method, outcome)| format!("{method} {outcome}")).collect()
    }
}

/// The code that `tonic-build` would generate for the service.
#[derive(Clone)]
struct Client<T>(Grpc<T>);

impl<P> Client<OAuthGrpc<Channel, P>>
where
    P: ReplayPolicy<Body>,
{
    async fn ready(&mut self, method: &'static str) -> PathAndQuery {
        self.0.ready().await.unwrap();
        PathAndQuery::from_static(method)
    }

    async fn unary(&mut self, text: &str) -> Result<String, Status> {
        let path = self.ready("/test.Echo/Unary").await;
        let answer = self.0.unary(Request::new(text.to_owned()), path, Text).await;
        answer.map(Response::into_inner)
    }

    async fn words(&mut self, text: &str) -> Result<Streaming<String>, Status> {
        let path = self.ready("/test.Echo/Words").await;
        let answer = self.0.server_streaming(Request::new(text.to_owned()), path, Text).await;
        answer.map(Response::into_inner)
    }

    async fn join(
        &mut self,
        words: impl Stream<Item = String> + Send + 'static,
    ) -> Result<String, Status> {
        let path = self.ready("/test.Echo/Join").await;
        let answer = self.0.client_streaming(words.into_streaming_request(), path, Text).await;
        answer.map(Response::into_inner)
    }

    async fn chat(
        &mut self,
        words: impl Stream<Item = String> + Send + 'static,
    ) -> Result<Streaming<String>, Status> {
        let path = self.ready("/test.Echo/Chat").await;
        let answer = self.0.streaming(words.into_streaming_request(), path, Text).await;
        answer.map(Response::into_inner)
    }
}

async fn all(mut messages: Streaming<String>) -> (Vec<String>, Result<(), Code>) {
    let mut got = Vec::new();
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) => got.push(message),
            Err(status) => return (got, Err(status.code())),
        }
    }
    (got, Ok(()))
}

#[tokio::test]
async fn a_hundred_calls_at_once_on_a_cold_channel_make_one_token_request() {
    let world = World::new().await;
    world.idp.set_delay(Duration::from_millis(50));
    let client = world.client();
    let calls = (0..100).map(|number| {
        let mut client = client.clone();
        tokio::spawn(async move { client.unary(&number.to_string()).await })
    });
    for (number, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), number.to_string());
    }
    assert_eq!(world.idp.token_requests(), 1);
    assert_eq!(world.calls(), vec!["Unary admitted"; 100]);
}

#[tokio::test]
async fn a_trailers_only_rejection_is_replayed_once_with_another_token() {
    let world = World::new().await;
    let mut client = world.replaying();
    assert_eq!(client.unary("one").await.unwrap(), "one");
    world.idp.revoke_all();
    assert_eq!(client.unary("two").await.unwrap(), "two");
    assert_eq!(world.calls(), ["Unary admitted", "Unary rejected", "Unary admitted"]);
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn a_streaming_answer_that_was_not_begun_is_replayed_too() {
    let world = World::new().await;
    let mut client = world.replaying();
    world.tokens.warm_up().await.unwrap();
    world.idp.revoke_all();
    let words = client.words("to be or not").await.unwrap();
    assert_eq!(all(words).await, (["to", "be", "or", "not"].map(Into::into).into(), Ok(())));
    assert_eq!(world.calls(), ["Words rejected", "Words admitted"]);
}

#[tokio::test]
async fn an_api_that_rejects_every_token_gets_each_call_twice_at_most_and_its_status_arrives() {
    let world = World::new().await;
    world.echo.reject_all();
    let mut client = world.replaying();
    let status = client.unary("one").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "not with this token"));
    assert_eq!(world.calls(), ["Unary rejected"; 2]);
    // Fresh tokens are rejected too. After three of them the next is due a minute later.
    for _ in 0..3 {
        client.unary("two").await.unwrap_err();
    }
    let calls = world.calls().len();
    assert!(calls <= 8, "{calls} calls");
    client.unary("three").await.unwrap_err();
    assert_eq!(world.calls(), vec!["Unary rejected"; calls + 1]);
    assert_eq!(world.idp.token_requests(), 4);
}

#[tokio::test]
async fn a_body_that_is_not_kept_gets_its_status_with_the_token_invalidated() {
    let world = World::new().await;
    let mut client = world.client();
    world.tokens.warm_up().await.unwrap();
    world.idp.revoke_all();
    assert_eq!(client.unary("one").await.unwrap_err().code(), Code::Unauthenticated);
    world.healed().await;
    assert_eq!(client.unary("two").await.unwrap(), "two");
    assert_eq!(world.calls(), ["Unary rejected", "Unary admitted"]);
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn a_rejection_in_real_trailers_is_not_replayed_and_invalidates_the_token_that_was_sent() {
    let world = World::new().await;
    let mut client = world.replaying();
    let first = client.words("to be 16").await.unwrap();
    let sent = world.tokens.current().unwrap();
    assert_eq!(all(first).await, (vec!["to".into(), "be".into()], Err(Code::Unauthenticated)));
    assert_eq!(world.tokens.readiness(), Readiness::Degraded);
    world.healed().await;
    assert_eq!(client.unary("two").await.unwrap(), "two");
    assert_ne!(world.tokens.current().unwrap().secret(), sent.secret());
    assert_eq!(world.calls(), ["Words admitted", "Unary admitted"]);
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn a_rejection_in_trailers_of_a_replaced_token_is_ignored() {
    let world = World::new().await;
    let mut client = world.replaying();
    let old = client.words("to be 16").await.unwrap();
    world.tokens.force_refresh().await.unwrap();
    assert_eq!(all(old).await.1, Err(Code::Unauthenticated));
    assert_eq!(world.tokens.readiness(), Readiness::Ready);
    client.unary("two").await.unwrap();
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn other_statuses_do_not_affect_the_token() {
    let world = World::new().await;
    let mut client = world.replaying();
    for code in [Code::PermissionDenied, Code::NotFound, Code::Unavailable] {
        let words = client.words(&format!("to be {}", code as i32)).await.unwrap();
        assert_eq!(all(words).await.1, Err(code));
    }
    client.unary("two").await.unwrap();
    assert_eq!(world.idp.token_requests(), 1);
}

#[tokio::test]
async fn a_status_with_a_challenge_is_classified_by_the_challenge() {
    let world = World::new().await;
    let mut client = world.replaying();
    world.tokens.warm_up().await.unwrap();
    world.echo.reject_all();
    world.echo.challenge("Bearer error=\"insufficient_scope\"");
    let status = client.unary("one").await.unwrap_err();
    assert_eq!(
        status.metadata().get("www-authenticate").unwrap(),
        "Bearer error=\"insufficient_scope\""
    );
    assert_eq!(world.calls(), ["Unary rejected"], "another token would not help");
    world.echo.challenge("Bearer error=\"invalid_token\"");
    client.unary("two").await.unwrap_err();
    assert_eq!(world.calls(), ["Unary rejected"; 3]);
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn a_streaming_request_arrives_as_it_is_sent() {
    let world = World::new().await;
    let mut client = world.replaying();
    let words = ["to", "be", "or"].map(str::to_owned);
    assert_eq!(client.join(tokio_stream::iter(words)).await.unwrap(), "to be or");
    assert_eq!(world.calls(), ["Join admitted"]);
}

#[tokio::test]
async fn a_streaming_request_above_the_limit_gets_its_status_back_with_the_token_invalidated() {
    let world = World::new().await;
    let mut client = world.replaying();
    world.tokens.warm_up().await.unwrap();
    world.idp.revoke_all();
    let words = tokio_stream::iter(vec!["x".repeat(600); 3]);
    assert_eq!(client.join(words).await.unwrap_err().code(), Code::Unauthenticated);
    world.healed().await;
    client.unary("two").await.unwrap();
    assert_eq!(world.calls(), ["Join rejected", "Unary admitted"]);
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn a_streaming_request_within_the_limit_is_replayed_whole() {
    let world = World::new().await;
    let mut client = world.replaying();
    world.tokens.warm_up().await.unwrap();
    world.idp.revoke_all();
    let words = ["to", "be", "or"].map(str::to_owned);
    assert_eq!(client.join(tokio_stream::iter(words)).await.unwrap(), "to be or");
    assert_eq!(world.calls(), ["Join rejected", "Join admitted"]);
}

/// It is replayed if the connection released its body in time.
#[tokio::test]
async fn a_request_that_still_streams_is_replayed_whole_or_gets_its_status_back() {
    let world = World::new().await;
    let mut client = world.replaying();
    world.tokens.warm_up().await.unwrap();
    world.idp.revoke_all();
    let (say, words) = mpsc::unbounded_channel();
    say.send("hello".to_owned()).unwrap();
    match client.chat(UnboundedReceiverStream::new(words)).await {
        Ok(mut answers) => {
            assert_eq!(answers.next().await.unwrap().unwrap(), "hello");
            say.send("goodbye".to_owned()).unwrap();
            assert_eq!(answers.next().await.unwrap().unwrap(), "goodbye");
            assert_eq!(world.calls(), ["Chat rejected", "Chat admitted"]);
        }
        Err(status) => {
            assert_eq!(status.code(), Code::Unauthenticated);
            assert_eq!(world.calls(), ["Chat rejected"]);
        }
    }
    world.healed().await;
    assert_eq!(world.idp.token_requests(), 2);
}

#[tokio::test]
async fn both_sides_stream_at_once() {
    let world = World::new().await;
    let mut client = world.replaying();
    let (say, words) = mpsc::unbounded_channel();
    let mut answers = client.chat(UnboundedReceiverStream::new(words)).await.unwrap();
    for word in ["hello", "how are you", "goodbye"] {
        say.send(word.to_owned()).unwrap();
        // Before the end of the request.
        assert_eq!(answers.next().await.unwrap().unwrap(), word);
    }
    drop(say);
    assert!(answers.next().await.is_none());
    assert_eq!((world.calls(), world.idp.token_requests()), (vec!["Chat admitted".into()], 1));
}

#[tokio::test]
async fn without_a_token_this_crates_error_is_the_source_of_the_status() {
    let world = World::new().await;
    world.idp.always(MockResponse::Status(400));
    let status = world.client().unary("one").await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    let source = std::error::Error::source(&status).unwrap();
    assert!(source.is::<Error>(), "{source:?}");
    assert!(world.calls().is_empty(), "nothing was sent");
}
