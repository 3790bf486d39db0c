//! Mutual TLS (RFC 8705 §2): the certificate is the transport's, the request only names the client.

use super::{
    draft::Draft,
    method::{Authenticating, ClientAuth},
};

/// `tls_client_auth` (a certificate of an authority, §2.1) or `self_signed_tls_client_auth` (one
/// that the server was given, §2.2). On the wire they are the same.
#[derive(Debug)]
pub(crate) struct TlsClientAuth {
    pub(crate) id: String,
    pub(crate) self_signed: bool,
}

impl ClientAuth for TlsClientAuth {
    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        // Always: it is how the server finds the client whose certificate to expect.
        draft.secrets.check("client id", &self.id);
        draft.form.push("client_id", &self.id);
        Box::pin(async { Ok(()) })
    }

    fn method(&self) -> Option<&'static str> {
        Some(if self.self_signed { "self_signed_tls_client_auth" } else { "tls_client_auth" })
    }

    fn uses_mtls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_client_id_and_nothing_else_is_sent() {
        for (self_signed, method) in
            [(false, "tls_client_auth"), (true, "self_signed_tls_client_auth")]
        {
            let auth = TlsClientAuth { id: "CN=me, O=x".into(), self_signed };
            let mut draft = Draft::default();
            auth.authenticate(&mut draft).await.unwrap();
            assert_eq!(draft.form.encode().as_slice(), b"client_id=CN%3Dme%2C%20O%3Dx");
            assert!(draft.headers.is_empty() && draft.secrets.is_empty());
            assert_eq!((auth.method(), auth.uses_mtls()), (Some(method), true));
        }
    }
}
