//! The authorization server and the API. Each is a process, so that it can be killed.

use std::{
    convert::Infallible,
    future::Future,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use crate::{Failure, certificates};

pub const SECRET: &str = "soak-client-secret-7Jq";
/// How each access token begins. The log must not contain it.
pub const TOKEN_PREFIX: &str = "soak-access-token-";
pub const LIFETIME: Duration = Duration::from_secs(5);

/// Serves requests over TLS, until the process is killed.
async fn serve<F, Fut>(
    directory: &Path,
    port: &str,
    protocols: &[&str],
    answer: F,
) -> Result<(), Failure>
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let tls = certificates::acceptor(directory, protocols)?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening");
    loop {
        let (tcp, _) = listener.accept().await?;
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move {
            // Faults end connections at any time.
            let Ok(stream) = tls.accept(tcp).await else { return };
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(100_000);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Issues tokens that contain when they expire. Prints the client of each token request.
pub async fn authorization_server(directory: &Path, port: &str) -> Result<(), Failure> {
    let count = Arc::new(AtomicU64::new(0));
    serve(directory, port, &["http/1.1"], move |request| {
        let count = Arc::clone(&count);
        async move {
            let client = client_of(&request);
            let collected = request.into_body().collect().await;
            let Some(client) = client.filter(|_| collected.is_ok()) else {
                return respond(StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#.into());
            };
            // The driver counts lines. It may have ended.
            let _ = writeln!(std::io::stdout(), "token-request {client}");
            let number = count.fetch_add(1, Relaxed);
            let expires = (SystemTime::now() + LIFETIME)
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis();
            let body = serde_json::json!({
                "access_token": format!("{TOKEN_PREFIX}{number}.{expires}"),
                "token_type": "Bearer",
                "expires_in": LIFETIME.as_secs(),
            });
            respond(StatusCode::OK, body.to_string())
        }
    })
    .await
}

/// The id in HTTP Basic, if the secret is right.
fn client_of(request: &Request<Incoming>) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    (secret == SECRET).then(|| id.to_owned())
}

/// Answers 200 to each request with a token. The service checks expiry where it sends the token.
pub async fn api(directory: &Path, port: &str) -> Result<(), Failure> {
    serve(directory, port, &["h2", "http/1.1"], |request| async move {
        let authorization = request.headers().get(header::AUTHORIZATION);
        let bearer = authorization.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
        match bearer.is_some_and(|token| token.starts_with(TOKEN_PREFIX)) {
            true => respond(StatusCode::OK, r#"{"invoices":[]}"#.to_owned()),
            false => respond(StatusCode::UNAUTHORIZED, String::new()),
        }
    })
    .await
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
