// The settings of the FAPI 2.0 Security Profile for a service that acts as itself: one function for
// each client authentication and binding of tokens.

use tower_oauth2_client_credentials::{
    ClientCredentials, client_auth::AssertionAudience, dpop::DpopKey,
    endpoint::ClientCredentialsBuilder, jose::SigningKey, transport::ClientIdentity,
};

/// A key authenticates the client, and another one binds its tokens.
fn private_key_jwt_and_dpop(issuer: &str, key: SigningKey) -> ClientCredentialsBuilder {
    ClientCredentials::discover(issuer)
        .strict_metadata(true)
        .private_key_jwt("my-service", key, AssertionAudience::discovered_issuer())
        .dpop(DpopKey::generate())
}

/// A key authenticates the client, and a certificate binds its tokens.
fn private_key_jwt_and_mtls(
    issuer: &str,
    key: SigningKey,
    certificate: ClientIdentity,
) -> ClientCredentialsBuilder {
    ClientCredentials::discover(issuer)
        .strict_metadata(true)
        .private_key_jwt("my-service", key, AssertionAudience::discovered_issuer())
        .client_identity(certificate)
}

/// A certificate authenticates the client, and a key binds its tokens.
fn mtls_and_dpop(issuer: &str, certificate: ClientIdentity) -> ClientCredentialsBuilder {
    ClientCredentials::discover(issuer)
        .strict_metadata(true)
        .tls_client_auth("my-service")
        .client_identity(certificate)
        .dpop(DpopKey::generate())
}

/// A certificate authenticates the client and binds its tokens.
fn mtls_and_mtls(issuer: &str, certificate: ClientIdentity) -> ClientCredentialsBuilder {
    ClientCredentials::discover(issuer)
        .strict_metadata(true)
        .tls_client_auth("my-service")
        .client_identity(certificate)
}
