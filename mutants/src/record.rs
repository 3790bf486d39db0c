//! Runs each test by itself, and records how long it takes and which mutants it reaches.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    time::{Duration, Instant, UNIX_EPOCH},
};

use crate::{
    build::{Binary, write},
    find::Id,
    process::{Ending, Process},
};

/// A test that takes longer is left out.
const LONGEST: Duration = Duration::from_secs(60);
/// Without tests of the code: they read the sources, or need authorization servers.
const LEFT_OUT: [&str; 2] = ["architecture", "interop"];
/// Their ignored tests need a Redis.
const WITH_IGNORED: [&str; 2] = ["store", "fleet_processes"];

pub struct Test {
    pub binary: usize,
    /// Empty for a program that is one test.
    pub name: String,
    pub time: Duration,
    pub reached: HashSet<Id>,
}

/// The tests that pass without a mutant, and the names of the others.
pub fn record(
    binaries: &[Binary],
    process: &Process,
    folder: &Path,
) -> Result<(Vec<Test>, Vec<String>), String> {
    let (mut tests, mut failed) = (Vec::new(), Vec::new());
    for (number, binary) in binaries.iter().enumerate() {
        if LEFT_OUT.contains(&binary.name.as_str()) {
            continue;
        }
        for line in of_binary(binary, process, folder)?.lines() {
            let mut parts = line.split('\t');
            let mut part = || parts.next().unwrap_or_default();
            let (name, millis, ids) = (part().to_owned(), part(), part());
            match millis.parse() {
                Ok(millis) => tests.push(Test {
                    binary: number,
                    name,
                    time: Duration::from_millis(millis),
                    reached: ids.split(' ').filter_map(|id| id.parse().ok()).collect(),
                }),
                Err(_) => failed.push(format!("{} {name}", binary.name)),
            }
        }
    }
    Ok((tests, failed))
}

/// A line for each test: its name, the milliseconds, the mutants. Kept until the binary changes.
fn of_binary(binary: &Binary, process: &Process, folder: &Path) -> Result<String, String> {
    let about = fs::metadata(&binary.path).map_err(|error| error.to_string())?;
    let built = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let redis = std::env::var_os("INTEROP_REDIS").is_some();
    let key = format!("{} {} {redis}", about.len(), built.unwrap_or_default().as_nanos());
    let kept = folder.join("record").join(format!("{}.tsv", binary.name));
    if let Some((old, lines)) = fs::read_to_string(&kept).unwrap_or_default().split_once('\n')
        && old == key
    {
        return Ok(lines.to_owned());
    }

    let mut names = process.list(&binary.path, &[])?;
    if !WITH_IGNORED.contains(&binary.name.as_str()) {
        let ignored: HashSet<_> = process.list(&binary.path, &["--ignored"])?.into_iter().collect();
        names.retain(|name| !ignored.contains(name));
    }
    println!("recording {} ({} tests)", binary.name, names.len());
    let reached = folder.join("reached");
    let mut lines = String::new();
    for name in names {
        let _ = fs::remove_file(&reached);
        let begin = Instant::now();
        let recorded = process.run(&binary.path, &[&name], "record", Some(&reached), LONGEST);
        let mut time = begin.elapsed();
        let mut passes = recorded == Ending::Passed;
        if !passes && time < LONGEST {
            // Recording allocates, which some tests count.
            let begin = Instant::now();
            passes = process.run(&binary.path, &[&name], "0", None, LONGEST) == Ending::Passed;
            time = begin.elapsed();
        }
        let ids = fs::read(&reached).unwrap_or_default();
        let ids = ids.chunks_exact(4).map(|id| Id::from_le_bytes(id.try_into().expect("4 bytes")));
        let ids: Vec<_> = ids.map(|id| id.to_string()).collect();
        let time = if passes { time.as_millis().to_string() } else { "fails".to_owned() };
        lines += &format!("{name}\t{time}\t{}\n", ids.join(" "));
    }
    write(&kept, format!("{key}\n{lines}"))?;
    Ok(lines)
}
