//! Longer chapters. Their code is compiled and run with the tests.
//!
//! * [`recipes`]: secrets, private CAs, several APIs, bodies and replays, start-up …
//! * [`stacks`]: hyper, axum, tonic, reqwest, generated OpenAPI clients
//! * [`migration`]: from hand-written code, from `oauth2`, from a reqwest middleware
//! * [`types`]: the type to write in a struct field, and what to do if a stack does not compile
//! * [`programs`]: synchronous programs, credential callbacks
//! * [`serverless`]: functions that are frozen between calls, suspended machines
//! * `tenants` (feature `keyed`): many tokens behind one client
//! * `fleet` (feature `store`): one token for many processes
//! * [`configuration`]: settings from a file or the environment
//! * [`workload_identity`]: AWS, SPIFFE and Kubernetes identities in place of a secret
//! * [`grants`]: token exchange, service accounts and other extension grants
//! * [`providers`]: settings for well-known authorization servers, and how to choose the client
//!   authentication
//! * [`testing`]: testing your service in virtual time
//! * [`observability`]: names, log lines, metrics, alerts, readiness
//! * [`defaults`]: every default, with its reason
//! * [`outages`]: what your request and the authorization server see of each fault
//! * [`security`]: where a token may go, and who can read it; the threat model; FIPS mode
//! * [`security::standards`]: RFC 9700 and FAPI 2.0, with the test of each requirement
//! * [`doctor`]: a program that probes an authorization server and prints the settings to use
//! * [`internals`]: how the crate works inside, for its maintainers

pub mod configuration;
pub mod defaults;
pub mod doctor;
#[cfg(feature = "store")]
#[cfg_attr(docsrs, doc(cfg(feature = "store")))]
pub mod fleet;
pub mod grants;
pub mod internals;
#[cfg(doc)]
pub(crate) mod links;
pub mod migration;
pub mod observability;
pub mod outages;
pub mod programs;
pub mod providers;
pub mod recipes;
pub mod security;
pub mod serverless;
pub mod stacks;
#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
pub mod tenants;
pub mod testing;
pub mod types;
pub mod workload_identity;
