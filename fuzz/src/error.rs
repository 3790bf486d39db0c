//! Stands in for the crate's errors in the files that are compiled again here.

use std::borrow::Cow;

pub(crate) enum Problem {
    Config,
}

#[derive(Debug)]
pub(crate) struct Error(pub(crate) String);

impl Error {
    pub(crate) fn of(Problem::Config: Problem) -> Self {
        Self(String::new())
    }

    pub(crate) fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(detail.into().into_owned())
    }
}
