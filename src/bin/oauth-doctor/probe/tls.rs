//! The TLS version and cipher suite, from a handshake without a request.

use std::{net::Ipv4Addr, sync::Arc};

use http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::setup::Setup;
use crate::report::Report;

/// Adds to the report of a server that answered. A failure is not a finding, because the token requests
/// have their own connection.
pub(super) async fn probe(setup: &Setup<'_>, report: &mut Report) {
    let Ok(uri) = setup.args.server().parse::<Uri>() else { return };
    let answered = setup.recorder.exchanges().iter().any(|exchange| exchange.answer.is_some());
    if !answered || setup.recorder.is_blocked() || uri.scheme_str() != Some("https") {
        return;
    }
    if setup.transport.proxy_for(&uri).is_some() {
        report.section("connection").fact("tls_version", serde_json::Value::Null, "");
        return;
    }
    let Ok(mut config) = setup.transport_builder().build_tls_config() else { return };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let handshake = handshake(&uri, config);
    let shaken = tokio::time::timeout(setup.args.timeout(), handshake).await;
    if let Ok(Some((version, suite))) = shaken {
        let section = report.section("connection");
        section.fact("tls_version", version.as_str(), format!("{version}, {suite}"));
        section.fact("tls_cipher_suite", suite, "");
    }
}

async fn handshake(uri: &Uri, config: ClientConfig) -> Option<(String, String)> {
    let host = uri.host()?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(443);
    // As the transport does, without a resolver.
    let stream = match host {
        "localhost" => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
        host => TcpStream::connect((host, port)).await,
    };
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream.ok()?).await.ok()?;
    let connection = stream.get_ref().1;
    let version = format!("{:?}", connection.protocol_version()?);
    let suite = format!("{:?}", connection.negotiated_cipher_suite()?.suite());
    Some((version.replacen("TLSv1_", "TLS 1.", 1), suite))
}
