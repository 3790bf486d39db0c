use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenCache, dpop::DpopKey, transport::HyperTransport,
};

pub(crate) fn tokens() -> Result<TokenCache, BoxError> {
    let transport = HyperTransport::builder()
        .proxy("http://proxy.example.com:3128")
        .build()?;
    let source = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_basic("my-service", std::env::var("BILLING_SECRET")?)
        .transport(transport)
        .scope("a")
        .audience("https://api.example.com")
        .resource("urn:a")
        .resource("urn:b")
        .dpop(DpopKey::generate())
        .allow_plain_http()
        .build()?;
    Ok(source.into_cache())
}
