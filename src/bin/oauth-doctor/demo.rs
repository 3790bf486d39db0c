//! The embedded server of `--demo`.

use std::io;

use tower_oauth2_client_credentials::testing::{
    AuthorizationServer, MockServer, ProtectedApi, RegisteredClient,
};

use crate::{args::Args, credential::DEMO_SECRET};

const CLIENT_ID: &str = "demo-service";

/// Running until it is dropped.
pub(crate) struct Demo {
    _server: MockServer,
    _api: MockServer,
}

/// Starts the server, and points the arguments at it.
pub(crate) async fn start(args: &mut Args) -> io::Result<Demo> {
    let client = RegisteredClient::new(CLIENT_ID).secret(DEMO_SECRET);
    let idp = AuthorizationServer::builder().client(client).build();
    let api = ProtectedApi::new(&idp).listen().await?;
    let server = idp.listen().await?;
    args.issuer = Some(server.issuer());
    args.client_id = Some(CLIENT_ID.to_owned());
    args.api = Some(api.url());
    args.scope.get_or_insert_with(|| "invoices:read".to_owned());
    Ok(Demo { _server: server, _api: api })
}
