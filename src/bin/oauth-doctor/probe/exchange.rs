//! The record of one HTTP exchange. It holds no secret and no token.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, Response, StatusCode, Uri, Version, header};
use serde_json::Value;

use super::{challenge, token_answer::TokenAnswer};
use crate::{recipe::public_part, secrets::Secrets};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Metadata,
    Token,
    Api,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Token => "token",
            Self::Api => "api",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: Kind,
    /// Scheme, host and path. The query is left out, since some servers require keys in it.
    pub(crate) url: String,
    /// `None`: there was no complete answer.
    pub(crate) latency: Option<Duration>,
    /// The middle of the exchange on this machine's clock.
    pub(crate) at: SystemTime,
    /// `None`: there was no complete answer.
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) date: Option<SystemTime>,
    pub(crate) retry_after: Option<String>,
    /// Whether the content type is JSON.
    pub(crate) is_json: bool,
    /// Whether `Cache-Control` has `no-store`.
    pub(crate) is_no_store: bool,
    /// `Via`, or another field that only proxies and caches add.
    pub(crate) proxy_field: Option<String>,
    /// The target of a redirect, without its query.
    pub(crate) location: Option<String>,
    pub(crate) has_dpop_nonce: bool,
    pub(crate) challenges: Vec<String>,
    /// Whether a challenge has the error `use_dpop_nonce`.
    pub(crate) wants_nonce: bool,
    /// Whether a challenge has the error `insufficient_scope`.
    pub(crate) wants_scope: bool,
    pub(crate) is_html: bool,
    /// The OAuth error code, if it is a known one. Decisions need it as it is, so that a short secret
    /// does not hide it.
    pub(crate) code: Option<&'static str>,
    /// Whether an error's description names DPoP.
    names_dpop: bool,
    /// The metadata document.
    pub(crate) document: Option<Value>,
    /// An answer with a token.
    pub(crate) token: Option<TokenAnswer>,
}

impl Answer {
    pub(super) fn read(kind: Kind, response: &Response<bytes::Bytes>, secrets: &Secrets) -> Self {
        let (headers, body) = (response.headers(), response.body());
        let raw = |name: header::HeaderName| {
            headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
        };
        let has = |name, part: &str| {
            raw(name).is_some_and(|text| text.to_ascii_lowercase().contains(part))
        };
        let challenged = |code: &str| {
            let mut values = headers.get_all(header::WWW_AUTHENTICATE).iter();
            values.any(|value| String::from_utf8_lossy(value.as_bytes()).contains(code))
        };
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let member = |name: &str| json.as_ref().and_then(|json| json.get(name));
        if kind == Kind::Token {
            for name in ["access_token", "refresh_token", "id_token"] {
                if let Some(secret) = member(name).and_then(Value::as_str) {
                    secrets.add(secret);
                }
            }
        }
        let code = member("error").and_then(Value::as_str).map(known_code);
        let description = member("error_description").and_then(Value::as_str).unwrap_or_default();
        let names_dpop = description.to_ascii_lowercase().contains("dpop");
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let html = match kind {
            // An API may answer with XML.
            Kind::Api => is_html_document(body) || has(header::CONTENT_TYPE, "text/html"),
            _ => body.trim_ascii_start().first() == Some(&b'<'),
        };
        Self {
            status: response.status(),
            version: response.version(),
            date: raw(header::DATE).and_then(|text| httpdate::parse_http_date(&text).ok()),
            retry_after: raw(header::RETRY_AFTER).map(|text| secrets.clean(&text)),
            is_json: has(header::CONTENT_TYPE, "json"),
            is_no_store: has(header::CACHE_CONTROL, "no-store"),
            proxy_field: proxy_field(headers),
            location: location.map(|text| secrets.clean(&public_part(text))),
            has_dpop_nonce: headers.contains_key("dpop-nonce"),
            challenges: challenge::names(headers, secrets),
            wants_nonce: challenged("use_dpop_nonce"),
            wants_scope: challenged("insufficient_scope"),
            is_html: html,
            token: (kind == Kind::Token && member("access_token").is_some())
                .then(|| json.as_ref().and_then(|json| TokenAnswer::read(json, secrets)))
                .flatten(),
            document: json.filter(|json| kind == Kind::Metadata && json.is_object()),
            code,
            names_dpop,
        }
    }

    /// Whether the credentials were refused, or may have been: some servers say so with another code.
    pub(super) fn is_failed_login(&self) -> bool {
        match self.code {
            Some("use_dpop_nonce" | "invalid_dpop_proof") => false,
            Some("invalid_client") => true,
            _ if self.status == StatusCode::UNAUTHORIZED => true,
            Some("invalid_grant" | "invalid_request" | "access_denied") => {
                self.status == StatusCode::BAD_REQUEST && !self.names_dpop
            }
            _ => false,
        }
    }
}

fn is_html_document(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|start| {
        body.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start.as_bytes()))
    })
}

fn known_code(code: &str) -> &'static str {
    let codes = [
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "access_denied",
        "use_dpop_nonce",
        "invalid_dpop_proof",
    ];
    codes.into_iter().find(|known| *known == code).unwrap_or("other")
}

fn proxy_field(headers: &HeaderMap) -> Option<String> {
    let names = ["via", "x-cache", "x-squid-error", "proxy-authenticate", "proxy-connection"];
    names.into_iter().find(|name| headers.contains_key(*name)).map(str::to_owned)
}

/// Scheme, host and path.
pub(super) fn display(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}
