//! The report as JSON.

use serde_json::{Map, Value, json};

use super::Report;
use crate::probe::exchange::Exchange;

/// The version of the format. It changes when a member is renamed or removed.
const VERSION: u32 = 1;

pub(crate) fn render(report: &Report) -> String {
    let mut root = Map::new();
    root.insert("version".into(), VERSION.into());
    root.insert("server".into(), report.server.as_str().into());
    root.insert("exit_code".into(), (report.exit as u8).into());
    for section in &report.sections {
        let facts = section.facts.iter().map(|fact| (fact.key.to_owned(), fact.value.clone()));
        root.insert(section.key.into(), Value::Object(facts.collect()));
    }
    let findings = report.findings.iter();
    let findings =
        findings.map(|finding| json!({"level": finding.level.name(), "text": finding.text}));
    root.insert("findings".into(), findings.collect());
    root.insert("requests".into(), report.exchanges.iter().map(request).collect());
    if let Some(lines) = &report.lines {
        root.insert("cargo".into(), lines.cargo.as_str().into());
        root.insert("rust".into(), lines.rust.as_str().into());
        let variables = lines.environment.iter();
        let variables = variables.map(|it| (it.name.to_owned(), it.value.clone().into()));
        root.insert("environment".into(), Value::Object(variables.collect()));
        root.insert("notes".into(), lines.notes.clone().into());
    }
    let mut text = format!("{:#}", Value::Object(root));
    text.push('\n');
    text
}

fn request(exchange: &Exchange) -> Value {
    let status = exchange.answer.as_ref().map(|answer| answer.status.as_u16());
    json!({
        "kind": exchange.kind.name(),
        "url": exchange.url,
        "status": status,
        "milliseconds": exchange.latency.map(|latency| latency.as_millis() as u64),
    })
}
