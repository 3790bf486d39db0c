//! The transport and the sources of a run.

use http::Uri;
use percent_encoding::percent_decode_str;
use tower_oauth2_client_credentials::{
    ClientCredentials, Error, Origins,
    client_auth::AssertionAudience,
    dpop::DpopKey,
    endpoint::{ClientCredentialsBuilder, ServerMetadata},
    jose::HmacAlgorithm,
    transport::{HyperTransport, HyperTransportBuilder},
};

use super::{
    exchange::{Exchange, Kind},
    recorder::Recorder,
    variant::Variant,
};
use crate::{
    args::Args, credential::Credential, method::Method, recipe::user_info, secrets::Secrets,
};

/// A shorter value of a query is not a key, but a setting such as a version.
const MIN_KEY: usize = 8;

pub(super) struct Setup<'a> {
    pub(super) args: &'a Args,
    pub(super) credential: &'a Credential,
    pub(super) secrets: Secrets,
    pub(super) transport: HyperTransport,
    pub(super) recorder: Recorder,
}

/// The authorization server, as far as it is known.
pub(super) struct Server {
    pub(super) metadata: Option<ServerMetadata>,
}

impl Server {
    /// Whether the metadata lists a method. `None`: it lists none.
    pub(super) fn is_listed(&self, method: Method) -> Option<bool> {
        let listed = self.metadata.as_ref()?.token_endpoint_auth_methods();
        let is_listed = listed.iter().any(|name| name == method.registered_name());
        (!listed.is_empty()).then_some(is_listed)
    }

    pub(super) fn signing_algorithms(&self) -> &[String] {
        match &self.metadata {
            Some(metadata) => metadata.token_endpoint_auth_signing_algorithms(),
            None => &[],
        }
    }
}

impl<'a> Setup<'a> {
    /// # Errors
    ///
    /// A line that says what is wrong.
    pub(super) fn new(
        args: &'a Args,
        credential: &'a Credential,
        secrets: Secrets,
        max_token_requests: usize,
    ) -> Result<Self, String> {
        for url in [args.proxy.as_deref(), Some(args.server()), args.api.as_deref()] {
            add_parts(url.unwrap_or_default(), &secrets);
        }
        let builder = transport_builder(args, credential);
        let transport = builder.build().map_err(|error| format!("{error:?}"))?;
        let recorder = Recorder::new(transport.clone(), secrets.clone(), max_token_requests);
        let this = Self { args, credential, secrets, transport, recorder };
        this.check_url()?;
        Ok(this)
    }

    /// The client's secrets, without those of URLs.
    pub(super) fn given_secrets(&self) -> Secrets {
        let secrets = Secrets::default();
        self.credential.secrets().for_each(|secret| secrets.add(secret));
        secrets
    }

    /// The exchange that got the metadata document.
    pub(super) fn last_document(&self) -> Option<Exchange> {
        let exchanges = self.recorder.exchanges();
        exchanges.into_iter().rev().find(|exchange| {
            let answer = exchange.answer.as_ref();
            exchange.kind == Kind::Metadata && answer.is_some_and(|it| it.document.is_some())
        })
    }

    /// The settings of all connections.
    pub(super) fn transport_builder(&self) -> HyperTransportBuilder {
        transport_builder(self.args, self.credential)
    }

    /// Checks the settings before anything is sent.
    fn check_url(&self) -> Result<(), String> {
        let server = Server { metadata: None };
        let method = self.choose_method(&server);
        let variant = Variant { method, dpop: false, is_secret_encoded: false };
        self.source(&server, variant)?;
        self.check_api()?;
        let uri: Option<Uri> = self.args.server().parse().ok();
        if uri.is_some_and(|uri| uri.scheme_str() == Some("https")) {
            self.transport.check_roots().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The API's URL.
    pub(super) fn api(&self) -> Option<Uri> {
        self.args.api.as_deref()?.parse().ok()
    }

    /// # Errors
    ///
    /// The API's URL is not one that a token may be sent to.
    fn check_api(&self) -> Result<(), String> {
        if self.args.api.is_none() {
            return Ok(());
        }
        let is_allowed = |uri: Uri| {
            let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
            Origins::parse([origin]).ok().or(self.args.allow_plain_http.then(Origins::any))
        };
        match self.api().and_then(is_allowed) {
            Some(_) => Ok(()),
            None => Err("--api: it is not a URL with https, or http to loopback; a token is sent \
                         nowhere else, so correct it"
                .to_owned()),
        }
    }

    /// The stated method, or the first that the credential allows and the metadata lists.
    pub(super) fn choose_method(&self, server: &Server) -> Method {
        let methods = self.credential.methods();
        let listed = methods.iter().find(|method| server.is_listed(**method) == Some(true));
        self.args.auth_method.or(listed.copied()).unwrap_or(methods[0])
    }

    fn start(&self) -> ClientCredentialsBuilder {
        let builder = match &self.args.issuer {
            Some(issuer) => ClientCredentials::discover(issuer),
            None => ClientCredentials::builder(self.args.server()),
        };
        let builder = builder
            .transport(self.recorder.clone())
            .attempts(1)
            .attempt_timeout(self.args.timeout());
        match self.args.allow_plain_http {
            true => builder.allow_plain_http(),
            false => builder,
        }
    }

    /// A source with a method. Each has its own copy of the credentials.
    ///
    /// # Errors
    ///
    /// The mistake in the settings.
    pub(super) fn source(
        &self,
        server: &Server,
        variant: Variant,
    ) -> Result<ClientCredentials, String> {
        let (args, id) = (self.args, self.args.client_id());
        let builder = self.start();
        let audience = || match (&args.assertion_audience, &args.issuer) {
            (Some(audience), _) => AssertionAudience::from(audience.as_str()),
            (None, Some(_)) => AssertionAudience::discovered_issuer(),
            (None, None) => AssertionAudience::from(args.server()),
        };
        let secret = || match &self.credential.secret {
            Some(secret) if variant.is_secret_encoded => encoded(secret),
            Some(secret) => secret.to_string(),
            None => String::new(),
        };
        let mut builder = match variant.method {
            Method::ClientSecretBasic => builder.client_secret_basic(id, secret()),
            Method::ClientSecretBasicRaw => builder.client_secret_basic_raw(id, secret()),
            Method::ClientSecretPost => builder.client_secret_post(id, secret()),
            Method::ClientSecretJwt => {
                builder.client_secret_jwt(id, secret(), HmacAlgorithm::Hs256, audience())
            }
            Method::PrivateKeyJwt => {
                let key = self.credential.signing_key(args, server.signing_algorithms())?;
                builder.private_key_jwt(id, key, audience())
            }
            Method::ClientAssertionFile => {
                let assertion = self.credential.assertion.clone().unwrap_or_default();
                builder.client_assertion_fn(Some(id), move || {
                    let assertion = assertion.to_string();
                    async move { Ok(assertion) }
                })
            }
            Method::TlsClientAuth => builder.tls_client_auth(id),
            Method::SelfSignedTlsClientAuth => builder.self_signed_tls_client_auth(id),
            Method::None => builder.public_client(id),
        };
        if let Some(identity) = &self.credential.identity {
            builder = builder.client_identity(identity.clone());
        }
        if let Some(scope) = &args.scope {
            builder = builder.scope(scope);
        }
        if let Some(audience) = &args.audience {
            builder = builder.audience(audience);
        }
        for resource in &args.resource {
            builder = builder.resource(resource);
        }
        if variant.dpop {
            builder = builder.dpop(DpopKey::generate()).dpop_optional(true);
        }
        builder.build().map_err(|error: Error| in_options(&error))
    }
}

/// The text of an error, with this program's options in place of the crate's functions.
pub(super) fn in_options(error: &Error) -> String {
    error.to_string().replace("or call allow_plain_http", "or add --allow-plain-http")
}

/// Adds the password of a URL and the values of its query, which may be keys.
fn add_parts(url: &str, secrets: &Secrets) {
    let add = |value: &str| {
        secrets.add(value);
        secrets.add(&percent_decode_str(value).decode_utf8_lossy());
    };
    if let Some((_, password)) = user_info(url).and_then(|user| user.split_once(':')) {
        add(password);
    }
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for field in query.split(['&', '#']) {
        let value = field.split_once('=').map_or(field, |(_, value)| value);
        if value.len() >= MIN_KEY {
            add(value);
        }
    }
}

fn transport_builder(args: &Args, credential: &Credential) -> HyperTransportBuilder {
    let mut builder = HyperTransport::builder();
    if let Some(path) = &args.ca_file {
        builder = builder.extra_root_certificates_file(path);
    }
    builder = match args.proxy.as_deref() {
        Some("none") => builder.proxy_from_env(false),
        Some(url) => builder.proxy(url),
        None => builder,
    };
    match &credential.identity {
        Some(identity) => builder.client_identity(identity.clone()),
        None => builder,
    }
}

/// The secret with its first character percent-encoded, to see whether the server decodes.
fn encoded(secret: &str) -> String {
    let mut bytes = secret.bytes();
    let first = bytes.next().map(|byte| format!("%{byte:02X}")).unwrap_or_default();
    // Only used for secrets whose characters form-encoding keeps, so they are ASCII.
    first + secret.get(1..).unwrap_or_default()
}
