//! The client authentication, except by assertions and certificates.

use super::ClientCredentialsBuilder;
use crate::client_auth::{ClientAuth, NoClient, PublicClient, Secret, SecretBasic, SecretPost};

impl ClientCredentialsBuilder {
    /// Sends id and secret in the body (`client_secret_post`, RFC 6749 §2.3.1).
    pub fn client_secret_post(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        self.auth(id, |id| SecretPost { id, secret })
    }

    /// Sends id and secret in the `Authorization` field, both form-encoded (`client_secret_basic`,
    /// RFC 6749 §2.3.1). A space is encoded as `%20`.
    pub fn client_secret_basic(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        self.auth(id, |id| SecretBasic { id, secret, raw: false })
    }

    /// Like [`client_secret_basic`](Self::client_secret_basic) without the form-encoding, for servers
    /// that do not decode it. The id must not contain a `:`.
    pub fn client_secret_basic_raw(self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        let colon = id.contains(':');
        let mut this = self.auth(id, |id| SecretBasic { id, secret, raw: true });
        if colon {
            this.auth_mistake = Some(
                "client_secret_basic_raw: a ':' in the client id would end it early; use \
                 client_secret_basic or client_secret_post",
            );
        }
        this
    }

    /// Sends the id alone, in the body, for a public client (RFC 6749 §3.2.1). Few servers give a
    /// client without credentials a token.
    pub fn public_client(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| PublicClient { id })
    }

    /// Sends no client authentication and no `client_id`, for an [extension
    /// grant](Self::grant_type) that identifies the client itself, such as the JWT of a Google
    /// service account (RFC 7523 §2.1).
    pub fn no_client_authentication(self) -> Self {
        self.auth_without_id(NoClient)
    }

    pub(super) fn auth<A: ClientAuth + 'static>(
        self,
        id: String,
        auth: impl FnOnce(String) -> A,
    ) -> Self {
        let auth = Box::new(auth(id.clone()));
        self.boxed_auth(Some(id), auth)
    }

    pub(super) fn auth_without_id(self, auth: impl ClientAuth + 'static) -> Self {
        self.boxed_auth(None, Box::new(auth))
    }

    fn boxed_auth(mut self, id: Option<String>, auth: Box<dyn ClientAuth>) -> Self {
        let is_empty = id.as_ref().is_some_and(|id| id.trim().is_empty());
        self.auth_mistake = is_empty.then_some(
            "client id: it is empty; pass the id that the authorization server gave this client",
        );
        self.client_id = id;
        self.auth = Some(auth);
        self
    }
}
