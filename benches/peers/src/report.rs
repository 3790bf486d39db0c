//! Writes tables as Markdown.

use std::{fmt::Write as _, fs, path::Path};

pub struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub fn new(title: &str, header: &[&str]) -> Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        Self { title: title.to_owned(), header, rows: Vec::new(), notes: Vec::new() }
    }

    pub fn row(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.header.len(), "{row:?}");
        self.rows.push(row);
    }

    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text += &line(&self.header);
        let rules = (0..self.header.len()).map(|at| if at == 0 { "---" } else { "---:" });
        let _ = writeln!(text, "|{}|", rules.collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            text += &line(row);
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }
}

/// A row for a crate that can't take part: dashes, and the reason.
pub fn dash(name: &str, columns: usize, reason: &str) -> Vec<String> {
    let mut row = vec!["–".to_owned(); columns + 1];
    // Errors can be long and have several lines.
    let reason = reason.lines().next().unwrap_or_default().replace('|', "/");
    row[0] = format!("{name}: {}", reason.chars().take(120).collect::<String>());
    row
}

const BEGIN: &str = "<!-- begin: written by benches/peers -->";
const END: &str = "<!-- end: written by benches/peers -->";

/// Replaces the tables between the marks of a page.
pub fn replace(chapter: &Path, tables: &str) -> Result<(), String> {
    let text = fs::read_to_string(chapter).map_err(|error| error.to_string())?;
    let (before, rest) = text.split_once(BEGIN).ok_or("no mark where tables begin")?;
    let (_, after) = rest.split_once(END).ok_or("no mark where tables end")?;
    let text = format!("{before}{BEGIN}\n\n{tables}\n{END}{after}");
    fs::write(chapter, text).map_err(|error| error.to_string())
}
