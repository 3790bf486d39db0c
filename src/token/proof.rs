//! Tokens that are bound to a key (RFC 9449): their proofs in requests, and the nonces in responses.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{ProofOfPossession, Token, TokenType};
use crate::error::{Error, Problem};

/// The field that carries a proof (RFC 9449 §4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

impl Token {
    /// Sets the [`ProofOfPossession`] that signs proofs for a token of type [`Dpop`](TokenType::Dpop). Default: none, and
    /// requests with such a token are refused. Bearer tokens do not use it.
    #[must_use]
    pub fn with_proof(self, proof: Arc<dyn ProofOfPossession>) -> Self {
        self.with(|inner| inner.proof = Some(proof))
    }

    /// The [`ProofOfPossession`] that signs this token's proofs, for a source that passes it on to another token.
    pub fn proof(&self) -> Option<&Arc<dyn ProofOfPossession>> {
        self.inner.proof.as_ref()
    }

    /// Sets `Authorization` in a request's header fields. For a token that is bound to a key, also
    /// sets `DPoP` with a proof for this method and URI. Replaces existing values.
    ///
    /// Use it for clients that do not fit the layer. Call it each time a request is sent, also when
    /// the same request is sent again. Call [`observe_response`](Self::observe_response) with each
    /// response. This method does not check whether the token may be sent to that URI.
    ///
    /// # Errors
    ///
    /// Kind `Refused` if the token needs a proof and has no key to sign it, the URI has no
    /// scheme and host, or the map has no room. Kind `Credentials` if the key does not sign.
    pub fn authorize(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<(), Error> {
        let full = |_| {
            Error::of(Problem::Refused)
                .with_detail("it has no room for another header field; send fewer fields")
        };
        if let Some(proof) = self.prove(method, uri)? {
            headers.try_insert(DPOP, proof).map_err(full)?;
        }
        headers.try_insert(header::AUTHORIZATION, self.header_value()).map_err(full)?;
        Ok(())
    }

    /// Stores the nonce in a response to a request with this token, for later requests (RFC 9449
    /// §8.2, §9). The response may have any status. Does nothing for a bearer token.
    ///
    /// Returns whether there was a nonce. A request that got a 401 with `error="use_dpop_nonce"`
    /// can be sent again then, with the same token and a new proof.
    pub fn observe_response(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.is_bound() && self.proof().is_some_and(|proof| proof.observe(uri, headers))
    }

    /// Whether each request with this token needs a proof.
    pub(crate) fn is_bound(&self) -> bool {
        self.token_type() == TokenType::Dpop
    }

    /// The proof for one request, if the token needs one.
    pub(crate) fn prove(&self, method: &Method, uri: &Uri) -> Result<Option<HeaderValue>, Error> {
        if !self.is_bound() {
            return Ok(None);
        }
        let proof = self.proof().ok_or_else(|| {
            Error::of(Problem::Refused).with_detail(
                "its token is of type DPoP and has no key to sign proofs; acquire it with a DpopKey, or \
                 call Token::with_proof",
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
    fn a_proof_of_a_custom_signer_is_sensitive() {
        let token = Token::new(TokenType::Dpop, "abc").unwrap().with_proof(Arc::new(Fixed));
        assert!(authorized(&token).unwrap()["dpop"].is_sensitive());
    }

    #[test]
    fn a_full_header_map_is_an_error() {
        let token = Token::new(TokenType::Dpop, "abc").unwrap().with_proof(Arc::new(Fixed));
        let mut headers = HeaderMap::new();
        for index in 0.. {
            let name: http::HeaderName = format!("x-{index}").parse().unwrap();
            if headers.try_insert(name, HeaderValue::from_static("")).is_err() {
                break;
            }
        }
        let uri = Uri::from_static("https://a.example/b");
        let error = token.authorize(&Method::GET, &uri, &mut headers).unwrap_err();
        assert_eq!(error.problem(), Problem::Refused);
    }

    fn authorized(token: &Token) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Basic x"));
        headers.append("dpop", HeaderValue::from_static("theirs"));
        token.authorize(&Method::GET, &Uri::from_static("https://a.example/b"), &mut headers)?;
        Ok(headers)
    }

    #[test]
    fn a_bearer_token_sends_no_proof_and_keeps_existing_ones() {
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
        assert_eq!(error.problem(), Problem::Refused);
        assert!(error.to_string().contains("with_proof"), "{error}");
        let headers = authorized(&token.with_proof(Arc::new(Fixed))).unwrap();
        let values: Vec<_> = headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(values, ["DPoP abc", "/b"]);
    }
}
