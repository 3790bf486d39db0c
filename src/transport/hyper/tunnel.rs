//! A tunnel through a proxy (`CONNECT`, RFC 9110 §9.3.6).
//!
//! hyper-util's `Tunnel` is not used, because its error has no status, which the advice depends on.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
};

use http::{HeaderValue, Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::stream::BoxedIo;
use crate::transport::{body::TokenRequestBody, explain::explain};

/// A proxy answers in a few lines.
const MAX_HEAD: usize = 16 * 1024;

/// Why there is no tunnel.
pub(super) enum TunnelError {
    /// The proxy responded with a status other than 2xx.
    Refused(StatusCode),
    /// The problem with advice.
    Broken(String),
}

/// Asks the proxy behind a connection for a tunnel to `to`, the host and port of the destination.
pub(super) async fn open(
    connection: BoxedIo,
    to: &str,
    authorization: Option<&HeaderValue>,
) -> Result<BoxedIo, TunnelError> {
    let broken = |error: hyper::Error| TunnelError::Broken(explain(&error));
    let mut request = Request::connect(to)
        .header(header::HOST, to)
        // Empty. Uses the body type of token requests, so that hyper's HTTP/1.1 client is
        // compiled once.
        .body(TokenRequestBody::default())
        .map_err(|_| TunnelError::Broken("the destination is not a host with a port".to_owned()))?;
    if let Some(authorization) = authorization {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let mut http1 = http1::Builder::new();
    http1.max_buf_size(MAX_HEAD).title_case_headers(true);
    let (mut sender, connection) =
        http1.handshake(TokioIo::new(connection)).await.map_err(broken)?;
    let mut connection = pin!(connection.without_shutdown());
    let mut response = pin!(sender.send_request(request));
    let mut parts = None;
    let response = poll_fn(|cx| {
        if parts.is_none()
            && let Poll::Ready(done) = connection.as_mut().poll(cx)
        {
            parts = Some(done);
        }
        response.as_mut().poll(cx)
    });
    let status = response.await.map_err(broken)?.status();
    if !status.is_success() {
        return Err(TunnelError::Refused(status));
    }
    let parts = match parts {
        Some(done) => done,
        None => connection.await,
    };
    let parts = parts.map_err(broken)?;
    if !parts.read_buf.is_empty() {
        let text = "the proxy sent data before the destination could; check the proxy";
        return Err(TunnelError::Broken(text.to_owned()));
    }
    Ok(parts.io.into_inner())
}
