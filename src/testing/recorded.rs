//! Recorded requests, for tests.

use std::{collections::VecDeque, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version, header, request};
use tokio::time::Instant;

use super::form;

/// Maximum number of recorded requests.
const MAX_REQUESTS: usize = 1000;
/// Maximum bytes of their bodies. The newest request is kept with any size.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A request as it arrived, with the credentials it carried.
///
/// `Debug` shows only header values and form values that are never secret.
///
/// # Examples
///
/// ```
/// # use http_body_util::Full;
/// use tower_oauth2_client_credentials::testing::AuthorizationServer;
/// # use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::new();
/// # let request = http::Request::post(idp.token_url())
/// #     .header("content-type", "application/x-www-form-urlencoded")
/// #     .body(Full::<bytes::Bytes>::from("grant_type=client_credentials&client_id=a&client_secret=b&scope=read+write"));
/// # idp.service().call(request.unwrap()).await.unwrap();
/// // … a client asks for a token …
/// let request = &idp.requests()[0];
/// assert_eq!(request.method, "POST");
/// assert_eq!(request.uri.path(), "/token");
/// assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
/// assert_eq!(request.form_value("scope"), Some("read write"));
/// # });
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The URI: only path and query over a socket, the client's URI in memory.
    pub uri: Uri,
    /// The HTTP version.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub body: Bytes,
    /// The decoded fields of a form in their order; empty if the body is not a well-formed form.
    pub form: Vec<(String, String)>,
    /// The client's certificate (DER): of the TLS connection, or a [`ClientCertificate`] among the
    /// request's extensions.
    pub client_certificate: Option<Bytes>,
    /// When its body had arrived, on tokio's clock.
    pub at: Instant,
    /// It came over TLS.
    pub(super) secure: bool,
}

/// A request's extension that stands for the certificate of its TLS connection, in DER, where there
/// is no connection.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ClientCertificate};
/// use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let certificate = Bytes::from_static(b"stands for DER");
/// let idp = AuthorizationServer::builder().client(RegisteredClient::new("me").certificate(certificate.clone())).build();
/// let request = http::Request::post(idp.token_url())
///     .header("content-type", "application/x-www-form-urlencoded")
///     .extension(ClientCertificate(certificate))
///     .body(Full::<Bytes>::from("grant_type=client_credentials&client_id=me"))
///     .unwrap();
/// assert_eq!(idp.service().call(request).await?.status(), 200);
/// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(pub Bytes);

/// A request's extension: it came over TLS.
#[derive(Clone, Copy)]
pub(super) struct Secure;

impl RecordedRequest {
    pub(super) fn new(parts: request::Parts, body: Bytes) -> Self {
        let fields = if form::is_form(&parts.headers) { form::decode(&body) } else { None };
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            body,
            form: fields.unwrap_or_default(),
            client_certificate: parts.extensions.get().map(|ClientCertificate(der)| der.clone()),
            at: Instant::now(),
            secure: parts.extensions.get::<Secure>().is_some(),
        }
    }

    /// The first value of a header field, if it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Scheme and authority that were asked, as far as the request tells.
    pub(super) fn origin(&self) -> String {
        let scheme = match self.uri.scheme_str() {
            _ if self.secure => "https",
            Some(scheme) => scheme,
            None => "http",
        };
        let authority = self.uri.authority().map(|authority| authority.as_str());
        let authority = authority.or_else(|| self.header("host")).unwrap_or_default();
        format!("{scheme}://{authority}")
    }

    /// The first value of a form field. A field without a value counts as left out
    /// (RFC 6749 §3.2).
    pub fn form_value(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|(field, value)| field == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = |name: &str| match name {
            "grant_type" | "scope" | "audience" | "resource" => self.form_value(name),
            _ => None,
        };
        let names: Vec<_> = self.headers.keys().map(header::HeaderName::as_str).collect();
        let form: Vec<_> =
            self.form.iter().map(|(name, _)| (name, open(name).unwrap_or("[redacted]"))).collect();
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("version", &self.version)
            .field("header_names", &names)
            .field("form", &form)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The newest requests, bounded in number and bytes.
#[derive(Default)]
pub(super) struct Log {
    requests: VecDeque<Arc<RecordedRequest>>,
    body_bytes: usize,
}

impl Log {
    pub(super) fn push(&mut self, request: Arc<RecordedRequest>) {
        self.body_bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > MAX_REQUESTS
            || (self.body_bytes > MAX_BODY_BYTES && self.requests.len() > 1)
        {
            let oldest = self.requests.pop_front().expect("there is more than one");
            self.body_bytes -= oldest.body.len();
        }
    }

    pub(super) fn to_vec(&self) -> Vec<RecordedRequest> {
        self.requests.iter().map(|request| RecordedRequest::clone(request)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(path: &str, body: Bytes) -> RecordedRequest {
        let request = http::Request::post(path)
            .header(header::AUTHORIZATION, "Bearer hush")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(())
            .unwrap();
        RecordedRequest::new(request.into_parts().0, body)
    }

    #[test]
    fn the_log_keeps_the_last_thousand() {
        let mut log = Log::default();
        for n in 0..1005 {
            log.push(Arc::new(recorded(&format!("/{n}"), Bytes::from_static(b"x"))));
        }
        let kept = log.to_vec();
        assert_eq!((kept.len(), log.body_bytes), (1000, 1000));
        assert_eq!((kept[0].uri.path(), kept[999].uri.path()), ("/5", "/1004"));
    }

    #[test]
    fn the_log_is_bounded_in_bytes() {
        let mut log = Log::default();
        let big = Bytes::from(vec![b'x'; MAX_BODY_BYTES / 2 + 1]);
        for path in ["/1", "/2", "/3"] {
            let request = http::Request::put(path).body(()).unwrap();
            log.push(Arc::new(RecordedRequest::new(request.into_parts().0, big.clone())));
        }
        assert_eq!(log.to_vec().len(), 1);
        assert_eq!(log.body_bytes, big.len());
    }

    #[test]
    fn debug_shows_no_secret() {
        let request = recorded("/token?key=hush", "client_secret=hush&scope=esp".into());
        let shown = format!("{request:?}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("esp") && shown.contains("authorization"), "{shown}");
        assert_eq!(request.form_value("client_secret"), Some("hush"));
    }
}
