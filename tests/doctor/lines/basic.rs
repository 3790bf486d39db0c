use tower_oauth2_client_credentials::{BoxError, ClientCredentials, TokenCache};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let source = ClientCredentials::discover("https://idp.example.com")
        .client_secret_basic("my-service", std::env::var("BILLING_SECRET")?)
        .scope("invoices:read invoices:write")
        .build()?;
    Ok(source.into_cache())
}
