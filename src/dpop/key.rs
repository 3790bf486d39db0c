//! The key that tokens are bound to.

use std::{fmt, sync::Arc};

use crate::{
    error::{Error, Problem, join_names},
    jose::{SigningAlgorithm, SigningKey},
    sync::{Mutex, lock},
};

/// The algorithms of generated keys, in order of preference. Most servers accept ES256, and RSA is
/// slow.
const PREFERENCE: [SigningAlgorithm; 5] = [
    SigningAlgorithm::Es256,
    SigningAlgorithm::EdDsa,
    SigningAlgorithm::Es384,
    SigningAlgorithm::Ps256,
    SigningAlgorithm::Rs256,
];

/// The key that tokens are bound to (DPoP, RFC 9449): a given key, or a generated one.
///
/// Cheap to clone; clones share the key. `Debug` shows the algorithm only.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper-transport")] {
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, dpop::DpopKey,
///     jose::{SigningAlgorithm, SigningKey},
/// };
///
/// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
///     .client_secret_basic("my-service", "s3cret")
///     .dpop(DpopKey::generate())
///     .build()?;
///
/// // Or a key that outlives the process, if the server registers it for the client:
/// # let pem = include_str!("../../tests/credentials/signing_keys/ec256-sec1.pem");
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
    /// One key for each algorithm that was needed so far, usually one.
    Generated(Arc<Mutex<Vec<SigningKey>>>),
}

impl DpopKey {
    /// A new key, generated on first use and dropped with the last clone. A token that outlives the key
    /// cannot be used by anyone.
    ///
    /// The algorithm is ES256. If the authorization server is
    /// [discovered](crate::ClientCredentials::discover) and does not list it
    /// (`dpop_signing_alg_values_supported`), it is EdDSA, ES384, PS256 or RS256.
    pub fn generate() -> Self {
        Self(Kind::Generated(Arc::default()))
    }

    /// The signing key for the algorithms that the server lists. An empty list allows all.
    ///
    /// # Errors
    ///
    /// Kind `Config` when the server lists no algorithm that fits the key. Kind `Credentials` when no key
    /// can be generated.
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
    // On a blocking thread, since generating an RSA key is slow.
    let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
        .await
        .map_err(|error| Error::of(Problem::Runtime).with_source(error))??;
    let mut keys = lock(keys);
    // Another task may have been faster.
    Ok(known(&keys).unwrap_or_else(|| {
        keys.push(key.clone());
        key
    }))
}

fn unlisted(algorithm: &str, listed: &[String]) -> Error {
    let listed = join_names(listed);
    Error::of(Problem::Config).with_detail(format!(
        "DPoP key: it is for {algorithm}, but the authorization server lists {listed} \
         (dpop_signing_alg_values_supported); pass a key for a listed algorithm"
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
    async fn a_generated_key_fits_the_server_and_stays_the_same() {
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
            assert_eq!(error.problem(), Problem::Config);
            let text = error.to_string();
            assert!(text.contains(ours) && text.contains("ES512, ES256K"), "{text}");
        }
    }
}
