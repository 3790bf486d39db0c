//! Copies the crate, writes all mutants into the copy, and builds its test binaries.

use std::{
    collections::{HashMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader},
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    find::{Found, Id},
    rewrite::{Positions, rewrite},
};

const SWITCH: &str = include_str!("switch.rs");
/// A mutant that always fails at run time is a mutant as well.
const LINTS: &[u8] = b"#![allow(arithmetic_overflow, unconditional_panic)]\n";
/// Everything that a test binary is built from, or reads.
const COPIED: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "src",
    "tests",
    "benches",
    "examples",
    "docs",
    "ops",
    "fuzz",
    "SECURITY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    ".ci",
];

pub struct Build<'a> {
    pub root: &'a Path,
    /// `target/mutants`.
    pub folder: PathBuf,
}

pub struct Binary {
    pub name: String,
    pub path: PathBuf,
}

impl Build<'_> {
    pub fn copy(&self) -> PathBuf {
        self.folder.join("crate")
    }

    /// Returns the mutants that do not compile, and the test binaries with the other ones.
    pub fn build(&self, found: &Found) -> Result<(HashSet<Id>, Vec<Binary>), String> {
        let mut kept = HashSet::new();
        let rewritten: HashSet<_> =
            found.sources.iter().map(|source| source.path.as_str()).collect();
        for name in COPIED {
            self.mirror(Path::new(name), &rewritten, &mut kept)?;
        }
        remove_others(&self.copy(), &kept)?;

        // The names that did not compile last time, if the code is the same.
        let memory = self.folder.join("do-not-compile.txt");
        let key = key(found);
        let before = fs::read_to_string(&memory).unwrap_or_default();
        let mut dropped = match before.split_once('\n') {
            Some((old, names)) if old == key => ids(found, names),
            _ => HashSet::new(),
        };
        loop {
            let positions = self.write(found, &dropped)?;
            let errors = self.errors()?;
            if errors.is_empty() {
                break;
            }
            let failed: HashSet<_> =
                errors.iter().flat_map(|error| blamed(error, &positions)).collect();
            println!("{} errors: {} mutants do not compile", errors.len(), failed.len());
            if failed.is_subset(&dropped) {
                let text = errors[0]["rendered"].as_str().unwrap_or_default();
                return Err(format!("an error belongs to no mutant:\n{text}"));
            }
            dropped.extend(failed);
            let mut names: Vec<_> =
                dropped.iter().map(|id| found.names[*id as usize].as_str()).collect();
            names.sort_unstable();
            write(&memory, format!("{key}\n{}", names.join("\n")))?;
        }
        let binaries = self.test_binaries()?;
        let lines: Vec<_> =
            binaries.iter().map(|it| format!("{}\t{}", it.name, it.path.display())).collect();
        write(&self.folder.join("binaries.tsv"), lines.join("\n"))?;
        Ok((dropped, binaries))
    }

    /// The last build.
    pub fn built(&self, found: &Found) -> Result<(HashSet<Id>, Vec<Binary>), String> {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let dropped = read("do-not-compile.txt");
        let dropped = ids(found, dropped.split_once('\n').unwrap_or_default().1);
        for source in &found.sources {
            let built = fs::read_to_string(self.copy().join(&source.path)).unwrap_or_default();
            if built != rewrite(source, &dropped).0 {
                return Err(format!("{} has changed since the last build", source.path));
            }
        }
        let binaries = read("binaries.tsv");
        let binaries = binaries.lines().filter_map(|line| line.split_once('\t'));
        let binary =
            |(name, path): (&str, &str)| Binary { name: name.to_owned(), path: path.into() };
        Ok((dropped, binaries.map(binary).collect()))
    }

    /// Copies the files that differ, so that cargo rebuilds only these.
    fn mirror(
        &self,
        path: &Path,
        rewritten: &HashSet<&str>,
        kept: &mut HashSet<PathBuf>,
    ) -> Result<(), String> {
        let from = self.root.join(path);
        if from.is_dir() {
            for entry in
                fs::read_dir(&from).map_err(|error| format!("{}: {error}", from.display()))?
            {
                let name = entry.map_err(|error| error.to_string())?.file_name();
                if name != "target" && name != "corpus" && name != "artifacts" {
                    self.mirror(&path.join(name), rewritten, kept)?;
                }
            }
        } else if from.exists() {
            let to = self.copy().join(path);
            if !rewritten.contains(path.to_string_lossy().as_ref()) {
                let mut bytes =
                    fs::read(&from).map_err(|error| format!("{}: {error}", from.display()))?;
                if path == Path::new("src/lib.rs") {
                    bytes = [LINTS, &bytes[..], SWITCH.as_bytes()].concat();
                }
                write(&to, &bytes)?;
                let mode = fs::metadata(&from).map_err(|error| error.to_string())?.permissions();
                fs::set_permissions(&to, mode).map_err(|error| error.to_string())?;
            }
            kept.insert(to);
        }
        Ok(())
    }

    fn write(
        &self,
        found: &Found,
        dropped: &HashSet<Id>,
    ) -> Result<HashMap<String, Positions>, String> {
        let mut all = HashMap::new();
        for source in &found.sources {
            let (text, positions) = rewrite(source, dropped);
            write(&self.copy().join(&source.path), &text)?;
            all.insert(source.path.clone(), positions);
        }
        Ok(all)
    }

    fn cargo(&self, arguments: &[&str], mut on: impl FnMut(Value)) -> Result<bool, String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut child = Command::new(cargo)
            .args(arguments)
            .args(["--all-features", "--message-format=json", "--quiet"])
            .current_dir(self.copy())
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cargo: {error}"))?;
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.map_err(|error| error.to_string())?;
            on(serde_json::from_str(&line).unwrap_or_default());
        }
        Ok(child.wait().map_err(|error| error.to_string())?.success())
    }

    /// The compiler's errors.
    fn errors(&self) -> Result<Vec<Value>, String> {
        let mut errors = Vec::new();
        let ok = self.cargo(&["check", "--lib"], |mut message| {
            let diagnostic = message["message"].take();
            let has_place = diagnostic["spans"].as_array().is_some_and(|spans| !spans.is_empty());
            if diagnostic["level"] == "error" && has_place {
                errors.push(diagnostic);
            }
        })?;
        if !ok && errors.is_empty() {
            return Err(
                "cargo check fails without an error in the sources: run it in target/mutants/crate"
                    .into(),
            );
        }
        Ok(errors)
    }

    fn test_binaries(&self) -> Result<Vec<Binary>, String> {
        println!("building the test binaries");
        let (mut binaries, mut problem) = (Vec::new(), None);
        let ok = self.cargo(&["test", "--no-run", "--tests"], |message| {
            if message["message"]["level"] == "error" {
                problem.get_or_insert(message["message"]["rendered"].to_string());
            }
            let target = &message["target"];
            let is_test =
                message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
            if let (true, Some(path)) = (is_test, message["executable"].as_str()) {
                let name = target["name"].as_str().unwrap_or_default().replace('-', "_");
                let name = if target["kind"][0] == "lib" { "lib".into() } else { name };
                binaries.push(Binary { name, path: path.into() });
            }
        })?;
        binaries.sort_by(|a, b| a.name.cmp(&b.name));
        if ok { Ok(binaries) } else { Err(problem.unwrap_or("cargo test --no-run failed".into())) }
    }
}

/// The mutants with these names, one a line.
fn ids(found: &Found, names: &str) -> HashSet<Id> {
    let names: HashSet<_> = names.lines().collect();
    let ids = 1..found.names.len() as Id;
    ids.filter(|id| names.contains(found.names[*id as usize].as_str())).collect()
}

/// Differs for other code.
fn key(found: &Found) -> String {
    let mut hasher = DefaultHasher::new();
    found.sources.iter().for_each(|source| source.text.hash(&mut hasher));
    format!("{:x}", hasher.finish())
}

/// The mutants that an error belongs to.
fn blamed(error: &Value, positions: &HashMap<String, Positions>) -> Vec<Id> {
    let mut spans = Vec::new();
    ranges(&error["spans"], &mut spans);
    for child in error["children"].as_array().into_iter().flatten() {
        ranges(&child["spans"], &mut spans);
    }
    let find = |look: fn(&Positions, &Range<usize>) -> Vec<Id>| {
        let mut all =
            spans.iter().filter_map(|(file, range)| Some(look(positions.get(file)?, range)));
        all.find(|ids| !ids.is_empty())
    };
    find(Positions::alternatives).or_else(|| find(Positions::around)).unwrap_or_default()
}

/// The places of an error: those that the compiler points at first.
fn ranges(spans: &Value, found: &mut Vec<(String, Range<usize>)>) {
    let mut spans: Vec<_> = spans.as_array().into_iter().flatten().collect();
    spans.sort_by_key(|span| span["is_primary"] != true);
    for mut span in spans {
        // Out of the macros.
        while !span.is_null() {
            let offset = |key: &str| span[key].as_u64().unwrap_or(0) as usize;
            let file = span["file_name"].as_str().unwrap_or_default().to_owned();
            found.push((file, offset("byte_start")..offset("byte_end")));
            span = &span["expansion"]["span"];
        }
    }
}

/// Writes a file unless it has this content.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == content.as_ref()) {
        return Ok(());
    }
    let folder = path.parent().expect("a file has a folder");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, content));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Removes the files of the copy that the crate no longer has.
fn remove_others(folder: &Path, kept: &HashSet<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(&path).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
