//! The record of one HTTP exchange. It holds no secret and no token.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, Response, StatusCode, Uri, Version, header};
use serde_json::Value;

use super::{challenge, token_answer::TokenAnswer};
use crate::{recipe::without_query, secrets::Secrets};

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
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    /// `Via`, or another field that only proxies and caches add.
    pub(crate) proxy_field: Option<String>,
    /// The target of a redirect, without its query.
    pub(crate) location: Option<String>,
    pub(crate) has_dpop_nonce: bool,
    pub(crate) challenges: Vec<String>,
    pub(crate) is_html: bool,
    /// The OAuth error code.
    pub(crate) code: Option<String>,
    /// The metadata document.
    pub(crate) document: Option<Value>,
    /// An answer with a token.
    pub(crate) token: Option<TokenAnswer>,
}

impl Answer {
    pub(super) fn read(kind: Kind, response: &Response<bytes::Bytes>, secrets: &Secrets) -> Self {
        let (headers, body) = (response.headers(), response.body());
        let text = |name: header::HeaderName| {
            headers.get(name).map(|value| secrets.clean(&String::from_utf8_lossy(value.as_bytes())))
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
        let code = member("error").and_then(Value::as_str).map(|code| secrets.clean(code));
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let html = body.trim_ascii_start().first() == Some(&b'<');
        Self {
            status: response.status(),
            version: response.version(),
            date: text(header::DATE).and_then(|text| httpdate::parse_http_date(&text).ok()),
            retry_after: text(header::RETRY_AFTER),
            content_type: text(header::CONTENT_TYPE),
            cache_control: text(header::CACHE_CONTROL),
            proxy_field: proxy_field(headers),
            location: location.map(|text| secrets.clean(without_query(text))),
            has_dpop_nonce: headers.contains_key("dpop-nonce"),
            challenges: challenge::names(headers, secrets),
            is_html: html,
            token: (kind == Kind::Token && member("access_token").is_some())
                .then(|| json.as_ref().and_then(|json| TokenAnswer::read(json, secrets)))
                .flatten(),
            document: json.filter(|json| kind == Kind::Metadata && json.is_object()),
            code,
        }
    }

    /// Whether the credentials were refused.
    pub(super) fn is_failed_login(&self) -> bool {
        match &self.code {
            Some(code) => code == "invalid_client",
            None => self.status == StatusCode::UNAUTHORIZED,
        }
    }
}

fn proxy_field(headers: &HeaderMap) -> Option<String> {
    let names = ["via", "x-cache", "x-squid-error", "proxy-authenticate", "proxy-connection"];
    names.into_iter().find(|name| headers.contains_key(*name)).map(str::to_owned)
}

/// Scheme, host and path.
pub(super) fn display(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}
