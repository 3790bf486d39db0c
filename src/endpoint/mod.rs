//! The token endpoint: [`ClientCredentials`] requests a token from it (RFC 6749 §4.4).

mod attempt;
mod attempt_context;
mod body;
mod builder;
#[cfg(feature = "hyper-transport")]
mod certificate_binding;
mod client_credentials;
mod discovery;
#[cfg(feature = "dpop")]
mod dpop;
mod error_response;
mod fields;
mod headers;
mod json_text;
mod lifetime;
mod parameters;
mod request;
mod request_span;
mod response;
mod retry;
mod retry_after;
mod server_message;
mod sharing;
mod token_endpoint;
mod token_members;
mod token_type;
mod transport_error;
mod url;

pub use builder::ClientCredentialsBuilder;
pub use client_credentials::ClientCredentials;
pub use discovery::ServerMetadata;
pub(crate) use discovery::check_issuer;
pub use parameters::ParameterValue;
#[cfg(feature = "jwt")]
pub use parameters::SignedJwt;
pub(crate) use parameters::{
    authorization_details as check_authorization_details, grant_type as check_grant_type,
    resource as check_resource,
};
pub(crate) use url::check as check_token_url;
