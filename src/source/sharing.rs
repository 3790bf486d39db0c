//! The properties that determine a token.

use std::{borrow::Cow, fmt};

/// The properties that determine the token of a source, and whether processes can share it.
///
/// Processes whose sources have equal properties share one token. The properties are hashed. They
/// must not contain a secret, because a hash of a short secret can be guessed.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{
///     Error, Token, TokenSource,
///     source::{AcquireContext, Sharing},
/// };
///
/// struct Vault {
///     address: String,
///     role: String,
/// }
///
/// impl TokenSource for Vault {
///     async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
///         Token::bearer("of-this-role")
///     }
///
///     fn sharing(&self) -> Sharing {
///         Sharing::new().with("vault", &self.address).with("role", &self.role)
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Sharing {
    identity: Vec<u8>,
    limit: Option<SharingLimit>,
}

/// Why a token cannot be shared by its properties alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SharingLimit {
    /// The properties do not determine the token, so the user must set a namespace.
    NeedsNamespace(Cow<'static, str>),
    /// Another process could not use the token.
    Never(Cow<'static, str>),
}

impl Sharing {
    /// No properties yet.
    pub fn new() -> Self {
        Self { identity: Vec::new(), limit: None }
    }

    /// Adds a property, such as the scope. Do not add a property that is not set. Can be called
    /// several times; the order of the calls matters.
    pub fn with(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_ref().as_bytes(), value.as_ref()] {
            // With its length, so that no two lists of properties have the same bytes.
            self.identity.extend_from_slice(&(part.len() as u64).to_be_bytes());
            self.identity.extend_from_slice(part);
        }
        self
    }

    /// Another property determines the token too, and cannot be added: it is secret or not known. A
    /// namespace that the user sets stands for it. `reason` is a clause, such as "the source does not say …".
    pub fn needs_namespace(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.limit.get_or_insert(SharingLimit::NeedsNamespace(reason.into()));
        self
    }

    /// Another process cannot use the token. `reason` is a clause, such as "its key is generated".
    pub fn never(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.limit = Some(SharingLimit::Never(reason.into()));
        self
    }

    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) fn identity(&self) -> &[u8] {
        &self.identity
    }

    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) fn limit(&self) -> Option<&SharingLimit> {
        self.limit.as_ref()
    }
}

/// The properties of a source that does not implement `sharing`: it requires a namespace.
impl Default for Sharing {
    fn default() -> Self {
        Self::new().needs_namespace("the source does not say what determines its token")
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing").field("limit", &self.limit).finish_non_exhaustive()
    }
}
