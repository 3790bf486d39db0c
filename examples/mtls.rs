//! A client that authenticates with its TLS certificate (RFC 8705), gets tokens that are bound to
//! it, and continues when the certificate is replaced. Both servers and all certificates are
//! embedded.
//!
//! ```sh
//! cargo run --example mtls --features testing-rustls
//! ```
//!
//! For real servers, keep the function `client` and change:
//!
//! - the issuer, exactly as your authorization server writes it; or use
//!   `ClientCredentials::builder` with its token URL for mutual TLS, if it has no metadata,
//! - `tls_client_auth` to `self_signed_tls_client_auth`, if the certificate itself is registered
//!   instead of its name,
//! - the client id, and the two files in which your platform puts certificate and key
//!   (cert-manager, SPIFFE helper, Vault agent). Replaced files are picked up,
//! - `only_root_certificates_pem`: remove it if the platform trusts the servers. Then remove
//!   `.transport(…)` too.
//!
//! It exits with an error if a step has another result than the comments say.

use std::{env, fs, path::PathBuf, process, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentials, OAuthClientCredentialsLayer, Origins,
    TokenCache,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::{ChainAndKey, ClientIdentity, HyperClient, HyperTransport},
};

const CLIENT: &str = "my-service";
const NAME: &str = "my-service.internal";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let authority = Authority::new()?;
    let idp =
        AuthorizationServer::builder().client(RegisteredClient::new(CLIENT).dns_name(NAME)).build();
    let api = ProtectedApi::new(&idp);
    let idp_server = idp.listen_tls(authority.server()?).await?;
    let api_server = api.listen_tls(authority.server()?).await?;

    let files = Files::new();
    files.write(&authority.certify(NAME)?)?;
    let identity =
        ClientIdentity::from_files(ChainAndKey { chain: &files.chain, key: &files.key })?;
    let (tokens, mut client) =
        client(&idp_server.issuer(), &api_server.url(), &identity, &authority.pem)?;
    let mut call = async || {
        let request = Request::get(format!("{}/things", api_server.url())).body(Empty::new())?;
        let response = client.ready().await?.call(request).await?;
        println!("certificate {}: {}", identity.thumbprint(), response.status());
        if response.status() == StatusCode::OK { Ok(()) } else { Err(BoxError::from("refused")) }
    };
    call().await?;

    // The token is useless without the certificate.
    let token = tokens.current().ok_or("there is a token")?;
    let other = authority.certify(NAME)?;
    let mut thief = HyperTransport::builder()
        .only_root_certificates_pem(&authority.pem)
        .client_identity_pem(ChainAndKey { chain: &other.chain, key: &other.key })
        .build_client()?;
    let request = Request::get(format!("{}/things", api_server.url()))
        .header("authorization", token.header_value())
        .body(Empty::<Bytes>::new())?;
    let stolen = thief.ready().await?.call(request).await?.status();
    println!("the same token with another certificate: {stolen}");

    // The platform replaces the certificate. Token requests check the files; `reload` does so
    // earlier.
    files.write(&authority.certify(NAME)?)?;
    identity.reload().await?;
    call().await?;

    let counts = (api.accepted(), api.rejected(), idp.token_requests());
    println!("accepted, rejected, token requests: {counts:?}");
    let replaced = identity.generation() == 1;
    let expected = replaced && stolen == StatusCode::UNAUTHORIZED && counts == (2, 1, 2);
    if expected { Ok(()) } else { Err("not as it should be".into()) }
}

type ApiClient = OAuthClientCredentials<HyperClient<Empty<Bytes>>>;

/// The part that your service contains.
fn client(
    issuer: &str,
    api: &str,
    identity: &ClientIdentity,
    roots: &str,
) -> Result<(TokenCache, ApiClient), BoxError> {
    let transport = HyperTransport::builder()
        .only_root_certificates_pem(roots)
        .client_identity(identity.clone());
    let tokens = ClientCredentials::discover(issuer)
        .tls_client_auth(CLIENT)
        .client_identity(identity.clone())
        .transport(transport.build()?)
        .build()?
        .into_cache();
    let http = HyperTransport::builder()
        .only_root_certificates_pem(roots)
        .client_identity(identity.clone())
        .build_client()?;
    let client = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([api])?))
        .service(http);
    Ok((tokens, client))
}

/// A certificate authority, as a platform has one.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

struct Pair {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Result<Self, BoxError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key)?;
        let pem = certificate.pem();
        Ok(Self { certificate: certificate.into(), issuer: Issuer::new(params, key), pem })
    }

    fn certify(&self, name: &str) -> Result<Pair, BoxError> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new([name.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok(Pair { chain: certificate.pem(), key: key.serialize_pem() })
    }

    /// TLS that requires a client certificate of this authority.
    fn server(&self) -> Result<Arc<ServerConfig>, BoxError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let asking =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()?;
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &self.issuer)?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(asking)
            .with_single_cert(
                vec![certificate.into()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
        Ok(Arc::new(config))
    }
}

/// The files of the platform.
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new() -> Self {
        let path = |kind| env::temp_dir().join(format!("mtls-example-{}.{kind}", process::id()));
        Self { chain: path("crt"), key: path("key") }
    }

    fn write(&self, pair: &Pair) -> Result<(), BoxError> {
        fs::write(&self.chain, &pair.chain)?;
        fs::write(&self.key, &pair.key)?;
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.chain);
        let _ = fs::remove_file(&self.key);
    }
}
