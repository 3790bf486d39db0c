//! Runs the code of the examples in common stacks, over real sockets.
#![allow(missing_docs, unreachable_pub)]

mod axum_backend;
mod hyper_clients;
mod sidecar;

use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials,
    testing::{AuthorizationServer, MockServer, RegisteredClient},
};

/// An authorization server on a socket, and the settings of its client.
struct Idp {
    idp: AuthorizationServer,
    listening: MockServer,
}

impl Idp {
    async fn start() -> Self {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("stack").secret("s3cret"))
            .build();
        let listening = idp.listen().await.unwrap();
        Self { idp, listening }
    }

    fn client(&self) -> Result<ClientCredentials, BoxError> {
        let builder = ClientCredentials::builder(self.listening.token_url());
        Ok(builder.client_secret_basic("stack", "s3cret").attempts(1).build()?)
    }
}
