//! Assertions from outside: a file (a Kubernetes projected token, an Entra ID federated credential) or a
//! closure (a SPIFFE JWT-SVID).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{
    assertion::AssertionSettings,
    draft::Draft,
    method::{Authenticating, ClientAuth},
};
use crate::{
    error::{BoxError, Error, Problem},
    event::EventKind,
    json_members,
    secret_file::{self, ReadContext, SecretFile},
    sync::{Mutex, lock},
};

type Providing = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// The source of an assertion.
pub(crate) enum AssertionSource {
    File(SecretFile),
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

    async fn read(&self, context: &ReadContext) -> Result<Zeroizing<String>, BoxError> {
        match self {
            Self::File(file) => trimmed(secret_file::text(&file.read(context.timeout).await?)?),
            Self::Provider(provider) => trimmed(&Zeroizing::new(provider().await?)),
        }
    }
}

fn trimmed(text: &str) -> Result<Zeroizing<String>, BoxError> {
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err("the client assertion is empty".into()),
        trimmed => Ok(Zeroizing::new(trimmed.to_owned())),
    }
}

/// An assertion, with its expiry if it is known.
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

    /// Reads the assertion. If that fails, also because the file is being written, the assertion that was
    /// read last is used until it expires.
    async fn read(
        &self,
        now: SystemTime,
        context: &ReadContext,
    ) -> Result<Zeroizing<String>, Error> {
        let read = self.source.read(context).await;
        let cause = match read.and_then(|text| self.check(text)) {
            Ok(assertion) => {
                *lock(&self.last_good) = Some(assertion.clone());
                return Ok(assertion.text);
            }
            Err(cause) => cause,
        };
        let (from, error) = match &self.source {
            AssertionSource::File(file) => {
                (file.name(), secret_file::unreadable("client assertion", file, cause))
            }
            AssertionSource::Provider(_) => {
                let error = Error::of(Problem::Credentials)
                    .with_detail("the client assertion's closure failed")
                    .with_source(cause);
                ("closure", error)
            }
        };
        let last_good = lock(&self.last_good).clone();
        match last_good {
            Some(assertion) if assertion.expires_at.is_none_or(|end| now < end) => {
                context
                    .observer
                    .emit(EventKind::StaleCredentialUsed { from: from.to_owned(), error });
                Ok(assertion.text)
            }
            _ => Err(error),
        }
    }

    fn check(&self, text: Zeroizing<String>) -> Result<Assertion, BoxError> {
        let expires_at = expiry(&text, &self.settings.assertion_type)?;
        Ok(Assertion { text, expires_at })
    }
}

/// The expiry of an assertion. It is known for JWTs only.
fn expiry(text: &str, assertion_type: &str) -> Result<Option<SystemTime>, BoxError> {
    let kind = assertion_type.rsplit(':').next().unwrap_or_default();
    if kind.starts_with("jwt") {
        Ok(jwt_expiry(text).ok_or("the client assertion is not a complete JWT")?)
    } else {
        Ok(None)
    }
}

/// Checks that a text is an assertion of a type.
pub(crate) fn check_assertion(text: &str, assertion_type: &str) -> Result<(), BoxError> {
    expiry(&trimmed(text)?, assertion_type).map(drop)
}

/// The `exp` of a JWT, if it has one. The outer `None` means that the JWT is truncated, which the known
/// lengths of signatures reveal.
fn jwt_expiry(text: &str) -> Option<Option<SystemTime>> {
    let mut parts = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (header, claims, signature) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let [alg] = json_members::read(&header, &["alg"]).ok()?;
    let alg: String = serde_json::from_str(alg?.get()).ok()?;
    let least = match &*alg {
        "ES256" | "EdDSA" | "HS512" => 64,
        "ES384" => 96,
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => 128,
        _ => 1,
    };
    // An RSA modulus has a whole number of words, which a truncated signature rarely has.
    if signature.len() < least || (least == 128 && !signature.len().is_multiple_of(8)) {
        return None;
    }
    let [exp] = json_members::read(&claims, &["exp"]).ok()?;
    let expires_at = match exp.map(|exp| serde_json::from_str(exp.get())).transpose() {
        Ok(expires_at) => expires_at,
        // Not a number: no expiry.
        Err(why) if why.is_data() => None,
        // A number that is out of range.
        Err(_) => return None,
    };
    Some(expires_at.and_then(|exp| UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(exp).ok()?)))
}

impl ClientAuth for ProvidedAssertion {
    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let assertion = self.read(draft.now, &draft.reading).await?;
            draft.secrets.check("client id", self.id.as_deref().unwrap_or_default());
            self.settings.present(self.id.as_deref(), assertion, draft);
            Ok(())
        })
    }

    fn unknown_client(&self) -> Option<&'static str> {
        Some(match self.source {
            AssertionSource::File(_) => {
                "the file of client_assertion_file may hold the assertion of any client"
            }
            AssertionSource::Provider(_) => {
                "the closure of client_assertion_fn may return the assertion of any client"
            }
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
            AssertionSource::File(file) => debug.field("file", file),
            AssertionSource::Provider(_) => debug.field("source", &"closure"),
        };
        debug.field("settings", &self.settings).finish_non_exhaustive()
    }
}
