//! Removes this client's secrets from the texts of a metadata document.
//!
//! A server that has received a token request could repeat its secret in any text. The lists and the
//! issuer of a document appear in events and errors.

use std::{sync::Arc, time::SystemTime};

use http::HeaderMap;

use super::document::ServerMetadata;
use crate::{
    client_auth::{ClientAuth, Draft, SentSecrets, WITHHELD},
    error::{Error, Problem},
};

/// Registered names, which are shown even if they share a part with a secret.
const REGISTERED: [&str; 24] = [
    "none",
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "authorization_code",
    "implicit",
    "refresh_token",
    "password",
    "client_credentials",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
];

fn is_registered(name: &str) -> bool {
    REGISTERED.contains(&name) || name.starts_with("urn:ietf:params:oauth:")
}

/// The document or its error, without any text that repeats a secret.
pub(super) async fn redact(
    read: Result<ServerMetadata, Error>,
    issuer: &Arc<str>,
    auth: &dyn ClientAuth,
    now: SystemTime,
) -> Result<ServerMetadata, Error> {
    match read {
        Ok(metadata) if metadata.names().all(is_registered) => Ok(metadata),
        Ok(metadata) => {
            let secrets = secrets(issuer, auth, now).await;
            Ok(metadata.retain(|name| is_registered(name) || !secrets.are_repeated(name, None)))
        }
        Err(error) if error.problem() == Problem::IssuerMismatch => {
            let secrets = secrets(issuer, auth, now).await;
            match error.detail().is_some_and(|detail| secrets.are_repeated(detail, None)) {
                true => Err(error.with_detail(WITHHELD)),
                false => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// The secrets of a token request. They are rarely needed, so they are not cached.
async fn secrets(issuer: &Arc<str>, auth: &dyn ClientAuth, now: SystemTime) -> SentSecrets {
    let issuer = Some(Arc::clone(issuer));
    let mut draft = Draft { issuer, ..Draft::new(HeaderMap::new(), now) };
    // A failure is ignored: the token request fails too, and sends no secret.
    let _ = auth.authenticate(&mut draft).await;
    draft.secrets
}
