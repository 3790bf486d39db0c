//! Client assertions against the mock server, in virtual time; an independent library verifies
//! them.

mod provided;
mod signed;
mod skew;
mod support;
