use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenCache, client_auth::Secret,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let source = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_post("my-service", Secret::from_file("/run/secrets/idp"))
        .build()?;
    Ok(source.into_cache())
}
