//! The value of a further parameter: a text, a secret, a closure or a signed JWT.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use zeroize::Zeroizing;

#[cfg(feature = "jwt")]
use super::jwt::SignedJwt;
use crate::{
    client_auth::{Draft, Secret},
    error::{BoxError, Error, Problem},
};

/// A shorter text is a word that messages need, and not a secret.
const MIN_SECRET_CHARS: usize = 8;

/// Names such as `urn:ietf:params:oauth:token-type:jwt` are public, and messages need them.
const REGISTERED_NAME: &str = "urn:ietf:params:oauth:";

/// The value of a [parameter](crate::endpoint::ClientCredentialsBuilder::parameter) of the token request.
///
/// It is a text, a [`Secret`] (a value, a closure or a file), an async closure
/// ([`from_fn`](Self::from_fn)), or a JWT that is signed for each attempt (`SignedJwt`, feature
/// `jwt`). Except for texts, the value is read again for each attempt. `Debug` shows no value.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{client_auth::Secret, endpoint::ParameterValue};
///
/// let public: ParameterValue = "urn:ietf:params:oauth:token-type:jwt".into();
/// let confidential: ParameterValue = Secret::from_file("/run/secrets/api-key").into();
/// # drop((public, confidential));
/// ```
#[derive(Clone)]
pub struct ParameterValue(Kind);

type Provide =
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>> + Send + Sync;

#[derive(Clone)]
enum Kind {
    Text(Zeroizing<String>),
    Secret(Secret),
    Closure(Arc<Provide>),
    #[cfg(feature = "jwt")]
    Jwt(Box<SignedJwt>),
}

impl ParameterValue {
    pub(crate) fn from_wiped(text: Zeroizing<String>) -> Self {
        Self(Kind::Text(text))
    }

    /// A value from an async closure, such as the platform's token for an exchange (RFC 8693). The
    /// closure is called for each attempt, within the attempt's timeout. Its failure is an error of kind
    /// `Credentials`, which must not contain a secret.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::{
    ///     BoxError, ClientCredentials, endpoint::ParameterValue,
    /// };
    ///
    /// # async fn platform_token() -> Result<String, BoxError> { Ok(String::new()) }
    /// let source = ClientCredentials::builder("https://sts.example.com/v1/token")
    ///     .no_client_authentication()
    ///     .grant_type("urn:ietf:params:oauth:grant-type:token-exchange")
    ///     .parameter("subject_token", ParameterValue::from_fn(|| platform_token()))
    ///     .parameter("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
    ///     .build()?;
    /// # let _ = source;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    #[must_use]
    pub fn from_fn<F, Fut>(provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Self(Kind::Closure(Arc::new(move || Box::pin(provider()))))
    }

    /// Adds one attempt's value to the request, and to its secrets.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, naming the parameter, when the value cannot be read or is empty.
    pub(super) async fn add_to(&self, name: &str, draft: &mut Draft) -> Result<(), Error> {
        let value = match &self.0 {
            // RFC 6749 §3.2: it would count as omitted.
            Kind::Text(text) if text.is_empty() => return Ok(()),
            Kind::Text(text) => Zeroizing::clone(text),
            Kind::Secret(secret) => {
                secret.read(&draft.reading).await.map_err(|error| named(name, error))?
            }
            Kind::Closure(provide) => {
                let value = provide().await.map_err(|cause| {
                    named(name, Error::of(Problem::Credentials).with_source(cause))
                })?;
                Zeroizing::new(value)
            }
            #[cfg(feature = "jwt")]
            Kind::Jwt(jwt) => jwt.sign(draft).await.map_err(|error| named(name, error))?,
        };
        if value.is_empty() {
            let why =
                format!("parameter {name:?}: its value is empty; check the source of the value");
            return Err(Error::of(Problem::Credentials).with_detail(why));
        }
        draft.form.push(name.to_owned(), &value);
        if self.may_be_secret(&value) {
            // The signature of a JWT is as confidential as a password.
            let parts: Vec<_> = value.split('.').collect();
            if let [_, _, signature] = parts[..] {
                draft.secrets.push(Zeroizing::new(signature.to_owned()));
            }
            draft.secrets.push(value);
        }
        #[cfg(feature = "jwt")]
        if let Kind::Jwt(jwt) = &self.0 {
            // Some servers quote a claim when they refuse it.
            for text in jwt.confidential_texts().filter(|text| text.len() >= MIN_SECRET_CHARS) {
                draft.secrets.push(Zeroizing::new(text.to_owned()));
            }
        }
        Ok(())
    }

    /// The text, if it is one.
    pub(in crate::endpoint) fn public_text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    fn may_be_secret(&self, value: &str) -> bool {
        match &self.0 {
            Kind::Text(_) => value.len() >= MIN_SECRET_CHARS && !value.starts_with(REGISTERED_NAME),
            _ => true,
        }
    }

    pub(super) fn has_times(&self) -> bool {
        #[cfg(feature = "jwt")]
        if let Kind::Jwt(_) = &self.0 {
            return true;
        }
        false
    }

    pub(super) fn wants_issuer(&self) -> bool {
        #[cfg(feature = "jwt")]
        if let Kind::Jwt(jwt) = &self.0 {
            return jwt.wants_issuer();
        }
        false
    }

    /// # Errors
    ///
    /// What is wrong with it and what to do.
    pub(super) fn check(&self) -> Result<(), String> {
        #[cfg(feature = "jwt")]
        if let Kind::Jwt(jwt) = &self.0 {
            return jwt.check();
        }
        Ok(())
    }
}

fn named(name: &str, error: Error) -> Error {
    let why = error.detail().unwrap_or("its closure failed").to_owned();
    error.with_detail(format!("parameter {name:?}: {why}"))
}

impl From<String> for ParameterValue {
    fn from(text: String) -> Self {
        Self::from_wiped(Zeroizing::new(text))
    }
}

impl From<&str> for ParameterValue {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for ParameterValue {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Secret> for ParameterValue {
    fn from(secret: Secret) -> Self {
        Self(Kind::Secret(secret))
    }
}

#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
impl From<SignedJwt> for ParameterValue {
    fn from(jwt: SignedJwt) -> Self {
        Self(Kind::Jwt(Box::new(jwt)))
    }
}

impl fmt::Debug for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(_) => f.write_str("ParameterValue([redacted])"),
            Kind::Secret(secret) => f.debug_tuple("ParameterValue").field(secret).finish(),
            Kind::Closure(_) => f.write_str("ParameterValue(closure)"),
            #[cfg(feature = "jwt")]
            Kind::Jwt(jwt) => f.debug_tuple("ParameterValue").field(jwt).finish(),
        }
    }
}
