//! A raw HTTP/1.1 server that writes the bytes of a case.

use std::{fmt::Write as _, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Bytes in the cases' notation: a string, base64, a repetition or a concatenation.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    if let Some(text) = value.as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(text) = value["base64"].as_str() {
        return STANDARD.decode(text).expect("a case's base64");
    }
    if let Some(repeat) = value["repeat"].as_array() {
        let count = repeat[1].as_u64().expect("a count");
        return bytes(&repeat[0]).repeat(usize::try_from(count).unwrap());
    }
    let parts = value["concat"].as_array().expect("a body in a known notation");
    parts.iter().flat_map(bytes).collect()
}

/// Answers every connection with the case's response, until the test's runtime ends.
pub(crate) async fn serve(case: &Value) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer(case);
    let close = case["close_after_body"].as_bool().unwrap_or(false);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, answer.clone(), close));
        }
    });
    address
}

fn answer(case: &Value) -> Vec<u8> {
    let mut head = String::new();
    for interim in case["interim"].as_array().into_iter().flatten() {
        let status = interim.as_u64().or_else(|| interim["status"].as_u64()).expect("a 1xx");
        write!(head, "HTTP/1.1 {status} Interim\r\n").unwrap();
        fields(&mut head, &interim["headers"]);
        head.push_str("\r\n");
    }
    let body = bytes(&case["body"]);
    write!(head, "HTTP/1.1 {} Case\r\n", case["status"]).unwrap();
    let framed = fields(&mut head, &case["headers"]);
    if !framed && !matches!(case["status"].as_u64(), Some(204 | 304)) {
        write!(head, "content-length: {}\r\n", body.len()).unwrap();
    }
    head.push_str("\r\n");
    [head.into_bytes(), body].concat()
}

/// Whether one of them says where the body ends.
fn fields(head: &mut String, headers: &Value) -> bool {
    let mut framed = false;
    for header in headers.as_array().into_iter().flatten() {
        let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
        write!(head, "{name}: {value}\r\n").unwrap();
        framed |= ["content-length", "transfer-encoding"]
            .iter()
            .any(|framing| name.eq_ignore_ascii_case(framing));
    }
    framed
}

async fn converse(mut stream: TcpStream, answer: Vec<u8>, close: bool) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    // The client may close at its limit.
    let _ = stream.write_all(&answer).await;
    if close {
        let _ = stream.shutdown().await;
    }
    // Until the client is done, because a reset would discard the response.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.expect("a form POST has a length").parse::<usize>().unwrap()
}
