//! An authorization server and an API that check what the profile requires of a client.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde_json::{Value, json};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_oauth2_client_credentials::{
    BoxError, Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache, TokenSource as _,
    endpoint::ClientCredentialsBuilder,
    event::AcquisitionReason,
    jose::{SigningAlgorithm, SigningKey},
    source::AcquireContext,
    testing::{
        AuthorizationServer, DpopVerifier, MockServer, ProtectedApi, RecordedRequest,
        RegisteredClient,
    },
    transport::{ClientIdentity, HyperTransport, TokenRequest},
};

use crate::{
    mtls_and_dpop, mtls_and_mtls, private_key_jwt_and_dpop, private_key_jwt_and_mtls,
    proofs::verified,
    tls::{Authority, bounded},
};

pub(crate) const ID: &str = "my-service";
/// The name in the client's certificate.
const NAME: &str = "service.test";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The algorithms of the profile (§5.4.1).
const ALGORITHMS: [&str; 3] = ["PS256", "ES256", "EdDSA"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Key,
    Certificate,
}

/// How the client authenticates, and what its tokens are bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) authentication: By,
    pub(crate) binding: By,
}

impl Variant {
    pub(crate) const ALL: [Self; 4] = [
        Self::KEY_AND_DPOP,
        Self::KEY_AND_MTLS,
        Self { authentication: By::Certificate, binding: By::Key },
        Self { authentication: By::Certificate, binding: By::Certificate },
    ];
    pub(crate) const KEY_AND_DPOP: Self = Self { authentication: By::Key, binding: By::Key };
    pub(crate) const KEY_AND_MTLS: Self =
        Self { authentication: By::Key, binding: By::Certificate };

    pub(crate) fn has_certificate(self) -> bool {
        [self.authentication, self.binding].contains(&By::Certificate)
    }

    pub(crate) fn is_dpop(self) -> bool {
        self.binding == By::Key
    }
}

pub(crate) struct Stage {
    pub(crate) variant: Variant,
    pub(crate) authority: Authority,
    pub(crate) idp: AuthorizationServer,
    pub(crate) at_idp: DpopVerifier,
    pub(crate) api: ProtectedApi,
    pub(crate) at_api: DpopVerifier,
    /// The issuer, and the token endpoint for clients without a certificate.
    pub(crate) front: MockServer,
    /// The token endpoint that requires a certificate (RFC 8705 §5).
    pub(crate) alias: MockServer,
    pub(crate) api_server: MockServer,
    key: SigningKey,
    identity: ClientIdentity,
    /// The claims of accepted client assertions.
    pub(crate) assertions: Arc<Mutex<Vec<Value>>>,
}

impl Stage {
    pub(crate) async fn new(variant: Variant) -> Self {
        Self::with_key(variant, SigningKey::generate(SigningAlgorithm::Es256).unwrap()).await
    }

    pub(crate) async fn with_key(variant: Variant, key: SigningKey) -> Self {
        let authority = Authority::new();
        let identity = authority.certify(NAME).identity();
        let (at_idp, at_api) = (DpopVerifier::new(verified), DpopVerifier::new(verified));
        let issuer = Arc::<OnceLock<String>>::default();
        let assertions = Arc::<Mutex<Vec<_>>>::default();
        let (method, mut idp) = match variant.authentication {
            By::Key => {
                let check = AssertionCheck {
                    key: key.clone(),
                    issuer: Arc::clone(&issuer),
                    accepted: Arc::clone(&assertions),
                    seen: Mutex::default(),
                };
                let builder = AuthorizationServer::builder()
                    .client(RegisteredClient::new("another").secret("s3cret"))
                    .verify_assertion(move |request| check.accept(request).ok_or("invalid_client"));
                ("private_key_jwt", builder)
            }
            By::Certificate => {
                let client = RegisteredClient::new(ID).dns_name(NAME);
                ("tls_client_auth", AuthorizationServer::builder().client(client))
            }
        };
        if variant.is_dpop() {
            idp = idp.dpop(at_idp.clone());
        }
        let idp = idp.build();
        let api = ProtectedApi::builder(&idp).dpop(at_api.clone()).build();
        let optional = || authority.server(authority.asking(false));
        let front = idp.listen_tls(optional()).await.unwrap();
        let alias = idp.listen_tls(authority.server(authority.asking(true))).await.unwrap();
        let api_server = api.listen_tls(optional()).await.unwrap();
        issuer.set(front.issuer()).unwrap();
        let aliases = json!({"token_endpoint": alias.token_url()});
        for (member, value) in [
            ("token_endpoint_auth_methods_supported", json!([method])),
            ("token_endpoint_auth_signing_alg_values_supported", json!(ALGORITHMS)),
            ("dpop_signing_alg_values_supported", json!(ALGORITHMS)),
            ("mtls_endpoint_aliases", aliases),
        ] {
            idp.set_metadata(member, value);
        }
        Self {
            variant,
            authority,
            idp,
            at_idp,
            api,
            at_api,
            front,
            alias,
            api_server,
            key,
            identity,
            assertions,
        }
    }

    pub(crate) fn transport(&self) -> HyperTransport {
        let transport = self.authority.client();
        let transport = match self.variant.has_certificate() {
            true => transport.client_identity(self.identity.clone()),
            false => transport,
        };
        transport.build().unwrap()
    }

    /// The documented settings for this variant, with a transport that trusts the test's authority.
    pub(crate) fn builder(&self) -> ClientCredentialsBuilder {
        let (issuer, key) = (&self.front.issuer(), self.key.clone());
        let certificate = self.identity.clone();
        let builder = match (self.variant.authentication, self.variant.binding) {
            (By::Key, By::Key) => private_key_jwt_and_dpop(issuer, key),
            (By::Key, By::Certificate) => private_key_jwt_and_mtls(issuer, key, certificate),
            (By::Certificate, By::Key) => mtls_and_dpop(issuer, certificate),
            (By::Certificate, By::Certificate) => mtls_and_mtls(issuer, certificate),
        };
        builder.transport(self.transport())
    }

    /// The same, with another text in each response of the authorization server.
    pub(crate) fn builder_with(
        &self,
        change: impl Fn(String) -> String + Clone + Send + Sync + 'static,
    ) -> ClientCredentialsBuilder {
        let transport = self.transport();
        self.builder().transport(tower::service_fn(move |request: TokenRequest| {
            let (transport, change) = (transport.clone(), change.clone());
            async move {
                let response = transport.oneshot(request).await?;
                let (mut parts, body) = response.into_parts();
                let body = body.collect().await?.to_bytes();
                let body = change(String::from_utf8(body.to_vec())?);
                parts.headers.remove("content-length");
                Ok::<_, BoxError>(Response::from_parts(parts, Full::<Bytes>::from(body)))
            }
        }))
    }

    /// The status of one request to the API through the layer.
    pub(crate) async fn call(&self, tokens: &TokenCache) -> Result<StatusCode, BoxError> {
        self.call_with(tokens, |response| response).await
    }

    /// The same, with another response of the API.
    pub(crate) async fn call_with(
        &self,
        tokens: &TokenCache,
        change: fn(Response<()>) -> Response<()>,
    ) -> Result<StatusCode, BoxError> {
        let mut http = self.authority.client();
        if self.variant.has_certificate() {
            http = http.client_identity(self.identity.clone());
        }
        let http = http.build_client::<Empty<Bytes>>().unwrap();
        let http = http.map_response(move |response| {
            let (parts, body) = response.into_parts();
            change(Response::from_parts(parts, ())).map(|()| body)
        });
        let origins = Origins::parse([self.api_server.url().as_str()]).unwrap();
        let mut client = OAuthClientCredentialsLayer::new(tokens.clone(), origins).layer(http);
        let uri = format!("{}/accounts?from=2026-01-01", self.api_server.url());
        let request = Request::get(uri).body(Empty::new()).unwrap();
        let client = client.ready().await?;
        Ok(bounded(client.call(request)).await?.status())
    }

    /// Fails if a request to the API had a token in another place than the header field.
    pub(crate) fn assert_tokens_in_the_header_only(&self) {
        let scheme = if self.variant.is_dpop() { "DPoP " } else { "Bearer " };
        for request in self.api.recorded() {
            let field = request.header("authorization").unwrap();
            let token = field.strip_prefix(scheme).expect(scheme);
            let target = request.uri.to_string();
            assert!(!target.contains(token) && !target.contains("access_token"), "{target}");
            assert!(request.body.is_empty());
        }
    }

    /// The address that each token request was sent to.
    pub(crate) fn asked(&self) -> Vec<String> {
        let authority = |request: &RecordedRequest| match request.uri.authority() {
            Some(authority) => authority.to_string(),
            None => request.header("host").unwrap().to_owned(),
        };
        self.idp.requests().iter().map(authority).collect()
    }

    /// The error of an acquisition that must fail before a token could be used.
    pub(crate) async fn refused(&self, builder: ClientCredentialsBuilder) -> Error {
        let tokens = builder.attempts(1).build().unwrap().into_cache();
        let error = self.call(&tokens).await.unwrap_err();
        assert_eq!(self.api.requests(), 0, "the API got a request");
        Error::find(&*error).unwrap().clone()
    }
}

/// One token, without a cache.
pub(crate) async fn acquire(builder: ClientCredentialsBuilder) -> Result<Token, Error> {
    let source = builder.attempts(1).build().unwrap();
    bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await
}

/// What the profile requires of a client assertion (§5.3.3.1, RFC 7523 §3).
struct AssertionCheck {
    key: SigningKey,
    issuer: Arc<OnceLock<String>>,
    accepted: Arc<Mutex<Vec<Value>>>,
    seen: Mutex<HashSet<String>>,
}

impl AssertionCheck {
    fn accept(&self, request: &RecordedRequest) -> Option<()> {
        if request.form_value("client_assertion_type") != Some(JWT_BEARER) {
            return None;
        }
        let jwk: Jwk = serde_json::from_str(&self.key.public_jwk()).unwrap();
        let registered: Algorithm = self.key.algorithm().as_str().parse().unwrap();
        let mut validation = Validation::new(registered);
        let issuer = self.issuer.get()?;
        validation.set_audience(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        let key = DecodingKey::from_jwk(&jwk).unwrap();
        let assertion = request.form_value("client_assertion")?;
        let claims = jsonwebtoken::decode::<Value>(assertion, &key, &validation).ok()?.claims;
        let id = request.form_value("client_id");
        // A list with the issuer in it is refused: it must be one string.
        let good = claims["aud"] == **issuer
            && claims["iss"] == ID
            && claims["sub"] == ID
            && id.is_none_or(|id| id == ID);
        let jti = claims["jti"].as_str()?.to_owned();
        let good = good && self.seen.lock().unwrap().insert(jti);
        good.then(|| self.accepted.lock().unwrap().push(claims))
    }
}
