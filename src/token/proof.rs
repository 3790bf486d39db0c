//! Tokens that are bound to a key: what is sent beside them, and what answers say of it (RFC 9449).

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{Token, TokenType};
use crate::error::{Error, ErrorKind};

/// The field that carries a proof (RFC 9449 §4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Makes the proofs that a token needs which is bound to a key (DPoP, RFC 9449).
///
/// Tokens that [`ClientCredentials`](crate::ClientCredentials) gets with a `DpopKey` (feature
/// `dpop`) carry one already. Another implementation is for a
/// [`TokenSource`](crate::TokenSource) of your own, such as one whose key is in an HSM.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use http::{HeaderMap, HeaderValue, Method, Uri};
/// use tower_oauth2_client_credentials::{Error, ProofOfPossession, Token, TokenType};
///
/// struct Hsm;
///
/// impl ProofOfPossession for Hsm {
///     fn prove(&self, method: &Method, uri: &Uri, token: &Token) -> Result<HeaderValue, Error> {
///         # let _ = (method, uri, token);
///         let mut proof = HeaderValue::from_static("header.payload.signature");
///         proof.set_sensitive(true);
///         Ok(proof)
///     }
///
///     fn observe(&self, _: &Uri, _: &HeaderMap) -> bool {
///         false
///     }
/// }
///
/// let token = Token::new(TokenType::Dpop, "Kz~8mXK1EalYznwH")?.with_proof(Arc::new(Hsm));
/// let mut headers = HeaderMap::new();
/// token.authorize(&Method::GET, &Uri::from_static("https://api.example.com/"), &mut headers)?;
/// assert_eq!(headers["authorization"], "DPoP Kz~8mXK1EalYznwH");
/// assert_eq!(headers["dpop"], "header.payload.signature");
/// # Ok::<(), Error>(())
/// ```
pub trait ProofOfPossession: Send + Sync + 'static {
    /// The `DPoP` field of one request: a new proof each time it is sent. It runs in the caller's
    /// task, so it should not block.
    ///
    /// # Errors
    ///
    /// Why there can be none; the request is not sent then.
    fn prove(&self, method: &Method, uri: &Uri, token: &Token) -> Result<HeaderValue, Error>;

    /// Takes note of what an answer says of nonces (RFC 9449 §8.2, §9), whatever its status; `uri`
    /// is the request's. Returns whether the answer brought a nonce, so that a request which was
    /// refused for want of it can be sent once more.
    fn observe(&self, uri: &Uri, headers: &HeaderMap) -> bool;
}

impl Token {
    /// Lets a token of type [`Dpop`](TokenType::Dpop) be sent: without it, requests with such a
    /// token are refused. It means nothing to a bearer token.
    #[must_use]
    pub fn with_proof(self, proof: Arc<dyn ProofOfPossession>) -> Self {
        self.with(|inner| inner.proof = Some(proof))
    }

    /// What makes this token's proofs, for a source that passes it on to another token.
    pub fn proof(&self) -> Option<&Arc<dyn ProofOfPossession>> {
        self.inner.proof.as_ref()
    }

    /// Puts this token into a request's header fields, in place of what is there: `Authorization`,
    /// and for a token that is bound to a key `DPoP` with a proof for this method and URI.
    ///
    /// For clients that the layer does not fit. Call it each time a request is sent, also for the
    /// same request again, and [`observe_response`](Self::observe_response) with each answer.
    /// Whether the token may go to that URI is for you to decide.
    ///
    /// # Errors
    ///
    /// Kind `Refused` when the token needs a proof and there is nothing to make it, or the URI has
    /// no scheme and host, or the map has no room; `Credentials` when the key does not sign.
    pub fn authorize(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<(), Error> {
        let full = |_| {
            Error::new(ErrorKind::Refused).with_detail("it has no room for another header field")
        };
        if let Some(proof) = self.prove(method, uri)? {
            headers.try_insert(DPOP, proof).map_err(full)?;
        }
        headers.try_insert(header::AUTHORIZATION, self.header_value()).map_err(full)?;
        Ok(())
    }

    /// Takes note of the nonce in an answer to a request with this token, whatever its status, for
    /// the requests that follow (RFC 9449 §8.2, §9). Does nothing for a bearer token.
    ///
    /// Returns whether there was one. Then a request that was answered 401 with
    /// `error="use_dpop_nonce"` can be sent once more, with the same token and a new proof.
    pub fn observe_response(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.is_bound() && self.proof().is_some_and(|proof| proof.observe(uri, headers))
    }

    /// Whether each request needs a proof beside it.
    pub(crate) fn is_bound(&self) -> bool {
        self.token_type() == TokenType::Dpop
    }

    /// The proof for one request. `None`: it needs none.
    pub(crate) fn prove(&self, method: &Method, uri: &Uri) -> Result<Option<HeaderValue>, Error> {
        if !self.is_bound() {
            return Ok(None);
        }
        let proof = self.proof().ok_or_else(|| {
            Error::new(ErrorKind::Refused).with_detail(
                "its token is of type DPoP and has nothing to make proofs with; get it with a \
                 DpopKey, or give it one by Token::with_proof",
            )
        })?;
        let mut value = proof.prove(method, uri, self)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl ProofOfPossession for Fixed {
        fn prove(&self, _: &Method, uri: &Uri, _: &Token) -> Result<HeaderValue, Error> {
            Ok(uri.path().parse().unwrap())
        }

        fn observe(&self, _: &Uri, headers: &HeaderMap) -> bool {
            headers.contains_key("dpop-nonce")
        }
    }

    #[test]
    fn a_proof_is_sensitive_whoever_made_it_and_a_full_map_is_an_error() {
        let token = Token::new(TokenType::Dpop, "abc").unwrap().with_proof(Arc::new(Fixed));
        assert!(authorized(&token).unwrap()["dpop"].is_sensitive());
        let mut headers = HeaderMap::new();
        for index in 0.. {
            let name: http::HeaderName = format!("x-{index}").parse().unwrap();
            if headers.try_insert(name, HeaderValue::from_static("")).is_err() {
                break;
            }
        }
        let uri = Uri::from_static("https://a.example/b");
        let error = token.authorize(&Method::GET, &uri, &mut headers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }

    fn authorized(token: &Token) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Basic x"));
        headers.append("dpop", HeaderValue::from_static("theirs"));
        token.authorize(&Method::GET, &Uri::from_static("https://a.example/b"), &mut headers)?;
        Ok(headers)
    }

    #[test]
    fn a_bearer_token_has_no_proof_whatever_is_attached() {
        let token = Token::bearer("abc").unwrap().with_proof(Arc::new(Fixed));
        let headers = authorized(&token).unwrap();
        assert_eq!(
            (&headers["authorization"], &headers["dpop"]),
            (&"Bearer abc".parse().unwrap(), &"theirs".parse().unwrap())
        );
        let nonce = [(HeaderName::from_static("dpop-nonce"), HeaderValue::from_static("n"))];
        let nonce = nonce.into_iter().collect();
        assert!(!token.observe_response(&Uri::from_static("https://a.example/b"), &nonce));
    }

    #[test]
    fn a_dpop_token_is_never_sent_without_a_proof_nor_as_bearer() {
        let token = Token::new(TokenType::Dpop, "abc").unwrap();
        let error = authorized(&token).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("with_proof"), "{error}");
        let headers = authorized(&token.with_proof(Arc::new(Fixed))).unwrap();
        let values: Vec<_> = headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(values, ["DPoP abc", "/b"]);
    }
}
