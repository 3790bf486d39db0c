//! The arguments, and the mutants that they select.

use std::{collections::hash_map::DefaultHasher, hash::Hasher, time::Duration};

use crate::{BUDGET, find::Id};

pub struct Options {
    sample: usize,
    seed: u64,
    shard: (usize, usize),
    only: Option<String>,
    pub rest: bool,
    pub build: bool,
    pub built: bool,
    pub budget: Duration,
    pub verbose: bool,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            sample: 600,
            seed: 1,
            shard: (1, 1),
            only: None,
            rest: false,
            build: false,
            built: false,
            budget: BUDGET,
            verbose: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text} is not a number"));
            match argument.as_str() {
                "--all" => options.sample = usize::MAX,
                "--sample" => options.sample = number(value()?)? as usize,
                "--seed" => options.seed = number(value()?)?,
                "--budget" => options.budget = Duration::from_secs(number(value()?)?),
                "--only" => options.only = Some(value()?),
                "--rest" => options.rest = true,
                "--build" => options.build = true,
                "--built" => options.built = true,
                "--verbose" => options.verbose = true,
                "--shard" => {
                    let text = value()?;
                    let parts = text.split_once('/').and_then(|(part, of)| {
                        let (part, of) = (part.parse().ok()?, of.parse().ok()?);
                        (1 <= part && part <= of).then_some((part, of))
                    });
                    options.shard = parts.ok_or(format!("--shard {text}: it must be as 3/8"))?;
                }
                _ => return Err(format!("unknown argument {argument}; .ci/mutants lists them")),
            }
        }
        Ok(options)
    }

    /// The sample depends only on the names, so that a change of the code changes little of it.
    pub fn select<'a>(
        &self,
        all: &[Id],
        name: impl Fn(Id) -> &'a str,
        always: impl Fn(&str) -> bool,
    ) -> Vec<Id> {
        if let Some(text) = &self.only {
            return all.iter().copied().filter(|id| name(*id).contains(text.as_str())).collect();
        }
        let (mut selected, mut others): (Vec<Id>, Vec<Id>) =
            all.iter().partition(|id| always(name(**id)));
        others.sort_by_key(|id| self.place(name(*id)));
        selected.extend(others.into_iter().take(self.sample));
        selected.sort_by_key(|id| self.place(name(*id)));
        let (part, of) = self.shard;
        selected.into_iter().skip(part - 1).step_by(of).collect()
    }

    fn place(&self, name: &str) -> u64 {
        // Stable between runs of one version of Rust, which is enough to repeat a run.
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(name.as_bytes());
        hasher.finish()
    }
}
