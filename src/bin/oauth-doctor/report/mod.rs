//! The report, before it is printed.

pub(crate) mod human;
pub(crate) mod json;

use serde_json::Value;

use crate::{
    exit::Exit, lines::Lines, probe::exchange::Exchange, recipe::public_part, secrets::Secrets,
};

pub(crate) struct Report {
    /// The issuer or token URL.
    pub(crate) server: String,
    pub(crate) sections: Vec<Section>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) lines: Option<Lines>,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) exit: Exit,
}

/// Facts about one topic.
pub(crate) struct Section {
    pub(crate) key: &'static str,
    pub(crate) facts: Vec<Fact>,
}

pub(crate) struct Fact {
    /// The key in JSON. The label has spaces in place of `_`.
    pub(crate) key: &'static str,
    pub(crate) value: Value,
    /// Empty: the fact is in the JSON only.
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Ok,
    Note,
    Warning,
    Problem,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// A line of the form `problem: cause; what to do`.
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) text: String,
}

impl Report {
    pub(crate) fn new(server: &str) -> Self {
        let server = public_part(server);
        Self {
            server,
            sections: Vec::new(),
            findings: Vec::new(),
            lines: None,
            exchanges: Vec::new(),
            exit: Exit::Works,
        }
    }

    /// The section with this key, which is added if it is missing.
    pub(crate) fn section(&mut self, key: &'static str) -> &mut Section {
        let index = self.sections.iter().position(|section| section.key == key);
        let index = index.unwrap_or_else(|| {
            self.sections.push(Section { key, facts: Vec::new() });
            self.sections.len() - 1
        });
        &mut self.sections[index]
    }

    pub(crate) fn has(&self, section: &str, fact: &str) -> bool {
        let mut sections = self.sections.iter().filter(|it| it.key == section);
        sections.any(|section| section.facts.iter().any(|it| it.key == fact))
    }

    pub(crate) fn find(&mut self, level: Level, text: impl Into<String>) {
        self.findings.push(Finding { level, text: text.into() });
    }

    /// A problem, which decides the exit code if it is the first.
    pub(crate) fn fail(&mut self, exit: Exit, text: impl Into<String>) {
        if self.exit == Exit::Works {
            self.exit = exit;
        }
        self.find(Level::Problem, text);
    }

    /// Makes warnings of problems that other settings avoid.
    pub(crate) fn lower_problems(&mut self) {
        for finding in &mut self.findings {
            if finding.level == Level::Problem {
                finding.level = Level::Warning;
            }
        }
    }

    /// The last step before a report is printed.
    pub(crate) fn scrub(&mut self, secrets: &Secrets) {
        secrets.scrub(&mut self.server);
        for fact in self.sections.iter_mut().flat_map(|section| &mut section.facts) {
            secrets.scrub(&mut fact.text);
            scrub_value(&mut fact.value, secrets);
        }
        for finding in &mut self.findings {
            secrets.scrub(&mut finding.text);
        }
        for exchange in &mut self.exchanges {
            secrets.scrub(&mut exchange.url);
        }
    }
}

impl Section {
    /// Adds a fact, or replaces the one with this key.
    pub(crate) fn fact(
        &mut self,
        key: &'static str,
        value: impl Into<Value>,
        text: impl Into<String>,
    ) {
        let fact = Fact { key, value: value.into(), text: text.into() };
        match self.facts.iter_mut().find(|known| known.key == key) {
            Some(known) => *known = fact,
            None => self.facts.push(fact),
        }
    }

    /// A fact whose value is its text.
    pub(crate) fn text(&mut self, key: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.fact(key, text.clone(), text);
    }
}

fn scrub_value(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => secrets.scrub(text),
        Value::Array(items) => items.iter_mut().for_each(|item| scrub_value(item, secrets)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| scrub_value(member, secrets));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
