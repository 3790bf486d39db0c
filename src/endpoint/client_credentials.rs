//! The source of tokens.

use std::{fmt, sync::Arc};

use super::{attempt::EndpointClient, discovery::ServerMetadata, retry, token_endpoint::Endpoint};
#[cfg(feature = "hyper-transport")]
use crate::source::CacheHandle;
use crate::{
    error::{Error, Problem, sanitise},
    event::Observer,
    source::{AcquireContext, Sharing, TokenSource},
    token::Token,
};

/// A [`TokenSource`] that requests tokens from a token endpoint, with the client-credentials grant
/// (RFC 6749 §4.4) or an [extension grant](crate::endpoint::ClientCredentialsBuilder::grant_type) (§4.5).
///
/// Cheap to clone. An acquisition makes up to three attempts of at most 10 s each, and retries only
/// transient failures. Redirects are never followed.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper-transport")] {
/// use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
///
/// let source = ClientCredentials::builder("https://idp.example.com/oauth2/token")
///     .client_secret_basic("my-service", Secret::from_file("/run/secrets/idp"))
///     .scope("invoices:read")
///     .build()?;
/// # }
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCredentials {
    pub(super) client: Arc<EndpointClient>,
}

impl ClientCredentials {
    /// The authorization server's metadata, read again if it is due. `None` if the token URL was given.
    /// Makes one attempt, bounded by
    /// [`attempt_timeout`](crate::endpoint::ClientCredentialsBuilder::attempt_timeout).
    ///
    /// # Errors
    ///
    /// Kind [`Discovery`](crate::ErrorKind::Discovery), with the code `issuer_mismatch` if the
    /// document has another issuer. Kind
    /// [`AcquisitionTimeout`](crate::ErrorKind::AcquisitionTimeout) after `attempt_timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{ClientCredentials, Error};
    ///
    /// async fn print_methods(source: &ClientCredentials) -> Result<(), Error> {
    ///     if let Some(metadata) = source.server_metadata().await? {
    ///         println!("{}: {:?}", metadata.issuer(), metadata.token_endpoint_auth_methods());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn server_metadata(&self) -> Result<Option<ServerMetadata>, Error> {
        let client = &*self.client;
        let Endpoint::Discovered(cache) = &client.endpoint else { return Ok(None) };
        let observer = Observer::default().with_client(TokenSource::name(self).into());
        let context = client.context(&observer);
        tokio::time::timeout(client.retry.attempt_timeout, cache.metadata(&context))
            .await
            .unwrap_or_else(|_| Err(Error::of(Problem::AcquisitionTimeout)))
            .map(Some)
    }
}

impl TokenSource for ClientCredentials {
    async fn acquire(&self, acquire: AcquireContext) -> Result<Token, Error> {
        let attempt = |number| {
            let context = self.client.new_attempt(&acquire, number);
            async move { self.client.attempt(&context).await }
        };
        let token = retry::run(&self.client.retry, &acquire, attempt).await?;
        if let Some(event) = self.client.scope_narrowed(&token) {
            acquire.observer.emit(event);
        }
        Ok(token)
    }

    /// Reads a client certificate whose file was missing when the source was built.
    #[cfg(feature = "hyper-transport")]
    async fn prepare(&self, context: &AcquireContext) -> Result<(), Error> {
        match &self.client.binding {
            Some(binding) if !binding.identity().has_certificate() => {
                binding.refresh(&self.client.new_attempt(context, 1).read).await
            }
            _ => Ok(()),
        }
    }

    /// The client id, the host of the token endpoint or issuer, and the scope, such as
    /// `my-service@idp.example.com (invoices:read)`.
    fn name(&self) -> String {
        let EndpointClient { endpoint, client_id, parameters, .. } = &*self.client;
        let host = endpoint.uri().host().unwrap_or_default();
        let client =
            client_id.as_ref().map_or_else(|| host.to_owned(), |id| format!("{id}@{host}"));
        sanitise(&match parameters.scope() {
            Some(scope) => format!("{client} ({scope})"),
            None => client,
        })
    }

    #[cfg(feature = "hyper-transport")]
    fn attach(&self, cache: CacheHandle) {
        if let Some(binding) = &self.client.binding {
            binding.attach(cache);
        }
    }

    /// The token URL or issuer, the client id and its way of authentication, the parameters, and the
    /// thumbprint of the key or certificate.
    fn sharing(&self) -> Sharing {
        self.client.sharing()
    }

    #[cfg(feature = "dpop")]
    fn adopt(&self, token: Token) -> Token {
        // A cache's name may differ, and its closure is not known here.
        self.client.adopt(token, Observer::default().with_client(self.name().into()))
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &*self.client;
        f.debug_struct("ClientCredentials")
            .field("discovered", &matches!(client.endpoint, Endpoint::Discovered(_)))
            // Without the query, since some servers require keys in it.
            .field("host", &client.endpoint.uri().authority().map(|authority| authority.as_str()))
            .field("path", &client.endpoint.uri().path())
            .field("auth", &client.auth)
            .field("scope", &client.parameters.scope())
            .finish_non_exhaustive()
    }
}
