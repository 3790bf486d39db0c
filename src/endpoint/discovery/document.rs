//! Parses a metadata document.

use std::{fmt, sync::Arc};

use http::{Uri, uri::Scheme};

use super::{
    issuer::Issuer,
    json_values::{list, text},
};
use crate::{
    endpoint::url,
    error::{Error, Problem, sanitise},
    json_members,
};

/// Maximum size of an endpoint in bytes. It is in `Debug` and in every request.
const MAX_ENDPOINT_BYTES: usize = 2048;

/// The members that are read. Other members of a document cost no memory.
const MEMBERS: [&str; 7] = [
    "issuer",
    "token_endpoint",
    "mtls_endpoint_aliases",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "dpop_signing_alg_values_supported",
    "grant_types_supported",
];

/// The metadata of an authorization server (RFC 8414 §2), as far as this crate uses it.
///
/// Cheap to clone. From [`ClientCredentials::server_metadata`](crate::ClientCredentials::server_metadata).
/// Lists are empty if the server does not state them. They are often wrong.
#[derive(Clone)]
pub struct ServerMetadata(Arc<Members>);

struct Members {
    issuer: Arc<str>,
    token_endpoint: Uri,
    /// `Err` if it cannot be used, which is an error only for clients with a certificate.
    mtls_token_endpoint: Option<Result<Uri, String>>,
    auth_methods: Vec<String>,
    auth_signing_algs: Vec<String>,
    dpop_signing_algs: Vec<String>,
    grant_types: Vec<String>,
}

impl ServerMetadata {
    /// The issuer identifier, equal by code point to the one that was given.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    pub(in crate::endpoint) fn shared_issuer(&self) -> Arc<str> {
        Arc::clone(&self.0.issuer)
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> &Uri {
        &self.0.token_endpoint
    }

    /// The token endpoint for connections with a client certificate (`mtls_endpoint_aliases`,
    /// RFC 8705 §5), if there is one that can be used.
    pub fn mtls_token_endpoint(&self) -> Option<&Uri> {
        self.0.mtls_token_endpoint.as_ref()?.as_ref().ok()
    }

    /// `token_endpoint_auth_methods_supported`.
    pub fn token_endpoint_auth_methods(&self) -> &[String] {
        &self.0.auth_methods
    }

    /// `token_endpoint_auth_signing_alg_values_supported`.
    pub fn token_endpoint_auth_signing_algorithms(&self) -> &[String] {
        &self.0.auth_signing_algs
    }

    /// `dpop_signing_alg_values_supported` (RFC 9449 §5.1).
    pub fn dpop_signing_algorithms(&self) -> &[String] {
        &self.0.dpop_signing_algs
    }

    /// `grant_types_supported`.
    pub fn grant_types(&self) -> &[String] {
        &self.0.grant_types
    }

    fn lists(&self) -> [&Vec<String>; 4] {
        let Members { auth_methods, auth_signing_algs, dpop_signing_algs, grant_types, .. } =
            &*self.0;
        [auth_methods, auth_signing_algs, dpop_signing_algs, grant_types]
    }

    /// The names in all lists.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.lists().into_iter().flatten().map(String::as_str)
    }

    /// The same metadata with fewer names.
    pub(super) fn retain(self, keep: impl Fn(&str) -> bool) -> Self {
        let [auth_methods, auth_signing_algs, dpop_signing_algs, grant_types] = self
            .lists()
            .map(|names| names.iter().filter(|name| keep(name)).cloned().collect::<Vec<_>>());
        Self(Arc::new(Members {
            issuer: Arc::clone(&self.0.issuer),
            token_endpoint: self.0.token_endpoint.clone(),
            mtls_token_endpoint: self.0.mtls_token_endpoint.clone(),
            auth_methods,
            auth_signing_algs,
            dpop_signing_algs,
            grant_types,
        }))
    }

    /// The endpoint for a client with (`mtls`) or without a certificate.
    ///
    /// # Errors
    ///
    /// Kind `Discovery`, when the alias exists and cannot be used.
    pub(super) fn endpoint(&self, mtls: bool) -> Result<&Uri, Error> {
        match &self.0.mtls_token_endpoint {
            Some(Ok(alias)) if mtls => Ok(alias),
            Some(Err(why)) if mtls => Err(Error::of(Problem::Discovery).with_detail(why.clone())),
            _ => Ok(&self.0.token_endpoint),
        }
    }

    /// Reads a document. The content type is ignored, since JSON as text/plain is common.
    ///
    /// # Errors
    ///
    /// The errors do not name the document's URI.
    pub(super) fn read(
        body: &[u8],
        issuer: &Issuer,
        allow_plain_http: bool,
    ) -> Result<Self, Error> {
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let members = json_members::read(body, &MEMBERS).map_err(|why| {
            // The next response may be complete.
            bad("it is not a JSON object").with_retryable(why.is_eof())
        })?;
        let [issuer_member, endpoint_member, aliases, lists @ ..] = members;
        match issuer_member.and_then(text) {
            Some(found) if *found == *issuer.text => {}
            Some(found) => return Err(mismatch(&found, &issuer.text)),
            None => return Err(bad("it names no issuer")),
        }
        let endpoint = |name: &str, text: &str| endpoint(name, text, issuer, allow_plain_http);
        let token_endpoint =
            endpoint_member.and_then(text).ok_or_else(|| bad("it names no token endpoint"))?;
        let alias = aliases
            .and_then(|it| json_members::read(it.get().as_bytes(), &["token_endpoint"]).ok())
            .and_then(|[alias]| alias.and_then(text));
        let [auth_methods, auth_signing_algs, dpop_signing_algs, grant_types] =
            lists.map(|member| member.map(list).unwrap_or_default());
        Ok(Self(Arc::new(Members {
            issuer: Arc::clone(&issuer.text),
            token_endpoint: endpoint("its token_endpoint", &token_endpoint).map_err(bad)?,
            mtls_token_endpoint: alias
                .map(|alias| endpoint("the token_endpoint of its mtls_endpoint_aliases", &alias)),
            auth_methods,
            auth_signing_algs,
            dpop_signing_algs,
            grant_types,
        })))
    }
}

/// A document of an https issuer must not name plain http endpoints. That includes loopback, where any
/// local process could listen.
///
/// # Errors
///
/// What is wrong with it and what to do.
fn endpoint(
    name: &str,
    text: &str,
    issuer: &Issuer,
    allow_plain_http: bool,
) -> Result<Uri, String> {
    if text.len() > MAX_ENDPOINT_BYTES {
        return Err(format!("{name}: it is longer than {MAX_ENDPOINT_BYTES} bytes"));
    }
    let uri = url::parse(name, text, allow_plain_http)?;
    let downgrade =
        issuer.uri.scheme() == Some(&Scheme::HTTPS) && uri.scheme() == Some(&Scheme::HTTP);
    if downgrade && !allow_plain_http {
        return Err(format!(
            "{name}: plain http, though the issuer is https; have the server name an https \
             endpoint, or call allow_plain_http"
        ));
    }
    Ok(uri)
}

fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::of(Problem::Discovery).with_detail(why)
}

fn mismatch(found: &str, asked: &str) -> Error {
    let slash = found.trim_end_matches('/') == asked.trim_end_matches('/');
    let hint = if slash { " (they differ in a slash at the end)" } else { "" };
    let found = sanitise(found);
    Error::of(Problem::IssuerMismatch)
        .with_detail(format!("it names \"{found}\", not \"{asked}\"{hint}"))
}

impl fmt::Debug for ServerMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerMetadata")
            .field("issuer", &self.0.issuer)
            // Without the query, since some servers require keys in it.
            .field("token_host", &self.0.token_endpoint.authority().map(|it| it.as_str()))
            .field("token_path", &self.0.token_endpoint.path())
            .field("token_endpoint_auth_methods", &self.0.auth_methods)
            .field("grant_types", &self.0.grant_types)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: impl AsRef<[u8]>) -> Result<ServerMetadata, Error> {
        let issuer = Issuer::parse("issuer", "https://idp.example.com/t", false).unwrap();
        ServerMetadata::read(body.as_ref(), &issuer, false)
    }

    fn with(members: &str) -> String {
        format!(
            r#"{{"issuer":"https://idp.example.com/t","token_endpoint":"https://a.example/token"{members}}}"#
        )
    }

    #[test]
    fn invalid_utf_8_is_an_error_in_used_members_only() {
        // 0xff in place of the question mark.
        let unused = with(r#","other":"?""#);
        for (json, is_ok) in [(&unused, true), (&with("").replace("token\"", "?\""), false)] {
            let bytes = json.bytes().map(|byte| if byte == b'?' { 0xff } else { byte });
            assert_eq!(read(bytes.collect::<Vec<_>>()).is_ok(), is_ok, "{json}");
        }
    }

    #[test]
    fn known_members_are_read_and_others_ignored() {
        let body = with(
            r#","mtls_endpoint_aliases":{"token_endpoint":"https://mtls.example/token"},
            "token_endpoint_auth_methods_supported":["tls_client_auth",1,"none"],
            "token_endpoint_auth_signing_alg_values_supported":["ES256"],
            "dpop_signing_alg_values_supported":["ES256","PS256"],
            "grant_types_supported":["client_credentials"],"jwks_uri":{"not":"a string"}"#,
        );
        for body in [body.clone(), format!("\u{feff}\r\n {body}\n")] {
            let read = read(&body).unwrap();
            assert_eq!(read.issuer(), "https://idp.example.com/t");
            assert_eq!(read.token_endpoint(), "https://a.example/token");
            assert_eq!(read.mtls_token_endpoint().unwrap(), "https://mtls.example/token");
            assert_eq!(read.endpoint(true).unwrap(), "https://mtls.example/token");
            assert_eq!(read.endpoint(false).unwrap(), "https://a.example/token");
            assert_eq!(read.token_endpoint_auth_methods(), ["tls_client_auth", "none"]);
            assert_eq!(read.token_endpoint_auth_signing_algorithms(), ["ES256"]);
            assert_eq!(read.dpop_signing_algorithms(), ["ES256", "PS256"]);
            assert_eq!(read.grant_types(), ["client_credentials"]);
            assert!(format!("{read:?}").starts_with("ServerMetadata { issuer: "), "{read:?}");
        }
    }

    #[test]
    fn members_that_are_absent_null_or_of_another_type_are_ignored() {
        for odd in [
            "",
            r#","grant_types_supported":null,"mtls_endpoint_aliases":null"#,
            r#","grant_types_supported":"x","mtls_endpoint_aliases":["token_endpoint"]"#,
            r#","grant_types_supported":{},"mtls_endpoint_aliases":{"token_endpoint":1}"#,
        ] {
            let read = read(with(odd)).unwrap();
            assert!(read.grant_types().is_empty(), "{odd}");
            assert_eq!(read.endpoint(true).unwrap(), "https://a.example/token", "{odd}");
        }
    }

    #[test]
    fn long_lists_and_endpoints_are_bounded() {
        let names: String = (0..20_000).map(|n| format!("\"name-{n}\",")).collect();
        let same = "\"same\",".repeat(20_000);
        let body = with(&format!(
            r#","grant_types_supported":[{same}{names}1],"x":[{names}1],
            "dpop_signing_alg_values_supported":["{}"]"#,
            "a".repeat(100_000)
        ));
        let metadata = read(&body).unwrap();
        let types = metadata.grant_types();
        assert_eq!((types.len(), &*types[0], &*types[1]), (64, "same", "name-0"));
        assert!(metadata.dpop_signing_algorithms()[0].len() < 250);
        let path = "a".repeat(MAX_ENDPOINT_BYTES);
        let error = read(with("").replace("/token", &format!("/{path}"))).unwrap_err();
        assert!(error.to_string().contains("its token_endpoint: it is longer than 2048 bytes"));
    }

    #[test]
    fn an_unusable_alias_is_an_error_only_for_clients_with_a_certificate() {
        let body =
            with(r#","mtls_endpoint_aliases":{"token_endpoint":"http://mtls.example/token"}"#);
        let read = read(&body).unwrap();
        assert!(read.endpoint(false).is_ok() && read.mtls_token_endpoint().is_none());
        let error = read.endpoint(true).unwrap_err();
        assert!(error.to_string().contains("mtls_endpoint_aliases: plain http"), "{error}");
    }

    #[test]
    fn an_https_issuer_names_no_plain_http_endpoint_unless_allowed() {
        let read = |issuer: &str, endpoint: &str, allowed: bool| {
            let issuer = Issuer::parse("issuer", issuer, allowed).unwrap();
            let body = serde_json::json!({
                "issuer": &*issuer.text,
                "token_endpoint": endpoint,
                "mtls_endpoint_aliases": {"token_endpoint": endpoint},
            });
            ServerMetadata::read(body.to_string().as_bytes(), &issuer, allowed)
        };
        for plain in ["http://127.0.0.1:1/token", "http://localhost/token", "http://[::1]/token"] {
            let error = read("https://idp.example.com", plain, false).unwrap_err().to_string();
            assert!(error.contains("its token_endpoint: plain http"), "{plain}: {error}");
            assert!(read("HTTPS://idp.example.com", plain, false).is_err(), "{plain}");
            // Both endpoints are usable with an issuer on loopback, or if plain http is allowed.
            for (issuer, allowed) in
                [("http://127.0.0.1:9", false), ("https://idp.example.com", true)]
            {
                let read = read(issuer, plain, allowed).unwrap();
                assert_eq!(read.endpoint(false).unwrap(), plain, "{issuer}");
                assert_eq!(read.endpoint(true).unwrap(), plain, "{issuer}");
            }
            let alias = format!(r#","mtls_endpoint_aliases":{{"token_endpoint":"{plain}"}}"#);
            let error = super::tests::read(with(&alias)).unwrap().endpoint(true).unwrap_err();
            assert!(error.to_string().contains("mtls_endpoint_aliases: plain http"), "{error}");
        }
        assert!(read("http://127.0.0.1:9", "http://idp.example.com/token", false).is_err());
    }

    #[test]
    fn a_document_that_cannot_be_used_says_why() {
        use Problem as K;
        for (body, kind, retryable, why) in [
            ("", K::Discovery, true, "not a JSON object"),
            ("{", K::Discovery, true, "not a JSON object"),
            ("<html>", K::Discovery, false, "not a JSON object"),
            ("[]", K::Discovery, false, "not a JSON object"),
            ("{\"issuer\":1}x", K::Discovery, false, "not a JSON object"),
            ("{}", K::Discovery, false, "names no issuer"),
            (r#"{"issuer":7}"#, K::Discovery, false, "names no issuer"),
            (r#"{"issuer":"https://idp.example.com/t"}"#, K::Discovery, false, "no token endpoint"),
            (
                r#"{"issuer":"https://idp.example.com/t","token_endpoint":"http://a.example/t"}"#,
                K::Discovery,
                false,
                "its token_endpoint: plain http",
            ),
            (
                r#"{"issuer":"https://idp.example.com/t","token_endpoint":"https://a:hunter2@b/t"}"#,
                K::Discovery,
                false,
                "its token_endpoint: it has credentials",
            ),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!((error.problem(), error.is_retryable()), (kind, retryable), "{body}");
            let text = error.to_string();
            assert!(text.contains(why) && !text.contains("hunter2"), "{body}: {text}");
        }
    }

    #[test]
    fn an_issuer_that_differs_in_one_code_point_is_another_issuer() {
        for other in [
            "https://idp.example.com/T",
            "https://idp.example.com/t/",
            "https://idp.example.com/t ",
            "https://idp.example.com:443/t",
            "HTTPS://idp.example.com/t",
            "https://idp.example.com/%74",
            "https://idp.exаmple.com/t", // a Cyrillic а
            "https://idp.example.com/t\\u0000",
            "",
        ] {
            let body = format!(r#"{{"issuer":"{other}","token_endpoint":"https://a.example/t"}}"#);
            let error = read(&body).unwrap_err();
            assert_eq!(error.problem(), Problem::IssuerMismatch, "{other}");
            assert!(error.is_permanent() && !error.is_retryable());
        }
        let escaped = with("").replace("/t\"", "/\\u0074\"");
        assert!(read(&escaped).is_ok(), "escapes are JSON's own");
        let slash = read(r#"{"issuer":"https://idp.example.com/t/"}"#).unwrap_err().to_string();
        assert!(slash.ends_with("(they differ in a slash at the end)"), "{slash}");
    }
}
