use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenCache, client_auth::AssertionAudience, jose::HmacAlgorithm,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let secret = std::env::var("BILLING_SECRET")?;
    let audience = AssertionAudience::discovered_issuer();
    let source = ClientCredentials::discover("https://idp.example.com")
        .client_secret_jwt("my-service", secret, HmacAlgorithm::Hs256, audience)
        .build()?;
    Ok(source.into_cache())
}
