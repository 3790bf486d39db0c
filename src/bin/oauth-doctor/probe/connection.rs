//! TLS, the proxy and the latency.

use http::{Uri, Version};
use serde_json::Value;

use super::{exchange::Exchange, setup::Setup};
use crate::report::{Level, Report};

/// The settings of connections.
pub(super) fn before(setup: &Setup<'_>, report: &mut Report) {
    let uri: Uri = setup.args.server().parse().unwrap_or_default();
    let section = report.section("connection");
    match uri.scheme_str() {
        Some("https") => {
            let roots = match &setup.args.ca_file {
                Some(path) => format!(
                    "certificates are checked with the platform's root certificates and {}",
                    path.display()
                ),
                None => "certificates are checked with the platform's root certificates".to_owned(),
            };
            section.fact("tls", true, roots);
        }
        _ => section.fact("tls", false, "no: plain http"),
    }
    let proxy = setup.transport.proxy_for(&uri);
    let from = match &setup.args.proxy {
        Some(_) => "--proxy",
        None => "the environment",
    };
    let text = match &proxy {
        Some(proxy) => format!("{proxy} (from {from})"),
        None => "none".to_owned(),
    };
    section.fact("proxy", proxy, text);
    if let Some(identity) = &setup.credential.identity {
        section.text("client_certificate", identity.thumbprint());
    }
    let is_plain = uri.scheme_str() == Some("http");
    if is_plain && setup.args.allow_plain_http {
        report.find(
            Level::Warning,
            "plain http: anyone on the way reads the client's secret; use https",
        );
    }
}

/// What the exchanges showed.
pub(super) fn after(setup: &Setup<'_>, report: &mut Report) {
    let exchanges = setup.recorder.exchanges();
    let mut versions = exchanges.iter().filter_map(|it| it.answer.as_ref().map(|it| it.version));
    if let Some(version) = versions.next_back() {
        let section = report.section("connection");
        section
            .text("http_version", if version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" });
    }
    let latencies = exchanges.iter().filter_map(milliseconds);
    let latencies: Vec<_> = latencies.collect();
    if let (Some(first), Some(fastest)) = (latencies.first(), latencies.iter().min()) {
        let text = format!("{first} ms with the connection, {fastest} ms at best");
        let value = serde_json::json!({"first_milliseconds": first, "best_milliseconds": fastest});
        report.section("connection").fact("latency", value, text);
        if *fastest > 1000 {
            report.find(
                Level::Warning,
                format!(
                    "each answer takes {fastest} ms or more; requests wait that long for the first \
                     token, so check the network and the server"
                ),
            );
        }
    }
    let field = exchanges.iter().find_map(|it| it.answer.as_ref()?.proxy_field.clone());
    if let Some(field) = field {
        report.section("connection").fact("proxy_in_between", Value::from(true), "yes");
        report.find(
            Level::Note,
            format!(
                "a proxy or cache is in between: answers have the field {field}; make sure that it \
                 neither stores nor changes token responses"
            ),
        );
    }
}

fn milliseconds(exchange: &Exchange) -> Option<u64> {
    exchange.latency.map(|latency| latency.as_millis() as u64)
}
