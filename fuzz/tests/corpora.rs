//! Replays the corpora without libFuzzer, on stable Rust.

use std::{
    fs, panic,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use fuzz::targets::TARGETS;

const MAX_FILES: usize = 200;
const MAX_BYTES: u64 = 300 * 1024;

/// Panics in tasks too, which their runtime catches.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// One test, since targets set variables of the process.
#[test]
fn every_corpus_passes() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Relaxed);
        print(info);
    }));
    let (mut files, mut bytes) = (0, 0);
    for (name, run) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            let data = fs::read(&input).unwrap();
            (files, bytes) = (files + 1, bytes + data.len() as u64);
            let passed = panic::catch_unwind(|| run(&data)).is_ok();
            assert!(passed && PANICS.load(Relaxed) == 0, "{}", input.display());
        }
    }
    assert!(files <= MAX_FILES && bytes <= MAX_BYTES, "{files} files, {bytes} bytes: minimize");
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Each target is a program, so that `cargo fuzz` finds it.
#[test]
fn every_target_is_a_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut programs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    programs.sort();
    assert_eq!(programs, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
