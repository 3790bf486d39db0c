//! The error of a key that cannot be used.

use std::borrow::Cow;

use crate::error::{Error, Problem};

/// A key, certificate or algorithm cannot be used. `detail` says why and what to do.
pub(super) fn config_error(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::of(Problem::Config).with_detail(detail)
}
