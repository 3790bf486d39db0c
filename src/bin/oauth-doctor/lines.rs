//! The Rust lines and environment variables for a client.

use std::path::Path;

use crate::{
    environment::{self, Variable},
    method::Method,
    recipe::{Recipe, without_credentials, without_query},
};

pub(crate) struct Lines {
    /// The dependency in Cargo.toml.
    pub(crate) cargo: String,
    /// A function that compiles as it is.
    pub(crate) rust: String,
    pub(crate) environment: Vec<Variable>,
    pub(crate) notes: Vec<String>,
}

impl Lines {
    pub(crate) fn new(recipe: &Recipe<'_>) -> Self {
        let (environment, notes) = environment::variables(recipe);
        let writer = Writer(recipe);
        Self { cargo: writer.cargo(), rust: writer.rust(), environment, notes }
    }
}

/// Writes the lines.
struct Writer<'a>(&'a Recipe<'a>);

impl Writer<'_> {
    fn cargo(&self) -> String {
        let mut parts = env!("CARGO_PKG_VERSION").split('.');
        let version =
            [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()].join(".");
        let jwt = matches!(self.0.method, Method::ClientSecretJwt | Method::PrivateKeyJwt);
        let features = [jwt.then_some("\"jwt\""), self.0.dpop.then_some("\"dpop\"")];
        let features: Vec<_> = features.into_iter().flatten().collect();
        match features[..] {
            [] => format!("tower-oauth2-client-credentials = \"{version}\""),
            _ => format!(
                "tower-oauth2-client-credentials = {{ version = \"{version}\", features = [{}] }}",
                features.join(", ")
            ),
        }
    }

    fn rust(&self) -> String {
        let args = self.0.args;
        let mut imports = vec!["BoxError", "ClientCredentials", "TokenCache"];
        let (mut before, mut chain) = (Vec::new(), Vec::new());
        let mut transport = Vec::new();
        if let Some(path) = &args.ca_file {
            transport.push(format!(".extra_root_certificates_file({})", quoted_path(path)));
        }
        match args.proxy.as_deref() {
            Some("none") => transport.push(".proxy_from_env(false)".to_owned()),
            Some(url) => transport.push(format!(".proxy({:?})", without_credentials(url))),
            None => {}
        }
        chain.push(self.authentication(&mut imports, &mut before));
        if let (Some(certificate), Some(key)) = (&args.cert, args.cert_key()) {
            imports.extend(["transport::ChainAndKey", "transport::ClientIdentity"]);
            before.push(format!(
                "let paths = ChainAndKey {{ chain: {}, key: {} }};",
                quoted_path(certificate),
                quoted_path(key)
            ));
            before.push("let identity = ClientIdentity::from_files(paths)?;".to_owned());
            if !transport.is_empty() {
                transport.push(".client_identity(identity.clone())".to_owned());
            }
            chain.push(".client_identity(identity)".to_owned());
        }
        if !transport.is_empty() {
            imports.push("transport::HyperTransport");
            let calls: String = transport.iter().map(|call| format!("\n        {call}")).collect();
            before.push(format!(
                "let transport = HyperTransport::builder(){calls}\n        .build()?;"
            ));
            chain.push(".transport(transport)".to_owned());
        }
        if let Some(scope) = &args.scope {
            chain.push(format!(".scope({scope:?})"));
        }
        if let Some(audience) = &args.audience {
            chain.push(format!(".audience({audience:?})"));
        }
        chain.extend(args.resource.iter().map(|resource| format!(".resource({resource:?})")));
        if self.0.dpop {
            imports.push("dpop::DpopKey");
            chain.push(".dpop(DpopKey::generate())".to_owned());
        }
        if self.0.has_unknown_type {
            imports.push("token::TokenType");
            chain.push(".token_type_override(TokenType::Bearer)".to_owned());
        }
        if args.allow_plain_http {
            chain.push(".allow_plain_http()".to_owned());
        }
        let start = match &args.issuer {
            Some(issuer) => format!("ClientCredentials::discover({issuer:?})"),
            None => format!("ClientCredentials::builder({:?})", without_query(args.server())),
        };
        let layer = self.layer(&mut imports);
        imports.sort_by_key(|name| (name.contains("::"), *name));
        let before: String = before.iter().map(|line| format!("    {line}\n")).collect();
        let chain: String = chain.iter().map(|call| format!("\n        {call}")).collect();
        format!(
            "{}\n\
             pub(crate) fn tokens() -> Result<TokenCache, BoxError> {{\n{before}    \
             let source = {start}{chain}\n        .build()?;\n    \
             Ok(source.into_cache())\n}}\n{layer}",
            import(&imports)
        )
    }

    fn authentication(&self, imports: &mut Vec<&'static str>, before: &mut Vec<String>) -> String {
        let id = self.0.args.client_id();
        match self.0.method {
            Method::ClientSecretJwt => {
                before.push(format!("let secret = {};", self.secret(imports)));
                imports.push("jose::HmacAlgorithm");
                before.push(format!("let audience = {};", self.audience(imports)));
                format!(".client_secret_jwt({id:?}, secret, HmacAlgorithm::Hs256, audience)")
            }
            Method::PrivateKeyJwt => {
                imports.push("jose::SigningKeySource");
                before.push(format!("let key = {};", self.key(imports)));
                if let Some(key_id) = &self.0.args.key_id {
                    let call = format!("and_then(|key| Ok(key.with_key_id({key_id:?})))");
                    before.push(format!("let key = key.{call};"));
                }
                let audience = self.audience(imports);
                format!(".private_key_jwt({id:?}, key, {audience})")
            }
            Method::ClientAssertionFile => {
                let path = self.0.args.assertion_file.as_deref().map(quoted_path);
                format!(".client_assertion_file({id:?}, {})", path.unwrap_or_default())
            }
            Method::None => format!(".public_client({id:?})"),
            Method::TlsClientAuth | Method::SelfSignedTlsClientAuth => {
                format!(".{}({id:?})", self.0.method)
            }
            method => format!(".{method}({id:?}, {})", self.secret(imports)),
        }
    }

    fn secret(&self, imports: &mut Vec<&'static str>) -> String {
        match (&self.0.args.secret_env, &self.0.args.secret_file) {
            (Some(name), _) => format!("std::env::var({name:?})?"),
            (None, Some(path)) => {
                imports.push("client_auth::Secret");
                format!("Secret::from_file({})", quoted_path(path))
            }
            (None, None) => "std::env::var(\"DEMO_SECRET\")?".to_owned(),
        }
    }

    fn key(&self, imports: &mut Vec<&'static str>) -> String {
        let path = self.0.args.key_file.as_deref().map(quoted_path).unwrap_or_default();
        let algorithm = self.0.algorithm.map(|algorithm| format!("{algorithm:?}"));
        match (self.0.key_is_jwk && self.0.args.algorithm.is_none(), algorithm) {
            (false, Some(algorithm)) => {
                imports.push("jose::SigningAlgorithm");
                let form = if self.0.key_is_jwk { "from_jwk_file_as" } else { "from_pem_file" };
                format!("SigningKeySource::{form}(SigningAlgorithm::{algorithm}, {path})")
            }
            _ => format!("SigningKeySource::from_jwk_file({path})"),
        }
    }

    fn audience(&self, imports: &mut Vec<&'static str>) -> String {
        match (&self.0.args.assertion_audience, &self.0.args.issuer) {
            (Some(audience), _) => format!("{audience:?}"),
            (None, Some(_)) => {
                imports.push("client_auth::AssertionAudience");
                "AssertionAudience::discovered_issuer()".to_owned()
            }
            (None, None) => format!("{:?}", without_query(self.0.args.server())),
        }
    }

    /// The layer, if the API is known.
    fn layer(&self, imports: &mut Vec<&'static str>) -> String {
        let uri = self.0.args.api.as_deref().and_then(|api| api.parse::<http::Uri>().ok());
        let Some((scheme, authority)) =
            uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)))
        else {
            return String::new();
        };
        imports.extend(["OAuthClientCredentialsLayer", "Origins"]);
        format!(
            "\npub(crate) fn layer(tokens: TokenCache) -> Result<OAuthClientCredentialsLayer, BoxError> {{\n    \
             let origins = Origins::parse([\"{scheme}://{authority}\"])?;\n    \
             Ok(OAuthClientCredentialsLayer::new(tokens, origins))\n}}\n"
        )
    }
}

/// The import, in the style of rustfmt.
fn import(names: &[&str]) -> String {
    const WIDTH: usize = 100;
    let start = "use tower_oauth2_client_credentials::{";
    let line = format!("{start}{}}};\n", names.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    let mut text = format!("{start}\n   ");
    let mut width = 3;
    for name in names {
        if width + name.len() + 2 > WIDTH {
            text.push_str("\n   ");
            width = 3;
        }
        text.push_str(&format!(" {name},"));
        width += name.len() + 2;
    }
    text + "\n};\n"
}

fn quoted_path(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
