//! Client credentials beyond a plain secret: files, signing keys, client assertions.

mod client_assertions;
mod credential_files;
mod signing_keys;
