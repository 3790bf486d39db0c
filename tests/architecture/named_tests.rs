//! The tests that tables name exist.

use std::fs;

use super::{files, root};

/// The last cell of each row of the tables in a file, without their headings.
fn last_cells(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().map(|line| line.trim_start_matches("//! ")).collect();
    let rows = lines.iter().enumerate().filter(|(at, line)| {
        let is_heading = lines.get(at + 1).is_some_and(|next| next.starts_with("| ---"));
        line.starts_with("| ") && !line.starts_with("| ---") && !is_heading
    });
    rows.map(|(_, row)| {
        let row = row.strip_suffix('|').expect(row).trim_end();
        row.rsplit_once('|').expect(row).1.trim()
    })
    .collect()
}

fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The text of all tests.
fn tests() -> Vec<String> {
    let mut found = Vec::new();
    files(&root().join("tests"), &mut found);
    files(&root().join("src"), &mut found);
    found.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    found.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

/// Whether a text has a test of this name, directly below its attribute.
fn has_test(text: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    text.match_indices(&function).any(|(at, _)| {
        let line = text[..at].rfind('\n').unwrap_or(0);
        let mut lines = text[..line].lines().rev().map(str::trim_start);
        let attribute = lines.find(|line| !line.starts_with("//"));
        attribute.is_some_and(|line| line.starts_with("#[") && line.contains("test"))
    })
}

/// Fails if a table names a test that does not exist. Returns the number of names.
fn check(file: &str, needs_a_test: impl Fn(&str) -> bool) -> usize {
    let tests = tests();
    let text = fs::read_to_string(root().join(file)).unwrap();
    let mut count = 0;
    for cell in last_cells(&text) {
        assert!(!needs_a_test(cell) || names(cell).next().is_some(), "{file}: no test in: {cell}");
        for name in names(cell) {
            assert!(tests.iter().any(|text| has_test(text, name)), "{file}: no test {name}");
            count += 1;
        }
    }
    count
}

#[test]
fn every_outage_names_a_test() {
    assert!(check("src/docs/outages.rs", |_| true) > 20, "the table was not read");
}

/// Requirements that do not apply have an empty cell.
#[test]
fn every_requirement_of_the_standards_names_a_test() {
    let count = check("src/docs/security/standards.rs", |cell| !cell.is_empty());
    assert!(count > 45, "the tables were not read: {count}");
}

/// Modules without a test have a reason in its place.
#[test]
fn every_module_of_the_fapi_test_plan_names_a_test_or_a_reason() {
    let file = "tests/fapi/README.md";
    let count = check(file, |cell| !cell.starts_with("There is no "));
    assert!(count > 18, "the tables were not read: {count}");
    let text = fs::read_to_string(root().join(file)).unwrap();
    let modules = text.lines().filter(|line| line.starts_with("| `"));
    // The number of modules in the plan.
    let modules = modules.filter(|line| line.contains("| yes |") || line.contains("| no |"));
    assert_eq!(modules.count(), 32);
}

#[test]
fn a_name_without_a_test_is_found() {
    let text = "//! | a | test |\n//! | --- | --- |\n//! | x | `one`, `two` |\n//! | y | |";
    assert_eq!(last_cells(text), ["`one`, `two`", ""]);
    assert_eq!(names("`one`, `two`").collect::<Vec<_>>(), ["one", "two"]);
    let code = "#[tokio::test]\nasync fn one() {}\nfn two() {}\n";
    assert!(has_test(code, "one") && !has_test(code, "two") && !has_test(code, "on"));
}
