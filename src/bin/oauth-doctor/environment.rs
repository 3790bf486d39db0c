//! The environment variables for a client, as `ClientCredentialsConfig::from_env` reads them.

use std::path::PathBuf;

use crate::{
    method::Method,
    recipe::{Recipe, without_credentials, without_query},
};

pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// Whether the value is `$` and the name of another variable, which holds the secret.
    is_reference: bool,
}

impl Variable {
    /// `NAME=value` for a shell.
    pub(crate) fn assignment(&self) -> String {
        let value = match self.is_reference {
            true => format!("\"{}\"", self.value),
            false => quoted(&self.value),
        };
        format!("{}={value}", self.name)
    }
}

/// The variables, and notes about settings that exist in code only.
pub(crate) fn variables(recipe: &Recipe<'_>) -> (Vec<Variable>, Vec<String>) {
    let args = recipe.args;
    let mut variables = Vec::new();
    let mut notes = Vec::new();
    let mut set = |name, value: Option<String>| {
        let value = value.filter(|value| !value.is_empty());
        let is_reference = name == "OAUTH_CLIENT_SECRET";
        variables.extend(value.map(|value| Variable { name, value, is_reference }));
    };
    let text = |path: &PathBuf| path.display().to_string();
    match &args.issuer {
        Some(issuer) => set("OAUTH_ISSUER", Some(issuer.clone())),
        None => set("OAUTH_TOKEN_URL", Some(without_query(args.server()).to_owned())),
    }
    set("OAUTH_CLIENT_ID", Some(args.client_id().to_owned()));
    set("OAUTH_AUTH_METHOD", Some(recipe.method.name().to_owned()));
    if recipe.method.needs_secret() {
        let name = args.secret_env.as_deref().or(args.demo.then_some("DEMO_SECRET"));
        set("OAUTH_CLIENT_SECRET", name.map(|name| format!("${name}")));
        set("OAUTH_CLIENT_SECRET_FILE", args.secret_file.as_ref().map(text));
    }
    let is_key = recipe.method == Method::PrivateKeyJwt;
    if is_key {
        set("OAUTH_PRIVATE_KEY_FILE", args.key_file.as_ref().map(text));
        set("OAUTH_SIGNING_ALGORITHM", recipe.algorithm.map(|it| it.as_str().to_owned()));
        set("OAUTH_KEY_ID", args.key_id.as_deref().map(str::to_owned));
    }
    if is_key || recipe.method == Method::ClientSecretJwt {
        let audience = args.assertion_audience.as_deref();
        let token_url = args.issuer.is_none().then(|| without_query(args.server()));
        set("OAUTH_ASSERTION_AUDIENCE", audience.or(token_url).map(str::to_owned));
    }
    if recipe.method == Method::ClientAssertionFile {
        set("OAUTH_CLIENT_ASSERTION_FILE", args.assertion_file.as_ref().map(text));
    }
    set("OAUTH_CLIENT_CERTIFICATE_FILE", args.cert.as_ref().map(text));
    set("OAUTH_CLIENT_KEY_FILE", args.cert_key().map(text));
    set("OAUTH_CA_FILE", args.ca_file.as_ref().map(text));
    set(
        "OAUTH_PROXY",
        args.proxy.as_deref().map(|url| match url {
            "none" => "none".to_owned(),
            url => without_credentials(url),
        }),
    );
    set("OAUTH_SCOPE", args.scope.as_deref().map(str::to_owned));
    set("OAUTH_AUDIENCE", args.audience.as_deref().map(str::to_owned));
    set("OAUTH_RESOURCE", (!args.resource.is_empty()).then(|| args.resource.join(" ")));

    let mut only_in_code = |call: &str| {
        notes.push(format!("in code only: ClientCredentialsConfig::from_env().builder()?.{call}"));
    };
    if recipe.dpop {
        only_in_code("dpop(DpopKey::generate())");
    }
    if recipe.has_unknown_type {
        only_in_code("token_type_override(TokenType::Bearer)");
    }
    if args.allow_plain_http {
        only_in_code("allow_plain_http()");
    }
    if args.server() != without_query(args.server()) {
        notes.push(
            "the query of the token URL is left out here, since it may be a key; add it".to_owned(),
        );
    }
    let proxy = args.proxy.as_deref().filter(|proxy| *proxy != "none");
    if proxy.is_some_and(|proxy| proxy.contains('@')) {
        notes.push("user and password of the proxy are left out here; add them".to_owned());
    }
    (variables, notes)
}

/// Quoted for a shell, if that is needed.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        // The form of bash, zsh and ksh for control characters.
        false if text.contains(char::is_control) => {
            let escape = |c: char| match c {
                '\\' | '\'' => format!("\\{c}"),
                c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
                c => c.to_string(),
            };
            format!("$'{}'", text.chars().map(escape).collect::<String>())
        }
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
