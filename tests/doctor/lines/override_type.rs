use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache, token::TokenType,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let source = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_basic("my-service", std::env::var("BILLING_SECRET")?)
        .token_type_override(TokenType::Bearer)
        .build()?;
    Ok(source.into_cache())
}

pub(crate) fn layer(tokens: TokenCache) -> Result<OAuthClientCredentialsLayer, BoxError> {
    let origins = Origins::parse(["https://api.example.com"])?;
    Ok(OAuthClientCredentialsLayer::new(tokens, origins))
}
