//! An authorization server that serves one request per connection. It reads the next request and
//! then closes, like a server that closes when a request arrives.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

#[derive(Clone)]
pub(crate) struct OneRequest {
    pub(crate) addr: SocketAddr,
    /// Method and path of each request, including unanswered ones.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl OneRequest {
    /// The metadata is at the second location. The first answers 404.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let this = Self { addr, seen: Arc::default() };
        let server = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                // The client may close at any time.
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        this
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = self.read(&mut stream).await?;
        let (status, body) = match request.as_str() {
            "GET /.well-known/openid-configuration" => {
                let issuer = format!("http://{}", self.addr);
                let body = format!(r#"{{"issuer":"{issuer}","token_endpoint":"{issuer}/token"}}"#);
                ("200 OK", body)
            }
            "POST /token" => ("200 OK", r#"{"access_token":"a","token_type":"Bearer"}"#.to_owned()),
            _ => ("404 Not Found", String::new()),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
        self.read(&mut stream).await?;
        Ok(())
    }

    async fn read(&self, stream: &mut TcpStream) -> std::io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("ASCII");
        let request = head.split(" HTTP/1.1").next().expect("a request line").to_owned();
        self.seen.lock().unwrap().push(request.clone());
        Ok(request)
    }

    /// The number of metadata requests at either location.
    pub(crate) fn metadata_requests(&self) -> [usize; 2] {
        let seen = self.seen.lock().unwrap();
        let count = |path: &str| seen.iter().filter(|it| **it == format!("GET {path}")).count();
        [
            count("/.well-known/oauth-authorization-server"),
            count("/.well-known/openid-configuration"),
        ]
    }
}
