//! How the client shows the token endpoint who it is (RFC 6749 §2.3).
//!
//! One seam for all methods: [`ClientAuth`] completes a [`Draft`] for each attempt anew, so that
//! a rotated secret, or an assertion that may be used once, needs no restart.

mod assertion;
#[cfg(feature = "jwt")]
mod audience;
mod decodings;
mod encodings;
mod form;
mod mtls;
mod provided;
mod secret;
mod sent;
#[cfg(feature = "jwt")]
mod signed;
mod typos;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use crate::{error::Error, secret_file::ReadContext};

pub(crate) use assertion::{AssertionSettings, JWT_BEARER};
#[cfg(feature = "jwt")]
pub use audience::AssertionAudience;
pub(crate) use form::{Form, encoded};
pub(crate) use mtls::TlsClientAuth;
pub(crate) use provided::{AssertionSource, ProvidedAssertion, check_assertion};
pub use secret::Secret;
pub(crate) use sent::{SentSecrets, WITHHELD};
#[cfg(feature = "jwt")]
pub(crate) use signed::{Credential, SignedAssertion, dated_jwt, key_header};

pub(crate) type Authenticating<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// A way to authenticate the client. Its `Debug` shows no secret.
pub(crate) trait ClientAuth: fmt::Debug + Send + Sync {
    /// Completes one attempt's request.
    ///
    /// # Errors
    ///
    /// Kind `Credentials` when the secret, key or assertion cannot be read.
    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a>;

    /// Its name in `token_endpoint_auth_methods_supported` (RFC 8414 §2), to compare with what the
    /// server lists. `None`: it has no registered name.
    fn method(&self) -> Option<&'static str> {
        None
    }

    /// The JWS algorithm of its assertions, to compare with
    /// `token_endpoint_auth_signing_alg_values_supported`.
    fn signing_algorithm(&self) -> Option<&'static str> {
        None
    }

    /// Whether it is the TLS connection that authenticates the client, so that the endpoint meant
    /// for such connections is used (RFC 8705 §5).
    fn uses_mtls(&self) -> bool {
        false
    }

    /// Takes the settings of assertions, if it makes any. Called once, before any use.
    fn configure(&mut self, _settings: &AssertionSettings) {}

    /// Whether it needs the discovered issuer.
    fn wants_issuer(&self) -> bool {
        false
    }

    /// A mistake in its settings, for `build` to report.
    fn mistake(&self) -> Option<&'static str> {
        None
    }

    /// Whether the request says nothing of a client, so that the grant alone must do.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// Whether what it makes holds the time, so that a wrong clock can be why it is refused.
    fn is_dated(&self) -> bool {
        false
    }
}

/// One attempt's request while it is put together.
pub(crate) struct Draft {
    pub(crate) form: Form,
    pub(crate) headers: HeaderMap,
    /// The authorization server's time, as well as it is known.
    pub(crate) now: SystemTime,
    /// How long files may take to read, and where that is reported.
    pub(crate) reading: ReadContext,
    /// The authorization server's issuer identifier, if it was discovered: the audience of a
    /// client assertion.
    #[cfg_attr(not(feature = "jwt"), expect(dead_code))]
    pub(crate) issuer: Option<Arc<str>>,
    /// The secrets that are sent. A server that echoes its input must not get them into a log.
    pub(crate) secrets: SentSecrets,
}

impl Draft {
    pub(crate) fn new(headers: HeaderMap, now: SystemTime) -> Self {
        Self {
            form: Form::default(),
            headers,
            now,
            reading: ReadContext::default(),
            issuer: None,
            secrets: SentSecrets::default(),
        }
    }
}

#[cfg(test)]
impl Default for Draft {
    fn default() -> Self {
        Self::new(HeaderMap::new(), SystemTime::UNIX_EPOCH)
    }
}

const BLANK_SECRET: &str = "client secret: it is empty; pass the secret that the authorization server gave this client, or \
     call public_client";

/// `client_secret_post`: both in the body.
#[derive(Debug)]
pub(crate) struct SecretPost {
    pub(crate) id: String,
    pub(crate) secret: Secret,
}

impl ClientAuth for SecretPost {
    fn mistake(&self) -> Option<&'static str> {
        self.secret.is_blank().then_some(BLANK_SECRET)
    }

    fn method(&self) -> Option<&'static str> {
        Some("client_secret_post")
    }

    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let secret = self.secret.read(&draft.reading).await?;
            draft.form.push("client_id", &self.id);
            draft.form.push("client_secret", &secret);
            draft.secrets.push_password(&self.id, secret);
            Ok(())
        })
    }
}

/// `client_secret_basic`: both in the `Authorization` field.
#[derive(Debug)]
pub(crate) struct SecretBasic {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// As they are, for servers that do not decode (RFC 7617 instead of RFC 6749 §2.3.1).
    pub(crate) raw: bool,
}

impl ClientAuth for SecretBasic {
    fn mistake(&self) -> Option<&'static str> {
        self.secret.is_blank().then_some(BLANK_SECRET)
    }

    fn method(&self) -> Option<&'static str> {
        Some("client_secret_basic")
    }

    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let secret = self.secret.read(&draft.reading).await?;
            let value = if self.raw {
                basic(&self.id, &secret)
            } else {
                basic(&encoded(&self.id), &encoded(&secret))
            };
            draft.headers.insert(header::AUTHORIZATION, value);
            draft.secrets.push_password(&self.id, secret);
            Ok(())
        })
    }
}

/// A public client: it only says who it is.
#[derive(Debug)]
pub(crate) struct PublicClient {
    pub(crate) id: String,
}

impl ClientAuth for PublicClient {
    fn method(&self) -> Option<&'static str> {
        Some("none")
    }

    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        draft.secrets.check("client id", &self.id);
        draft.form.push("client_id", &self.id);
        Box::pin(async { Ok(()) })
    }
}

/// No client at all: the grant says who asks (RFC 7523 §2.1, RFC 8693 §2.1).
#[derive(Debug)]
pub(crate) struct NoClient;

impl ClientAuth for NoClient {
    fn method(&self) -> Option<&'static str> {
        Some("none")
    }

    fn authenticate<'a>(&'a self, _: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async { Ok(()) })
    }

    fn is_anonymous(&self) -> bool {
        true
    }
}

const SCHEME: &[u8] = b"Basic ";

/// `Basic …` (RFC 7617 §2), sensitive, wiped when its last copy is dropped.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let mut pair = Zeroizing::new(String::with_capacity(id.len() + 1 + secret.len()));
    pair.push_str(id);
    pair.push(':');
    pair.push_str(secret);
    // Sized once: a vector that grows leaves copies of the secret behind.
    let mut text = Zeroizing::new(vec![0; SCHEME.len() + pair.len().div_ceil(3) * 4]);
    text[..SCHEME.len()].copy_from_slice(SCHEME);
    STANDARD
        .encode_slice(pair.as_bytes(), &mut text[SCHEME.len()..])
        .expect("padded base64 has this size");
    let mut value =
        HeaderValue::from_maybe_shared(Bytes::from_owner(text)).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn authorization(id: &str, secret: &str, raw: bool) -> HeaderValue {
        let mut draft = Draft::default();
        SecretBasic { id: id.into(), secret: secret.into(), raw }
            .authenticate(&mut draft)
            .await
            .unwrap();
        assert!(draft.form.encode().is_empty());
        draft.headers.remove(header::AUTHORIZATION).unwrap()
    }

    #[tokio::test]
    async fn basic_form_encodes_both_parts_and_writes_a_space_as_percent_20() {
        let value = authorization("my client:1", "p+s% é~", false).await;
        let pair = STANDARD.decode(&value.as_bytes()[6..]).unwrap();
        assert_eq!(pair, b"my%20client%3A1:p%2Bs%25%20%C3%A9%7E");
        assert!(value.is_sensitive());
    }

    #[tokio::test]
    async fn basic_raw_is_rfc_7617s_example() {
        let value = authorization("Aladdin", "open sesame", true).await;
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[tokio::test]
    async fn basic_of_rfc_6749_section_2_3_1() {
        let value = authorization("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", false).await;
        assert_eq!(value, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    }

    #[test]
    fn debug_shows_no_secret() {
        let basic = SecretBasic { id: "me".into(), secret: "hunter2".into(), raw: false };
        let post = SecretPost { id: "me".into(), secret: "hunter2".into() };
        let text = format!("{basic:?} {post:?}");
        assert!(text.contains("me") && !text.contains("hunter2"), "{text}");
    }
}
