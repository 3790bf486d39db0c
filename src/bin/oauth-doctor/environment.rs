//! The environment variables for a client, as `ClientCredentialsConfig::from_env` reads them.

use std::path::Path;

use crate::{
    lines::{Recipe, without_credentials, without_query},
    method::Method,
};

/// The variables, and notes about settings that exist in code only.
pub(crate) fn variables(recipe: &Recipe<'_>) -> (Vec<(&'static str, String)>, Vec<String>) {
    let args = recipe.args;
    let mut variables = Vec::new();
    let mut notes = Vec::new();
    let mut set = |name, value: Option<String>| {
        variables.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    };
    let path = |path: &Option<std::path::PathBuf>| path.as_deref().map(Path::display).map(quoted);
    match &args.issuer {
        Some(issuer) => set("OAUTH_ISSUER", Some(quoted(issuer))),
        None => set("OAUTH_TOKEN_URL", Some(quoted(without_query(args.server())))),
    }
    set("OAUTH_CLIENT_ID", Some(quoted(args.client_id())));
    set("OAUTH_AUTH_METHOD", Some(recipe.method.name().to_owned()));
    if recipe.method.needs_secret() {
        let name = args.secret_env.as_deref().or(args.demo.then_some("DEMO_SECRET"));
        set("OAUTH_CLIENT_SECRET", name.map(|name| format!("\"${name}\"")));
        set("OAUTH_CLIENT_SECRET_FILE", path(&args.secret_file));
    }
    let is_key = recipe.method == Method::PrivateKeyJwt;
    if is_key {
        set("OAUTH_PRIVATE_KEY_FILE", path(&args.key_file));
        set("OAUTH_SIGNING_ALGORITHM", recipe.algorithm.map(|it| it.as_str().to_owned()));
        set("OAUTH_KEY_ID", args.key_id.as_deref().map(quoted));
    }
    if is_key || recipe.method == Method::ClientSecretJwt {
        let audience = args.assertion_audience.as_deref();
        let token_url = args.issuer.is_none().then(|| without_query(args.server()));
        set("OAUTH_ASSERTION_AUDIENCE", audience.or(token_url).map(quoted));
    }
    if recipe.method == Method::ClientAssertionFile {
        set("OAUTH_CLIENT_ASSERTION_FILE", path(&args.assertion_file));
    }
    set("OAUTH_CLIENT_CERTIFICATE_FILE", path(&args.cert));
    set("OAUTH_CLIENT_KEY_FILE", args.cert_key().map(|path| quoted(path.display())));
    set("OAUTH_CA_FILE", path(&args.ca_file));
    set(
        "OAUTH_PROXY",
        args.proxy.as_deref().map(|url| match url {
            "none" => "none".to_owned(),
            url => quoted(without_credentials(url)),
        }),
    );
    set("OAUTH_SCOPE", args.scope.as_deref().map(quoted));
    set("OAUTH_AUDIENCE", args.audience.as_deref().map(quoted));
    set("OAUTH_RESOURCE", (!args.resource.is_empty()).then(|| quoted(args.resource.join(" "))));

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
fn quoted(text: impl ToString) -> String {
    let text = text.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
