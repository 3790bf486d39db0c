use tower_oauth2_client_credentials::{BoxError, ClientCredentials, TokenCache};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let source = ClientCredentials::builder("https://idp.example.com/token")
        .client_assertion_file("my-service", "/run/secrets/token")
        .build()?;
    Ok(source.into_cache())
}
