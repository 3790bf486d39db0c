//! Compares this crate with its alternatives in one run:
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml
//! ```
//!
//! It prints all tables, writes them into `docs/performance.md` and draws the pictures in
//! `docs/performance/` and in the README. With `-- --quick` it takes less than a minute, prints, and writes pictures
//! below `target/` only. With `-- --tail` it prints the last two tables only.
//!
//! All traffic is on loopback. Every crate is built by its public interface, with its own HTTP
//! client, and measured through the same [`peer::Peer`]: a request goes in, and arrives at the
//! inner service with `Authorization`.

mod endpoint;
mod herd;
mod hot;
mod peer;
mod peers;
mod plot;
mod report;
mod stats;
mod steady;
mod tail;

use std::{env, fs, path::Path, process::ExitCode, time::Instant};

use peer::Contestant;
use report::Table;
use steady::Load;
use tokio::runtime::{Builder, Runtime};
use tower_oauth2_client_credentials::BoxError;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    #[cfg(feature = "kube")]
    if let [flag, url] = &arguments[..]
        && flag == peers::kube::PLUGIN
    {
        return match peers::kube::plugin(url) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (quick, tail_alone) = match arguments[..] {
        [] => (false, false),
        ["--quick"] => (true, false),
        ["--tail"] => (false, true),
        _ => {
            eprintln!("usage: peers [--quick | --tail]");
            return ExitCode::FAILURE;
        }
    };
    // The crates bring two providers, and rustls requires a choice.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match if tail_alone { run_tail() } else { run(quick) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A runtime as a small service has it.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn run(quick: bool) -> Result<(), BoxError> {
    let started = Instant::now();
    let said = |what: &str| eprintln!("{:4} s: {what}", started.elapsed().as_secs());
    let contestants: &'static [Contestant] = peers::all().leak();
    steady::assert_authorizes(contestants);
    let one_row_each: Vec<_> = contestants.iter().filter(|it| !it.hot_path_only).collect();

    said("hot path");
    let mut tables = vec![versions(contestants), hot::measure(contestants, quick)];
    said("cold starts");
    let (cold, lines) = herd::cold(contestants, quick);
    tables.extend(cold);
    said("an endpoint that is down");
    tables.push(herd::endpoint_down(contestants, quick));

    said("load over expiries, side by side");
    let watched = if quick { 6 } else { 12 };
    let load = Load { a_second: 200, seconds: watched, lifetime: None };
    let expiries = steady::side_by_side(&one_row_each, load);
    tables.push(steady::table("Load over expiries: renewed every 3 s", load, &expiries));
    said("tokens of 2 s, side by side");
    let load = Load { a_second: 200, seconds: if quick { 5 } else { 10 }, lifetime: Some(2) };
    let short = steady::side_by_side(&one_row_each, load);
    tables.push(steady::table("Tokens of 2 s, all defaults", load, &short));
    said("this crate by itself");
    tables.extend(tails(contestants, quick)?);

    let tables = tables.iter().map(Table::markdown).collect::<Vec<_>>().join("\n");
    let text = format!("{}\n{tables}", machine());
    println!("{text}");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = here.join("../../docs");
    let pictures = if quick { here.join("target/quick") } else { docs.join("performance") };
    fs::create_dir_all(&pictures)?;
    let expiries: Vec<_> = expiries.iter().flatten().collect();
    plot::stalls(&pictures.join("stalls.svg"), &expiries, watched)?;
    plot::herds(&pictures.join("herds.svg"), &lines)?;
    let strips = plot::stalls_as_text(&expiries, watched);
    println!("{strips}");
    if !quick {
        report::replace(&docs.join("performance.md"), &text)?;
        report::replace(&here.join("../../README.md"), &strips)?;
    }
    said("done");
    Ok(())
}

/// Prints the last tables only.
fn run_tail() -> Result<(), BoxError> {
    for table in tails(peers::all().leak(), false)? {
        println!("{}", table.markdown());
    }
    Ok(())
}

fn tails(contestants: &'static [Contestant], quick: bool) -> Result<Vec<Table>, BoxError> {
    let named = |name| contestants.iter().find(|it| it.name == name).ok_or("not there");
    let (floor, layer) = (named(peers::FLOOR)?, named(peers::LAYER)?);
    let kinds =
        [(peers::FLOOR, floor), (peers::LAYER, layer), ("static header, a second time", floor)];
    [(3, if quick { 6 } else { 24 }), (2, if quick { 4 } else { 12 })]
        .map(|(lifetime, seconds)| {
            let load = Load { a_second: 1_000, seconds, lifetime: Some(lifetime) };
            let title =
                format!("This crate: 1,000 requests a second, tokens of {lifetime} s, defaults");
            Ok(tail::table(&title, load, &tail::measure(&kinds, load)?))
        })
        .into_iter()
        .collect()
}

/// The crates, with their versions and how they are used.
fn versions(contestants: &[Contestant]) -> Table {
    let lock = include_str!("../Cargo.lock");
    let version = |package: &str| {
        // The newest version, if others depend on an older one too.
        let (_, rest) = lock.rsplit_once(&format!("name = \"{package}\"\nversion = \""))?;
        rest.split('"').next()
    };
    let mut table = Table::new("Crates", &["", "version", "used through"]);
    for Contestant { name, package, way, .. } in contestants {
        let version = version(package).unwrap_or("?");
        table.row(vec![(*name).into(), version.into(), (*way).into()]);
    }
    table
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "Measured on {model}, {cores} cores, {}; load average at the end {load}.",
        env::consts::OS
    )
}
