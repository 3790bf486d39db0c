//! The report as text for a person.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};

use super::{Level, Report};
use crate::probe::exchange::Exchange;

/// The width of labels.
const LABEL: usize = 24;

/// `None`: without colors.
#[derive(Clone, Copy)]
pub(crate) struct Painter {
    pub(crate) has_colors: bool,
}

impl Painter {
    fn paint(self, style: Style, text: &str) -> String {
        match self.has_colors {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    fn title(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    fn level(self, level: Level) -> String {
        let color = match level {
            Level::Ok => AnsiColor::Green,
            Level::Note => AnsiColor::Cyan,
            Level::Warning => AnsiColor::Yellow,
            Level::Problem => AnsiColor::Red,
        };
        // Padded before it is painted, since escape sequences have no width.
        self.paint(color.on_default().bold(), &format!("{:<8}", level.name()))
    }
}

pub(crate) fn render(report: &Report, painter: Painter) -> String {
    let mut out = format!("oauth-doctor: {}\n", report.server);
    for section in report.sections.iter().filter(|section| !section.facts.is_empty()) {
        let _ = writeln!(out, "\n{}", painter.title(&label(section.key)));
        for fact in section.facts.iter().filter(|fact| !fact.text.is_empty()) {
            // The names of methods are values of --auth-method.
            let label = match section.key {
                "other_methods" => fact.key.to_owned(),
                _ => words(fact.key),
            };
            let _ = writeln!(out, "  {label:<LABEL$} {}", printable(&fact.text));
        }
    }
    if !report.exchanges.is_empty() {
        let _ = writeln!(out, "\n{}", painter.title("Requests"));
        for exchange in &report.exchanges {
            let _ = writeln!(out, "  {:<LABEL$} {}", exchange.kind.name(), request(exchange));
        }
    }
    if !report.findings.is_empty() {
        let _ = writeln!(out, "\n{}", painter.title("Findings"));
        for finding in &report.findings {
            let _ =
                writeln!(out, "  {} {}", painter.level(finding.level), printable(&finding.text));
        }
    }
    if let Some(lines) = &report.lines {
        let _ = writeln!(out, "\n{}\n{}", painter.title("Cargo.toml"), indented(&lines.cargo));
        let _ = writeln!(out, "\n{}\n{}", painter.title("Rust"), indented(&lines.rust));
        let _ =
            writeln!(out, "\n{}", painter.title("Environment (ClientCredentialsConfig::from_env)"));
        for variable in &lines.environment {
            let _ = writeln!(out, "  {}", variable.assignment());
        }
        for note in &lines.notes {
            let _ = writeln!(out, "  # {}", printable(note));
        }
    }
    out
}

/// One line without escape sequences.
fn printable(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn label(key: &str) -> String {
    let mut label = words(key);
    if label != "mTLS"
        && let Some(first) = label.get_mut(..1)
    {
        first.make_ascii_uppercase();
    }
    label
}

/// The words of a key. The unit at its end is in the text.
fn words(key: &str) -> String {
    let key = key.strip_suffix("_seconds").unwrap_or(key);
    let words = key.split('_').map(|word| match word {
        "api" => "API",
        "dpop" => "DPoP",
        "http" => "HTTP",
        "jwt" => "JWT",
        "mtls" => "mTLS",
        "tls" => "TLS",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn request(exchange: &Exchange) -> String {
    let latency = exchange.latency.map_or(0, |latency| latency.as_millis());
    match &exchange.answer {
        Some(answer) => format!("{} in {latency} ms  {}", answer.status.as_u16(), exchange.url),
        None => format!("no answer  {}", exchange.url),
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| match line {
        "" => String::new(),
        line => format!("  {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}
