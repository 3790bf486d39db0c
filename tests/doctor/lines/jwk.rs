use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenCache, jose::SigningKeySource,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let key = SigningKeySource::from_jwk_file("/run/secrets/key.json");
    let source = ClientCredentials::builder("https://idp.example.com/token")
        .private_key_jwt("my-service", key, "https://idp.example.com/token")
        .build()?;
    Ok(source.into_cache())
}
