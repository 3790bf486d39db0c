//! Runs the tests that reach a mutant, and judges whether they notice it.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    build::Binary,
    find::Id,
    process::{Ending, Process},
    record::Test,
};

/// Tests that take longer than this run after the others.
const QUICK: Duration = Duration::from_millis(300);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By a test that failed twice.
    Caught(String),
    TimedOut(String),
    Survived,
    /// No test runs the code.
    Unreached,
}

pub struct Judge<'a> {
    pub binaries: &'a [Binary],
    pub process: &'a Process,
    /// By mutant, the quickest test first.
    tests: HashMap<Id, Vec<&'a Test>>,
    /// The time of the tests that a mutant gets.
    budget: Duration,
}

impl<'a> Judge<'a> {
    pub fn new(
        binaries: &'a [Binary],
        process: &'a Process,
        tests: &'a [Test],
        budget: Duration,
    ) -> Self {
        let mut by_mutant: HashMap<Id, Vec<&Test>> = HashMap::new();
        let mut sorted: Vec<_> = tests.iter().collect();
        sorted.sort_by_key(|test| test.time);
        for test in sorted {
            for id in &test.reached {
                by_mutant.entry(*id).or_default().push(test);
            }
        }
        Self { binaries, process, tests: by_mutant, budget }
    }

    pub fn judge(&self, id: Id) -> Outcome {
        let Some(tests) = self.tests.get(&id) else { return Outcome::Unreached };
        let mut spent = Duration::ZERO;
        let mut batches: BTreeMap<(bool, usize), Vec<&Test>> = BTreeMap::new();
        for test in tests {
            // The quickest one runs in any case.
            if spent > Duration::ZERO && spent + test.time > self.budget {
                break;
            }
            spent += test.time;
            // A program that is one test waits long for its children.
            let is_slow = test.time > QUICK || test.name.is_empty();
            batches.entry((is_slow, test.binary)).or_default().push(test);
        }
        let mut batches: Vec<_> = batches.into_iter().collect();
        batches.sort_by_key(|((slow, _), batch)| (*slow, time(batch)));
        for ((_, binary), batch) in batches {
            let binary = &self.binaries[binary];
            let mut names: Vec<_> = batch.iter().map(|test| test.name.as_str()).collect();
            let limit = time(&batch);
            while !names.is_empty() {
                match self.run(binary, &names, id, limit) {
                    Ending::Passed => break,
                    Ending::TimedOut => return Outcome::TimedOut(binary.name.clone()),
                    Ending::Failed(failed) => {
                        // Again, because a test may fail by chance on a busy machine.
                        let again = match &failed {
                            Some(name) => vec![name.as_str()],
                            None => names.clone(),
                        };
                        let fails = || self.run(binary, &again, id, limit) != Ending::Passed;
                        if (0..3).any(|_| fails()) {
                            let name = failed.unwrap_or("(ended early)".into());
                            return Outcome::Caught(format!("{} {name}", binary.name));
                        }
                        println!("  {} {failed:?} failed only once", binary.name);
                        // Some of the other tests have not run. Without a name, all have now passed.
                        names.retain(|test| failed.as_deref().is_some_and(|name| *test != name));
                    }
                }
            }
        }
        Outcome::Survived
    }

    fn run(&self, binary: &Binary, tests: &[&str], id: Id, time: Duration) -> Ending {
        if tests.is_empty() {
            return Ending::Passed;
        }
        let limit = Duration::from_secs(10) + 4 * time;
        self.process.run(&binary.path, tests, &id.to_string(), None, limit)
    }
}

fn time(batch: &[&Test]) -> Duration {
    batch.iter().map(|test| test.time).sum()
}
