use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenCache, client_auth::AssertionAudience, jose::SigningAlgorithm,
    jose::SigningKeySource,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let key = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, "/run/secrets/key.pem");
    let key = key.and_then(|key| Ok(key.with_key_id("2026-11")));
    let source = ClientCredentials::discover("https://idp.example.com")
        .private_key_jwt("my-service", key, AssertionAudience::discovered_issuer())
        .build()?;
    Ok(source.into_cache())
}
