//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Parser, ValueEnum};

use crate::{exit, method::Method, secrets::Secrets};

/// Probes an OAuth 2.0 authorization server with the client-credentials grant, reports what it finds,
/// and prints the Rust lines and environment variables to use.
#[derive(Clone, Debug, Parser)]
#[command(name = "oauth-doctor", version, after_help = exit::TABLE)]
#[command(group = ArgGroup::new("server").required(true).args(["issuer", "token_url", "demo"]))]
#[command(group = ArgGroup::new("credential").args(
    ["secret_env", "secret_file", "key_file", "assertion_file"]
))]
pub(crate) struct Args {
    /// Issuer of the authorization server. Its metadata is read.
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Token endpoint, if the server has no metadata.
    #[arg(long, value_name = "URL")]
    pub(crate) token_url: Option<String>,
    /// Probe an embedded mock server instead.
    #[arg(long, conflicts_with_all = ["credential", "client_id", "cert", "api", "auth_method"])]
    pub(crate) demo: bool,

    /// Client id.
    #[arg(long, value_name = "ID", required_unless_present = "demo")]
    pub(crate) client_id: Option<String>,
    /// Environment variable that holds the client secret.
    #[arg(long, value_name = "NAME")]
    pub(crate) secret_env: Option<String>,
    /// File that holds the client secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Private key for `private_key_jwt`, as a PEM or JWK.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Client assertion that another program keeps fresh.
    #[arg(long, value_name = "FILE")]
    pub(crate) assertion_file: Option<PathBuf>,
    /// Client certificate with its chain, as PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Key of the client certificate. Default: in the file of the certificate.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) cert_key: Option<PathBuf>,
    /// Client authentication. Default: chosen by the credential and the metadata.
    #[arg(long, value_name = "METHOD")]
    pub(crate) auth_method: Option<Method>,
    /// Signing algorithm of the private key, such as RS256. Default: by the key.
    #[arg(long, value_name = "ALG", requires = "key_file")]
    pub(crate) algorithm: Option<String>,
    /// Key id (`kid`) for the client assertion.
    #[arg(long, value_name = "KID", requires = "key_file")]
    pub(crate) key_id: Option<String>,
    /// Audience of a signed client assertion. Default: the issuer, or the token URL.
    #[arg(long, value_name = "URL")]
    pub(crate) assertion_audience: Option<String>,

    /// Scope, separated by spaces.
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// The parameter `audience`.
    #[arg(long)]
    pub(crate) audience: Option<String>,
    /// Resource indicator (RFC 8707). Can be repeated.
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Vec<String>,
    /// Bind the token to a new key (DPoP).
    #[arg(long)]
    pub(crate) dpop: bool,

    /// URL of an API that is called once with the token (GET).
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// Root certificates as PEM, trusted in addition to the platform's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Proxy, or `none`. Default: HTTPS_PROXY, NO_PROXY and others, as curl reads them.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Allow plain http to hosts that are not loopback. Anyone on the way reads the secret.
    #[arg(long)]
    pub(crate) allow_plain_http: bool,
    /// Maximum duration of one exchange in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) timeout: u64,

    /// Send up to 8 token requests: other methods, a second token, DPoP.
    #[arg(long)]
    pub(crate) thorough: bool,
    /// Do not ask before --thorough.
    #[arg(long, requires = "thorough")]
    pub(crate) yes: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colors. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Args {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(crate) fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// The issuer or token URL.
    pub(crate) fn server(&self) -> &str {
        self.issuer.as_deref().or(self.token_url.as_deref()).unwrap_or_default()
    }

    /// A copy in which secrets are replaced, and the options that they were in.
    pub(crate) fn redacted(&self, secrets: &Secrets) -> (Self, Vec<&'static str>) {
        let mut copy = self.clone();
        let mut changed = Vec::new();
        let texts = [
            ("--issuer", &mut copy.issuer),
            ("--token-url", &mut copy.token_url),
            ("--client-id", &mut copy.client_id),
            ("--secret-env", &mut copy.secret_env),
            ("--key-id", &mut copy.key_id),
            ("--assertion-audience", &mut copy.assertion_audience),
            ("--scope", &mut copy.scope),
            ("--audience", &mut copy.audience),
            ("--api", &mut copy.api),
            ("--proxy", &mut copy.proxy),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_mut()?)));
        let resources = copy.resource.iter_mut().map(|text| ("--resource", text));
        for (name, text) in texts.chain(resources) {
            if secrets.replace(text) {
                changed.push(name);
            }
        }
        let paths = [
            ("--secret-file", &mut copy.secret_file),
            ("--key-file", &mut copy.key_file),
            ("--assertion-file", &mut copy.assertion_file),
            ("--cert", &mut copy.cert),
            ("--cert-key", &mut copy.cert_key),
            ("--ca-file", &mut copy.ca_file),
        ];
        for (name, path) in paths {
            let Some(path) = path else { continue };
            let mut text = path.display().to_string();
            if secrets.replace(&mut text) {
                *path = text.into();
                changed.push(name);
            }
        }
        changed.dedup();
        (copy, changed)
    }

    pub(crate) fn cert_key(&self) -> Option<&PathBuf> {
        self.cert_key.as_ref().or(self.cert.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }
}
