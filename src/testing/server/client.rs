//! Client authentication (RFC 6749 §2.3.1).

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::header::AUTHORIZATION;

use crate::testing::{form, recorded::RecordedRequest};

/// A client that a mock authorization server knows. Without a secret or a certificate it is a public
/// client, which authenticates with its id alone. The last method of these counts.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
///
/// let idp = AuthorizationServer::builder()
///     .client(RegisteredClient::new("my-service").secret("s3cret"))
///     .client(RegisteredClient::new("public"))
///     .build();
/// # let _ = idp;
/// ```
#[derive(Clone)]
#[must_use = "pass it to `AuthorizationServerBuilder::client`"]
pub struct RegisteredClient {
    pub(super) id: String,
    pub(super) proof: Proof,
}

impl RegisteredClient {
    /// A client with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), proof: Proof::None }
    }

    /// Sets the secret that the client authenticates with, by `client_secret_basic` or
    /// `client_secret_post` (RFC 6749 §2.3.1).
    pub fn secret(self, secret: impl Into<String>) -> Self {
        Self { proof: Proof::Secret(secret.into()), ..self }
    }

    /// Sets the certificate that the client authenticates with, in DER
    /// (`self_signed_tls_client_auth`, RFC 8705 §2.2).
    pub fn certificate(self, der: Bytes) -> Self {
        Self { proof: Proof::Certificate(der), ..self }
    }

    /// Sets the DNS name in the certificate that the client authenticates with (`tls_client_auth`
    /// with `tls_client_auth_san_dns`, RFC 8705 §2.1.2), of an authority that the TLS listener
    /// trusts.
    #[cfg(feature = "testing-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing-rustls")))]
    pub fn dns_name(self, name: impl Into<String>) -> Self {
        Self { proof: Proof::Name(name.into()), ..self }
    }
}

/// Not the secret.
impl fmt::Debug for RegisteredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How a client proves who it is.
#[derive(Clone)]
pub(super) enum Proof {
    /// It is a public client.
    None,
    Secret(String),
    /// With exactly this certificate (`self_signed_tls_client_auth`, RFC 8705 §2.2).
    Certificate(Bytes),
    /// With a certificate for this DNS name, of an authority that the TLS listener trusts
    /// (`tls_client_auth`, RFC 8705 §2.1).
    #[cfg(feature = "testing-rustls")]
    Name(String),
}

/// Judges a client assertion; an error is the code to refuse it with.
pub(super) type Verifier = Arc<dyn Fn(&RecordedRequest) -> Result<(), &'static str> + Send + Sync>;

/// What a request presents. Other methods (assertions, certificates) are further kinds.
pub(super) enum Presented {
    Secret { id: String, secret: String, basic: bool },
    Assertion { id: String },
    Public { id: String },
}

/// Why a request presents nothing usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpresented {
    /// No credentials at all.
    Nothing,
    /// An `Authorization` field that is not well-formed Basic.
    MalformedBasic,
    /// More than one way at once, or two ids that differ (RFC 6749 §2.3).
    TwoWays,
}

/// Reads the client's credentials. `raw_basic` stands for servers that don't decode the two
/// parts of Basic.
pub(super) fn read(request: &RecordedRequest, raw_basic: bool) -> Result<Presented, Unpresented> {
    let id = request.form_value("client_id");
    let secret = request.form_value("client_secret");
    let assertion = request.form_value("client_assertion");
    let mut basics = request.headers.get_all(AUTHORIZATION).iter();
    if let Some(basic) = basics.next() {
        if basics.next().is_some() || secret.is_some() || assertion.is_some() {
            return Err(Unpresented::TwoWays);
        }
        let (basic_id, secret) =
            read_basic(basic.as_bytes(), raw_basic).ok_or(Unpresented::MalformedBasic)?;
        if id.is_some_and(|id| id != basic_id) {
            return Err(Unpresented::TwoWays);
        }
        return Ok(Presented::Secret { id: basic_id, secret, basic: true });
    }
    match (id, secret, assertion) {
        (_, Some(_), Some(_)) => Err(Unpresented::TwoWays),
        (Some(id), Some(secret), None) => {
            Ok(Presented::Secret { id: id.into(), secret: secret.into(), basic: false })
        }
        (id, None, Some(_)) => Ok(Presented::Assertion { id: id.unwrap_or_default().into() }),
        (Some(id), None, None) => Ok(Presented::Public { id: id.into() }),
        (None, _, None) => Err(Unpresented::Nothing),
    }
}

fn read_basic(value: &[u8], raw: bool) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let part = |bytes: &[u8]| {
        if raw { String::from_utf8(bytes.to_vec()).ok() } else { form::decode_part(bytes) }
    };
    Some((part(&decoded[..colon])?, part(&decoded[colon + 1..])?))
}

impl Presented {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Secret { id, .. } | Self::Assertion { id } | Self::Public { id } => id,
        }
    }

    pub(super) fn used_basic(&self) -> bool {
        matches!(self, Self::Secret { basic: true, .. })
    }

    /// Whether the server accepts it; with no clients configured, it accepts all.
    pub(super) fn is_one_of(
        &self,
        clients: &[RegisteredClient],
        certificate: Option<&Bytes>,
    ) -> bool {
        let proves = |proof: &Proof| match (proof, self) {
            (Proof::Secret(known), Self::Secret { secret, .. }) => known == secret,
            (Proof::None, Self::Public { .. }) => true,
            (Proof::Certificate(known), Self::Public { .. }) => certificate == Some(known),
            #[cfg(feature = "testing-rustls")]
            (Proof::Name(name), Self::Public { .. }) => {
                certificate.is_some_and(|it| crate::testing::certificate::is_for(it, name))
            }
            _ => false,
        };
        clients.is_empty()
            || clients.iter().any(|client| client.id == self.id() && proves(&client.proof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_client_does_not_show_its_secret() {
        let client = RegisteredClient::new("my-service").secret("hunter2");
        let text = format!("{client:?} {client:#?}");
        assert!(text.contains("my-service") && !text.contains("hunter2"), "{text}");
    }

    fn basic(credentials: &str, raw: bool) -> Option<(String, String)> {
        read_basic(format!("Basic {}", STANDARD.encode(credentials)).as_bytes(), raw)
    }

    fn pair(id: &str, secret: &str) -> Option<(String, String)> {
        Some((id.into(), secret.into()))
    }

    #[test]
    fn both_parts_of_basic_are_form_decoded() {
        assert_eq!(basic("id:secret", false), pair("id", "secret"));
        assert_eq!(basic("a%3Ab+c%20d:%25%2B%C3%A9:x", false), pair("a:b c d", "%+é:x"));
        assert_eq!(basic("id:", false), pair("id", ""));
        assert_eq!(basic("id:100%", false), None);
        assert_eq!(basic("no colon", false), None);
    }

    #[test]
    fn raw_basic_is_taken_as_it_is() {
        assert_eq!(basic("a b:100%+:x", true), pair("a b", "100%+:x"));
    }

    #[test]
    fn the_scheme_has_any_case_and_the_rest_must_be_base64() {
        assert_eq!(read_basic(b"bASIC YTpi", false), pair("a", "b"));
        for bad in ["Bearer YTpi", "Basic", "Basic ", "Basic !!!", "Basic YTpi=", "Basicé YTpi"] {
            assert_eq!(read_basic(bad.as_bytes(), false), None, "{bad}");
        }
    }
}
