//! The key that tokens are bound to.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::{Error, ErrorKind},
    jose::{SigningAlgorithm, SigningKey},
};

/// What a generated key may sign with, in order of preference: ES256 is what most servers take,
/// and RSA is slow.
const PREFERENCE: [SigningAlgorithm; 5] = [
    SigningAlgorithm::Es256,
    SigningAlgorithm::EdDsa,
    SigningAlgorithm::Es384,
    SigningAlgorithm::Ps256,
    SigningAlgorithm::Rs256,
];

/// The key that tokens are bound to (DPoP, RFC 9449): one that is given, or a new one.
///
/// Cheap to clone; clones share the key. `Debug` shows the algorithm only.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper")] {
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, DpopKey, SigningAlgorithm, SigningKey,
/// };
///
/// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
///     .client_secret_basic("my-service", "s3cret")
///     .dpop(DpopKey::generate())
///     .build()?;
///
/// // Or one that outlives the process, where the server ties the client to it:
/// # let pem = include_str!("../../tests/signing_keys/ec256-sec1.pem");
/// let key = DpopKey::from(SigningKey::from_pem(SigningAlgorithm::Es256, pem)?);
/// # let _ = (source, key);
/// # }
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct DpopKey(Kind);

#[derive(Clone)]
enum Kind {
    Given(SigningKey),
    /// One for each algorithm that a server wanted so far; usually one.
    Generated(Arc<Mutex<Vec<SigningKey>>>),
}

impl DpopKey {
    /// A new key, made when it is first used and gone with the last clone: a token that outlives
    /// it is worthless, also to a thief of the token.
    ///
    /// It is for ES256, or, where the authorization server is
    /// [discovered](crate::ClientCredentials::discover) and lists others
    /// (`dpop_signing_alg_values_supported`), for EdDSA, ES384, PS256 or RS256.
    pub fn generate() -> Self {
        Self(Kind::Generated(Arc::default()))
    }

    /// The key to sign with, given the algorithms that the server lists; none listed says nothing.
    ///
    /// # Errors
    ///
    /// Kind `Config` when the server lists none that the key could sign with; `Credentials` when
    /// no key can be generated.
    pub(crate) async fn choose(&self, listed: &[String]) -> Result<SigningKey, Error> {
        let is_listed = |algorithm: SigningAlgorithm| {
            listed.is_empty() || listed.iter().any(|name| name == algorithm.as_str())
        };
        match &self.0 {
            Kind::Given(key) if is_listed(key.algorithm()) => Ok(key.clone()),
            Kind::Given(key) => Err(unlisted(key.algorithm().as_str(), listed)),
            Kind::Generated(keys) => {
                let algorithm = PREFERENCE
                    .into_iter()
                    .find(|&algorithm| is_listed(algorithm))
                    .ok_or_else(|| unlisted("ES256, EdDSA, ES384, PS256 and RS256", listed))?;
                generated(keys, algorithm).await
            }
        }
    }
}

async fn generated(
    keys: &Mutex<Vec<SigningKey>>,
    algorithm: SigningAlgorithm,
) -> Result<SigningKey, Error> {
    let known = |keys: &[SigningKey]| keys.iter().find(|it| it.algorithm() == algorithm).cloned();
    if let Some(key) = known(&lock(keys)) {
        return Ok(key);
    }
    // On a thread where blocking is allowed: for RSA it takes a while.
    let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
        .await
        .map_err(|error| Error::new(ErrorKind::Runtime).with_source(error))??;
    let mut keys = lock(keys);
    // Somebody else may have been quicker.
    Ok(known(&keys).unwrap_or_else(|| {
        keys.push(key.clone());
        key
    }))
}

fn lock(keys: &Mutex<Vec<SigningKey>>) -> MutexGuard<'_, Vec<SigningKey>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unlisted(ours: &str, listed: &[String]) -> Error {
    /// How many names the message shows.
    const SHOWN: usize = 12;
    let more = if listed.len() > SHOWN { ", …" } else { "" };
    let listed = listed[..listed.len().min(SHOWN)].join(", ");
    Error::new(ErrorKind::Config).with_detail(format!(
        "DPoP key: it is for {ours}, and the authorization server lists {listed}{more} \
         (dpop_signing_alg_values_supported); pass a key for one of those"
    ))
}

impl From<SigningKey> for DpopKey {
    fn from(key: SigningKey) -> Self {
        Self(Kind::Given(key))
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Given(key) => f.debug_tuple("DpopKey").field(&key.algorithm()).finish(),
            Kind::Generated(_) => f.write_str("DpopKey(generated)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn a_generated_key_is_what_the_server_lists_and_stays_the_same() {
        let key = DpopKey::generate();
        let first = key.choose(&[]).await.unwrap();
        assert_eq!(first.algorithm(), SigningAlgorithm::Es256);
        let listed = names(&["RS256", "ES256"]);
        assert_eq!(key.clone().choose(&listed).await.unwrap().thumbprint(), first.thumbprint());
        let listed = names(&["PS256", "ES256K", "EdDSA"]);
        let other = key.choose(&listed).await.unwrap();
        assert_eq!(other.algorithm(), SigningAlgorithm::EdDsa);
        assert_eq!(key.choose(&listed).await.unwrap().thumbprint(), other.thumbprint());
        let another = DpopKey::generate().choose(&[]).await.unwrap();
        assert_ne!(another.thumbprint(), first.thumbprint());
    }

    #[tokio::test]
    async fn a_key_that_no_listed_algorithm_fits_is_a_mistake() {
        let given = SigningKey::generate(SigningAlgorithm::Es384).unwrap();
        let key = DpopKey::from(given.clone());
        assert_eq!(key.choose(&[]).await.unwrap().thumbprint(), given.thumbprint());
        assert!(key.choose(&names(&["ES256", "ES384"])).await.is_ok());
        for (key, ours) in [(key, "ES384"), (DpopKey::generate(), "RS256")] {
            let error = key.choose(&names(&["ES512", "ES256K"])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = error.to_string();
            assert!(text.contains(ours) && text.contains("ES512, ES256K"), "{text}");
        }
    }
}
