//! `survivors.txt`: the mutants that no test notices, with the reason.

use std::collections::BTreeMap;

/// The kinds of reasons.
pub const KINDS: [&str; 3] = ["equivalent", "speed", "gap"];

/// The kind of the reason of each mutant, by name.
pub fn read(text: &str) -> Result<BTreeMap<String, &'static str>, String> {
    let mut listed = BTreeMap::new();
    let mut names = Vec::new();
    let mut reason = String::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        match line.strip_prefix("    ") {
            Some(text) => reason += text,
            None if line.is_empty() || !reason.is_empty() => {
                if !names.is_empty() {
                    let kind =
                        KINDS.into_iter().find(|kind| reason.starts_with(&format!("{kind}: ")));
                    let kind = kind.ok_or_else(|| {
                        format!(
                            "{}: the reason must begin with one of {KINDS:?} and a colon",
                            names[0]
                        )
                    })?;
                    listed.extend(names.drain(..).map(|name| (name, kind)));
                }
                reason.clear();
                if !line.is_empty() {
                    names.push(line.to_owned());
                }
            }
            None => names.push(line.to_owned()),
        }
    }
    Ok(listed)
}
