//! Longer chapters; their code is compiled and run with the tests.
//!
//! * [`recipes`]: how to do a particular thing
//! * `tenants` (feature `keyed`): many tokens behind one client
//! * [`configuration`]: settings from a file or the environment
//! * [`stacks`]: with hyper, axum, tonic, reqwest
//! * [`grants`]: token exchange, service accounts and other extension grants
//! * [`providers`]: settings for well-known authorization servers, and which client authentication
//!   to choose
//! * [`defaults`]: every default, and why it is what it is
//! * [`outages`]: what your request and the authorization server see of each fault
//! * [`testing`]: testing your service in virtual time
//! * [`stacks`]: the crate in a stack of yours
//! * [`security`]: where a token may go, and what is kept from whom
//! * [`internals`]: how the crate works inside, for its maintainers

pub mod configuration;
pub mod defaults;
pub mod grants;
pub mod internals;
pub mod outages;
pub mod providers;
pub mod recipes;
pub mod security;
pub mod stacks;
#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
pub mod tenants;
pub mod testing;
