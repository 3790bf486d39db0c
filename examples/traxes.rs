//! The Traxes DER-connect flow: a token for the scope `esp`, then the entity types that can be
//! onboarded.
//!
//! ```sh
//! TRAXES_CLIENT_ID=… TRAXES_CLIENT_SECRET=… cargo run --example traxes
//! ```
//!
//! `TRAXES_TOKEN_URL` and `TRAXES_API` set other addresses. Without credentials it runs against
//! embedded copies of both servers.

use std::{env, io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Empty, Limited};
use tower::{ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    testing::{AuthorizationServer, MockServer, ProtectedApi, RecordedRequest, RegisteredClient},
    transport::HyperTransport,
};

const TOKEN_PATH: &str = "/am/oauth2/realms/root/realms/difesp/access_token";
const ENTITY_TYPES: &str = "/connect/v1/onboarding/types/entities";
/// More than any response of this API, so that memory is bounded.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The addresses of the two servers, and the credentials.
pub(crate) struct Settings {
    pub(crate) token_url: String,
    pub(crate) api: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Settings {
    /// Reads the environment. `None` without credentials.
    fn from_env() -> Option<Self> {
        let or = |name, default: String| env::var(name).unwrap_or(default);
        Some(Self {
            token_url: or("TRAXES_TOKEN_URL", format!("https://signin.energy{TOKEN_PATH}")),
            api: or("TRAXES_API", "https://api.traxes.io".into()),
            client_id: env::var("TRAXES_CLIENT_ID").ok()?,
            client_secret: env::var("TRAXES_CLIENT_SECRET").ok()?,
        })
    }
}

/// The whole flow: the layer gets the token and adds it.
pub(crate) async fn entity_types(settings: &Settings) -> Result<Response<Bytes>, BoxError> {
    let tokens = ClientCredentials::builder(&settings.token_url)
        .client_secret_post(&settings.client_id, settings.client_secret.as_str())
        .scope("esp")
        .build()?
        .into_cache();
    let client = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse([settings.api.as_str()])?))
        .service(HyperTransport::builder().build_client::<Empty<Bytes>>()?);

    let url = format!("{}{ENTITY_TYPES}", settings.api.trim_end_matches('/'));
    let request = Request::get(url).body(Empty::<Bytes>::new())?;
    let (parts, body) = client.oneshot(request).await?.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

/// Both servers on loopback, with the responses that the documentation shows.
pub(crate) struct LookAlike {
    pub(crate) idp: AuthorizationServer,
    pub(crate) api: ProtectedApi,
    pub(crate) settings: Settings,
    _listening: [MockServer; 2],
}

impl LookAlike {
    pub(crate) async fn start() -> io::Result<Self> {
        // Characters that must be encoded, so that a missing encoding is noticed.
        let (client_id, client_secret) = ("der-connect demo", "not/a+secret & 100 %");
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new(client_id).secret(client_secret))
            .path(TOKEN_PATH)
            .lifetime(Duration::from_secs(3599))
            .no_scope()
            .build();
        let api = ProtectedApi::builder(&idp).resource(resource).build();
        let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
        let settings = Settings {
            token_url: token_server.token_url(),
            api: api_server.url(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
        };
        Ok(Self { idp, api, settings, _listening: [token_server, api_server] })
    }
}

fn resource(request: &RecordedRequest) -> Response<Bytes> {
    let known = request.method == "GET" && request.uri.path() == ENTITY_TYPES;
    let (status, body) = if known {
        (StatusCode::OK, r#"[{"type":"look-alike","description":"no real data"}]"#)
    } else {
        (StatusCode::NOT_FOUND, "{}")
    };
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let response = match Settings::from_env() {
        Some(settings) => {
            println!("POST {}\nGET  {}{ENTITY_TYPES}", settings.token_url, settings.api);
            entity_types(&settings).await?
        }
        None => {
            println!("no TRAXES_CLIENT_ID and TRAXES_CLIENT_SECRET: using the embedded look-alike");
            let look_alike = LookAlike::start().await?;
            let response = entity_types(&look_alike.settings).await?;
            for request in look_alike.idp.requests().iter().chain(&look_alike.api.recorded()) {
                println!("{:4} {}", request.method.as_str(), request.uri.path());
            }
            response
        }
    };
    println!("{}\n{}", response.status(), String::from_utf8_lossy(response.body()));
    if response.status().is_success() { Ok(()) } else { Err("the API refused the request".into()) }
}
