//! The targets, by name.

macro_rules! targets {
    ($($name:ident)*) => {
        $(pub mod $name;)*

        /// Runs one input of a target.
        pub type Target = fn(&[u8]);

        /// All targets.
        pub const TARGETS: &[(&str, Target)] = &[$((stringify!($name), $name::run)),*];
    };
}

targets! {
    api_answer
    challenge
    challenge_differential
    config
    discovery
    dpop_nonce
    keys
    origins
    proxy
    retry_after
    stored_entry
    stored_round_trip
    token_response
}
