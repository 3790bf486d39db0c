//! Judges the tests by mutation. `.ci/mutants` runs it, and CONTRIBUTING.md says how.

mod build;
mod cfg;
mod find;
mod judge;
mod listed;
mod options;
mod process;
mod record;
mod rewrite;
mod values;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::Write,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use find::Id;
use judge::{Judge, Outcome};
use options::Options;

const FOLDERS: &[&str] = &["layer", "cache", "endpoint", "client_auth", "dpop", "store", "timing"];
/// All mutants of these run, with any sample.
const ALWAYS: &[&str] = &["src/cache/state/", "src/timing/schedule.rs", "src/layer/challenge/"];

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("mutants: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no parent folder")?;
    let folder = root.join("target/mutants");
    let list = root.join("mutants/survivors.txt");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let listed = listed::read(&text)?;

    let found = find::find(root, FOLDERS)?;
    let build = build::Build { root, folder: folder.clone() };
    let (dropped, binaries) =
        if options.built { build.built(&found)? } else { build.build(&found)? };
    let all: Vec<Id> = (1..found.names.len() as Id).filter(|id| !dropped.contains(id)).collect();
    println!("{} mutants compile, {} do not", all.len(), dropped.len());
    if options.build {
        return Ok(true);
    }

    let temporary = std::env::temp_dir().join(format!("mutants-{}", std::process::id()));
    let process = process::Process { crate_root: build.copy(), temporary };
    let (tests, failed) = record::record(&binaries, &process, &folder)?;
    println!("{} tests; left out, because they fail without a mutant: {failed:#?}", tests.len());

    let name = |id: Id| found.names[id as usize].as_str();
    let selected =
        options.select(&all, name, |name| ALWAYS.iter().any(|path| name.starts_with(path)));
    let outcomes = folder.join("outcomes.tsv");
    let before = fs::read_to_string(&outcomes).unwrap_or_default();
    let mut known: BTreeMap<String, String> = before
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, outcome)| (name.to_owned(), outcome.to_owned()))
        .collect();
    let judge = Judge::new(&binaries, &process, &tests, options.budget);
    let mut file = fs::File::options()
        .append(true)
        .create(true)
        .open(&outcomes)
        .map_err(|error| format!("{}: {error}", outcomes.display()))?;
    let begin = Instant::now();
    for (count, id) in selected.iter().enumerate() {
        let is_caught =
            |known: &String| known.starts_with("caught") || known.starts_with("timed out");
        let is_done = |known: &String| is_caught(known) != listed.contains_key(name(*id));
        if options.rest && known.get(name(*id)).is_some_and(is_done) {
            continue;
        }
        let outcome = match judge.judge(*id) {
            Outcome::Caught(test) => format!("caught\t{test}"),
            Outcome::TimedOut(binary) => format!("timed out\t{binary}"),
            Outcome::Survived => "survived\t".to_owned(),
            Outcome::Unreached => "unreached\t".to_owned(),
        };
        if !is_caught(&outcome) || options.verbose {
            println!("{}/{} {} {outcome}", count + 1, selected.len(), name(*id));
        }
        writeln!(file, "{}\t{outcome}", name(*id)).map_err(|error| error.to_string())?;
        known.insert(name(*id).to_owned(), outcome);
    }

    let of = |id: &Id| {
        known.get(name(*id)).map_or("", |outcome| outcome.split('\t').next().unwrap_or(""))
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for id in &selected {
        *counts.entry(of(id)).or_default() += 1;
        match (of(id), listed.get(name(*id))) {
            ("caught" | "timed out", None) => {}
            ("caught" | "timed out", Some(_)) => {
                problems.push(format!("listed, but a test notices it: {}", name(*id)));
            }
            (_, Some(kind)) => *counts.entry(kind).or_default() += 1,
            (outcome, None) => problems.push(format!("{outcome}, not listed: {}", name(*id))),
        }
    }
    let names: HashSet<_> = all.iter().map(|id| name(*id)).collect();
    let missing = listed.keys().filter(|listed| !names.contains(listed.as_str()));
    problems.extend(missing.map(|name| format!("listed, but there is no such mutant: {name}")));

    let count = |key: &str| counts.get(key).copied().unwrap_or(0);
    let caught = count("caught") + count("timed out");
    println!("\n{} mutants in {} min: {counts:?}", selected.len(), begin.elapsed().as_secs() / 60);
    let judged = selected.len() - count("equivalent");
    println!(
        "{caught} of {judged} that are not equivalent are noticed: {:.1} %",
        100.0 * caught as f64 / judged.max(1) as f64,
    );
    for problem in &problems {
        println!("{problem}");
    }
    Ok(problems.is_empty())
}

/// The default of `--budget`.
const BUDGET: Duration = Duration::from_secs(15);
