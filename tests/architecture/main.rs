//! Checks the structure of `src/`: imports run one way, files stay small, and some words are
//! forbidden.

mod auto_traits;
mod circles;
mod examples;
mod keys;
mod named_tests;
mod tokens;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use circles::Crate;

/// Each top-level module of `src/`, with the modules that it may import.
const MAY_IMPORT: &[(&str, &str)] = &[
    ("middleware", "layer cache event error sync"),
    ("layer", "cache net token event error sync"),
    ("config", "endpoint cache source client_auth jose transport secret_file limits event error"),
    (
        "store",
        "source client_auth transport token timing secret_file clock limits sync event error",
    ),
    ("cache", "metrics source token timing clock limits event error sync"),
    (
        "endpoint",
        "source client_auth dpop jose skew transport clock net secret_file json_members limits sync token error event",
    ),
    ("source", "token timing event error"),
    ("timing", "limits error"),
    ("metrics", "event clock"),
    ("event", "error"),
    ("skew", "event"),
    ("dpop", "jose skew clock sync token event error"),
    // The leaves of the graph.
    ("client_auth", "basic_auth jose secret_file json_members limits sync token error event"),
    ("jose", "secret_file error"),
    ("secret_file", "limits sync error event"),
    ("transport", "basic_auth net secret_file limits sync token error event"),
    ("token", "limits error"),
    ("error", ""),
    ("clock", ""),
    ("net", ""),
    ("limits", ""),
    ("json_members", ""),
    ("basic_auth", ""),
    ("sync", ""),
    // Shares no code with the client, so that both can't share a bug.
    ("testing", "sync error"),
];

/// Programs. Each is a crate that uses the public API of the library.
const PROGRAMS: &str = "bin";

/// These may import everything: lib.rs re-exports it, and the chapters link to it.
const SEE_ALL: [&str; 2] = ["lib", "docs"];

const MOST_LINES: usize = 400;
const MEDIAN_LINES: usize = 150;

struct Source {
    path: PathBuf,
    /// The path of modules, as in `cache::state::landing`.
    modules: Vec<String>,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, without build output.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if matches!(name, "target" | ".git") {
            continue;
        }
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    let rust = found.into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    // Test code. It is among the sources because it needs private items.
    let rust = rust.filter(|path| !path.starts_with(src.join("cache/model")));
    let sources: Vec<_> = rust
        .map(|path| {
            let relative = path.strip_prefix(&src).unwrap().with_extension("");
            let modules = relative.iter().map(|part| part.to_str().unwrap().to_owned());
            let modules = modules.filter(|name| name != "mod").collect();
            let text = fs::read_to_string(&path).unwrap();
            Source { path, modules, text }
        })
        .collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// Removes comments, so that links in documentation do not count.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        comment.map_or(line, |(at, _)| &line[..at])
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn rules() -> BTreeMap<&'static str, Vec<&'static str>> {
    MAY_IMPORT
        .iter()
        .map(|(name, may)| (*name, may.split(' ').filter(|it| !it.is_empty()).collect()))
        .collect()
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The first segment of a path, or the first segments in its braces.
fn segments(after: &str) -> Vec<String> {
    let Some(group) = after.strip_prefix('{') else {
        return vec![identifier(after).to_owned()];
    };
    let mut depth = 1;
    let mut names = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            c if depth == 1 => names.last_mut().unwrap().push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    let names = names.iter().map(|name| identifier(name.trim()).to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The top-level modules that a file names.
fn imports(code: &str) -> Vec<String> {
    let starts = code.match_indices("crate::").filter(|(at, _)| {
        !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
    });
    starts.flat_map(|(at, start)| segments(&code[at + start.len()..])).collect()
}

/// Whether a chain of `super`s leaves its top-level module. An inline module takes one of them.
fn leaves_by_super(source: &Source, code: &str) -> bool {
    let inline = code.find("\nmod tests {").unwrap_or(code.len());
    code.match_indices("super::").any(|(at, it)| {
        let first = !code[..at].ends_with("::");
        let row = 1 + code[at + it.len()..].split("super::").take_while(|s| s.is_empty()).count();
        first && row >= source.modules.len() + usize::from(at > inline)
    })
}

#[test]
fn imports_run_one_way() {
    let rules = rules();
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.strip_prefix(root()).unwrap().display();
        let top = source.modules[0].as_str();
        // Tests may import anything. No module depends on them.
        if top == PROGRAMS
            || SEE_ALL.contains(&top)
            || source.modules.last().is_some_and(|it| it == "tests")
        {
            continue;
        }
        let Some(allowed) = rules.get(top) else {
            wrong.push(format!("{path}: no rule says what the module `{top}` may import"));
            continue;
        };
        let code = code(&source.text);
        for name in imports(&code) {
            if name != top && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{path}: `{top}` must not import `{name}`"));
            }
        }
        if leaves_by_super(&source, &code) {
            wrong.push(format!("{path}: `super` leaves the module; write `crate::`"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Rules that allow a cycle would give no direction.
#[test]
fn the_rules_have_no_cycle() {
    let rules = rules();
    let mut order: Vec<&str> = Vec::new();
    while order.len() < rules.len() {
        let next = rules.iter().find(|(name, imports)| {
            !order.contains(*name) && imports.iter().all(|import| order.contains(import))
        });
        let (name, _) = next.unwrap_or_else(|| panic!("a circle beyond {order:?}"));
        order.push(name);
    }
}

#[test]
fn files_have_no_circle() {
    // The library, and each program by its name.
    let mut crates = BTreeMap::<_, Crate>::new();
    for source in sources() {
        let mut path = source.modules;
        let name = match path[0] == PROGRAMS {
            true => path.drain(..2).nth(1),
            false => None,
        };
        let root = if name.is_some() { "main" } else { "lib" };
        if path.first().is_some_and(|first| first == root) {
            path.clear();
        }
        crates.entry(name).or_default().add(path, &source.text);
    }
    assert_eq!(crates.len(), 2, "the library and oauth-doctor");
    let circles: Vec<_> = crates.values().flat_map(Crate::circles).collect();
    let steps = circles.iter().map(|circle| {
        let steps = circle.iter().map(|step| format!("\n  {} uses {}", step.file, step.uses));
        format!("a circle:{}", steps.collect::<String>())
    });
    assert!(circles.is_empty(), "\n{}", steps.collect::<Vec<_>>().join("\n"));
}

#[test]
fn files_stay_small() {
    let mut lines: Vec<_> =
        sources().into_iter().map(|source| (source.text.lines().count(), source.path)).collect();
    lines.sort();
    let (most, path) = lines.last().unwrap();
    assert!(*most <= MOST_LINES, "{} has {most} lines", path.display());
    let (median, _) = lines[lines.len() / 2];
    assert!(median <= MEDIAN_LINES, "the median is {median} lines");
}

/// The library contains no unfinished work, prints or unsafe code.
#[test]
fn the_library_has_no_leftovers() {
    let leftovers = ["todo!(", "unimplemented!(", "dbg!(", "println!(", "eprintln!(", "unsafe {"];
    for source in sources() {
        let code = code(&source.text);
        for leftover in leftovers {
            assert!(!code.contains(leftover), "{}: {leftover}", source.path.display());
        }
        for note in ["TODO", "FIXME", "XXX"] {
            assert!(!source.text.contains(note), "{}: {note}", source.path.display());
        }
    }
}

/// No file refers to anything outside of this repository.
#[test]
fn no_file_refers_to_anything_outside_the_repository() {
    // Joined at run time, so that this file does not contain them.
    let forbidden = [
        ["/tmp", "/"].concat(),
        ["/work", "/"].concat(),
        ["/home", "/"].concat(),
        ["DESIGN", ".md"].concat(),
        ["crates", ".io"].concat(),
    ];
    let mut found = Vec::new();
    files(root(), &mut found);
    for path in found {
        // Cargo writes the registry's name into the lock file.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.ends_with("Cargo.lock") {
            continue;
        }
        for word in &forbidden {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

mod the_checks {
    use super::{Source, code, imports, leaves_by_super};

    #[test]
    fn find_imports_wherever_they_are() {
        let text = "
            use crate::{cache::{TokenCache, View}, error::Error, sync};
            use crate::token::Token; // crate::layer
            /// [`x`](crate::service)
            fn f() -> crate::event::Event { g(\"https://crate.example\") }
            use my_crate::other;
        ";
        assert_eq!(imports(&code(text)), ["cache", "error", "sync", "token", "event"]);
    }

    #[test]
    fn see_a_super_that_leaves() {
        let leaves = |modules: &[&str], text: &str| {
            let modules = modules.iter().map(|&name| name.to_owned()).collect();
            leaves_by_super(&Source { path: "".into(), modules, text: text.into() }, text)
        };
        assert!(leaves(&["layer"], "use super::cache;"));
        assert!(!leaves(&["layer"], "\nmod tests {\n    use super::*;\n}"));
        assert!(leaves(&["layer"], "\nmod tests {\n    use super::super::cache;\n}"));
        assert!(!leaves(&["cache", "flight"], "use super::snapshot;"));
        assert!(leaves(&["cache", "flight"], "use super::super::layer;"));
    }
}
