//! Client assertions against the mock server, in virtual time. An independent library verifies
//! them.

mod provided;
mod signed;
mod skew;
mod support;
