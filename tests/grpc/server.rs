//! A gRPC service over text messages that requires valid tokens, on a loopback socket.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::{Buf, BufMut};
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Code, Request, Response, Status, Streaming,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    server::{Grpc, NamedService},
    transport::{Server, server::TcpIncoming},
};
use tower::{Service, service_fn};
use tower_oauth2_client_credentials::testing::AuthorizationServer;

/// Messages that are text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let text = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(String::from_utf8(text.to_vec()).unwrap()))
    }
}

/// The names of its methods describe their behavior. `Reject` counts the rejected calls.
#[derive(Clone)]
pub(crate) struct Echo {
    idp: AuthorizationServer,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    calls: Vec<(String, String)>,
    challenge: Option<&'static str>,
    reject_all: bool,
}

type Answer =
    Pin<Box<dyn Future<Output = Result<http::Response<tonic::body::Body>, Infallible>> + Send>>;
type Messages = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

impl Echo {
    pub(crate) fn new(idp: &AuthorizationServer) -> Self {
        Self { idp: idp.clone(), seen: Arc::default() }
    }

    /// Listens until the test's runtime ends. Returns its address as tonic expects it.
    pub(crate) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Server::builder().add_service(self.clone());
        tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
        address
    }

    /// The calls so far: method, and whether it was accepted.
    pub(crate) fn calls(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().calls.clone()
    }

    /// The metadata that accompanies `UNAUTHENTICATED`.
    pub(crate) fn challenge(&self, challenge: &'static str) {
        self.seen.lock().unwrap().challenge = Some(challenge);
    }

    pub(crate) fn reject_all(&self) {
        self.seen.lock().unwrap().reject_all = true;
    }

    fn admit(&self, method: &str, metadata: &MetadataMap) -> Result<(), Status> {
        let field = metadata.get("authorization").map(|field| field.to_str().unwrap());
        let token = field.and_then(|field| field.strip_prefix("Bearer "));
        let mut seen = self.seen.lock().unwrap();
        let good = !seen.reject_all && token.is_some_and(|token| self.idp.is_active(token));
        let outcome = if good { "admitted" } else { "rejected" };
        seen.calls.push((method.to_owned(), outcome.to_owned()));
        if good {
            return Ok(());
        }
        let mut status = Status::unauthenticated("not with this token");
        if let Some(challenge) = seen.challenge {
            status.metadata_mut().insert("www-authenticate", challenge.parse().unwrap());
        }
        Err(status)
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Answer {
        let echo = self.clone();
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        Box::pin(async move {
            let mut grpc = Grpc::new(Text);
            Ok(match method.as_str() {
                "Unary" => {
                    let unary = service_fn(|request: Request<String>| async {
                        echo.admit("Unary", request.metadata())?;
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    grpc.unary(unary, request).await
                }
                // The words of the request, one by one. A number among them is the final status.
                "Words" => {
                    let words = service_fn(|request: Request<String>| async {
                        echo.admit("Words", request.metadata())?;
                        let words = request.into_inner();
                        let words: Vec<_> = words
                            .split(' ')
                            .map(|word| match word.parse::<i32>() {
                                Ok(code) => Err(Status::new(Code::from_i32(code), "in the end")),
                                Err(_) => Ok(word.to_owned()),
                            })
                            .collect();
                        Ok::<_, Status>(Response::new(tokio_stream::iter(words)))
                    });
                    grpc.server_streaming(words, request).await
                }
                "Join" => {
                    let join = service_fn(|request: Request<Streaming<String>>| async {
                        echo.admit("Join", request.metadata())?;
                        let words: Vec<_> =
                            request.into_inner().collect::<Result<_, Status>>().await?;
                        Ok::<_, Status>(Response::new(words.join(" ")))
                    });
                    grpc.client_streaming(join, request).await
                }
                "Chat" => {
                    let chat = service_fn(|request: Request<Streaming<String>>| async {
                        echo.admit("Chat", request.metadata())?;
                        let answers: Messages = Box::pin(request.into_inner());
                        Ok::<_, Status>(Response::new(answers))
                    });
                    grpc.streaming(chat, request).await
                }
                method => panic!("no method {method}"),
            })
        })
    }
}
