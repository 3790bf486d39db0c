use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenCache, transport::ChainAndKey, transport::ClientIdentity,
    transport::HyperTransport,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let paths = ChainAndKey { chain: "/run/tls/tls.crt", key: "/run/tls/tls.key" };
    let identity = ClientIdentity::from_files(paths)?;
    let transport = HyperTransport::builder()
        .extra_root_certificates_file("/etc/ssl/private-ca.pem")
        .client_identity(identity.clone())
        .build()?;
    let source = ClientCredentials::discover("https://idp.example.com")
        .tls_client_auth("my-service")
        .client_identity(identity)
        .transport(transport)
        .build()?;
    Ok(source.into_cache())
}
