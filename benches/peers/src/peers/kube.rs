//! kube-client: the layer of its own stack, with an exec plugin as the source of tokens. The plugin
//! is this program, started again. It asks the token endpoint.

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use jiff::Timestamp;
use kube_client::{
    Config,
    client::ConfigExt,
    config::{AuthInfo, ExecConfig, ExecInteractiveMode},
};
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{API, Contestant, Layered, driven};

/// The argument that starts the plugin. The endpoint's URL follows.
pub const PLUGIN: &str = "--exec-plugin";

pub fn contestant() -> Contestant {
    Contestant {
        name: "kube-client",
        package: "kube-client",
        way: "`ConfigExt::auth_layer`, exec plugin; renews 60 s ahead, which can't be set",
        renewed_every_3s: 63,
        no_herd: Some("`auth_layer` gets the first token, so there is no cold start"),
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                let exec = ExecConfig {
                    api_version: Some("client.authentication.k8s.io/v1".into()),
                    command: Some(env::current_exe()?.to_string_lossy().into_owned()),
                    args: Some(vec![PLUGIN.into(), setup.url]),
                    interactive_mode: Some(ExecInteractiveMode::Never),
                    ..ExecConfig::default()
                };
                let mut config = Config::new(API.parse()?);
                config.auth_info = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
                // It runs the plugin and blocks until the plugin ends.
                let layer = tokio::task::spawn_blocking(move || config.auth_layer()).await??;
                let inner = setup.inner.map_err(|never| -> BoxError { match never {} });
                driven(Layered(layer.ok_or("no layer")?.layer(inner)))
            })
        },
    }
}

/// Prints an `ExecCredential` with a token from the endpoint.
pub fn plugin(url: &str) -> Result<(), BoxError> {
    let host = url.strip_prefix("http://").ok_or("not http")?;
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "POST /token HTTP/1.0\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    let answer: serde_json::Value = serde_json::from_str(body)?;
    let token = answer["access_token"].as_str().ok_or("no token")?;
    let lifetime = answer["expires_in"].as_u64().ok_or("no lifetime")?;
    let expiry = Timestamp::now() + Duration::from_secs(lifetime);
    println!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"{token}","expirationTimestamp":"{expiry}"}}}}"#
    );
    Ok(())
}
