//! Requesting tokens from an authorization server: requests, responses, settings, discovery.

mod acquisition;
mod discovery;
mod extension_grants;
mod regressions;
mod settings;
mod token_requests;
mod token_responses;
