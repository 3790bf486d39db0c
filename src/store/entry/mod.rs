//! The content of an entry: the token, the last failure, and the budget of rejections. It is sealed
//! before a store sees it.
//!
//! Times are milliseconds since 1970 on the wall clock of the process that wrote them.

mod budget;
mod clocks;
mod document;
mod failure;
mod fields;
#[cfg(test)]
mod tests;
mod token;

pub(super) use self::{
    budget::StoredBudget,
    clocks::{BothClocks, millis},
    document::Document,
    failure::StoredFailure,
    token::StoredToken,
};
