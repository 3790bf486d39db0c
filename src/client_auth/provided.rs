//! Assertions that someone else makes: a file (a Kubernetes projected token, an Entra ID federated
//! credential) or a closure (a SPIFFE JWT-SVID).

use std::{
    fmt,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{AssertionSettings, Authenticating, ClientAuth, Draft};
use crate::{
    error::{BoxError, Error, ErrorKind},
    secret_file,
};

type Providing = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// Where the assertion is read.
pub(crate) enum AssertionSource {
    File(Arc<Path>),
    Provider(Box<dyn Fn() -> Providing + Send + Sync>),
}

impl AssertionSource {
    pub(crate) fn from_fn<F, Fut>(provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Self::Provider(Box::new(move || Box::pin(provider())))
    }

    async fn read(&self) -> Result<Zeroizing<String>, BoxError> {
        let text = match self {
            Self::File(path) => secret_file::read(path).await?,
            Self::Provider(provider) => Zeroizing::new(provider().await?),
        };
        match text.trim() {
            "" => Err("the client assertion is empty".into()),
            trimmed => Ok(Zeroizing::new(trimmed.to_owned())),
        }
    }
}

/// An assertion, and its end where it tells one.
#[derive(Clone)]
struct Assertion {
    text: Zeroizing<String>,
    expires_at: Option<SystemTime>,
}

pub(crate) struct ProvidedAssertion {
    id: Option<String>,
    source: AssertionSource,
    settings: AssertionSettings,
    /// Never held over an await.
    last_good: Mutex<Option<Assertion>>,
}

impl ProvidedAssertion {
    pub(crate) fn new(id: Option<String>, source: AssertionSource) -> Self {
        let settings = AssertionSettings::default();
        Self { id, source, settings, last_good: Mutex::new(None) }
    }

    /// A read that fails, or catches the file while it is written, is bridged by the one before.
    async fn read(&self, now: SystemTime) -> Result<Zeroizing<String>, Error> {
        let read = self.source.read().await;
        let mut last_good = self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = match read.and_then(|text| self.check(text)) {
            Ok(assertion) => {
                *last_good = Some(assertion.clone());
                return Ok(assertion.text);
            }
            Err(cause) => cause,
        };
        let error = match &self.source {
            AssertionSource::File(path) => format!("client assertion file {}", path.display()),
            AssertionSource::Provider(_) => "the client assertion's closure failed".to_owned(),
        };
        match &*last_good {
            Some(assertion) if assertion.expires_at.is_none_or(|end| now < end) => {
                tracing::warn!(error, %cause, "the client assertion read before is used again");
                Ok(Zeroizing::clone(&assertion.text))
            }
            _ => Err(Error::new(ErrorKind::Credentials).with_detail(error).with_source(cause)),
        }
    }

    /// Of an assertion that is no JWT nothing is known.
    fn check(&self, text: Zeroizing<String>) -> Result<Assertion, BoxError> {
        let kind = self.settings.assertion_type.rsplit(':').next().unwrap_or_default();
        let expires_at = if kind.starts_with("jwt") {
            jwt_end(&text).ok_or("the client assertion is not a whole JWT")?
        } else {
            None
        };
        Ok(Assertion { text, expires_at })
    }
}

/// The `exp` of a JWT, or nothing if the text is not a whole one. The outer nothing is for a cut
/// one; signatures are of known lengths.
fn jwt_end(text: &str) -> Option<Option<SystemTime>> {
    let mut parts = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (header, claims, signature) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let header: Value = serde_json::from_slice(&header).ok()?;
    let least = match header.get("alg")?.as_str()? {
        "ES256" | "EdDSA" | "HS512" => 64,
        "ES384" => 96,
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => 128,
        _ => 1,
    };
    // An RSA modulus of a whole number of words: a cut one is hardly that.
    if signature.len() < least || (least == 128 && !signature.len().is_multiple_of(8)) {
        return None;
    }
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let expires_at = claims.as_object()?.get("exp").and_then(Value::as_f64);
    Some(expires_at.and_then(|exp| UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(exp).ok()?)))
}

impl ClientAuth for ProvidedAssertion {
    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let assertion = self.read(draft.now).await?;
            draft.secrets.check("client id", self.id.as_deref().unwrap_or_default());
            self.settings.present(self.id.as_deref(), assertion, draft);
            Ok(())
        })
    }

    fn configure(&mut self, settings: &AssertionSettings) {
        self.settings = settings.clone();
    }
}

impl fmt::Debug for ProvidedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ProvidedAssertion");
        debug.field("id", &self.id);
        match &self.source {
            AssertionSource::File(path) => debug.field("file", path),
            AssertionSource::Provider(_) => debug.field("source", &"closure"),
        };
        debug.field("settings", &self.settings).finish_non_exhaustive()
    }
}
