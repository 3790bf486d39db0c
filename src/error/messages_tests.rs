//! The complete message of every problem.

use super::{Error, Problem as K};

const MESSAGES: [(K, &str); 36] = [
    (
        K::InvalidClient,
        "invalid_client: the authorization server does not accept these credentials; \
         check the client id and secret, and whether this client must authenticate \
         another way (basic, post, private_key_jwt, …)",
    ),
    (
        K::InvalidRequest,
        "invalid_request: the authorization server does not understand the token request; \
         compare the parameters and the way the client authenticates with its \
         documentation",
    ),
    (
        K::InvalidScope,
        "invalid_scope: the requested scope is unknown, malformed, or not granted to this \
         client; check its spelling and the client's registration",
    ),
    (
        K::UnauthorizedClient,
        "unauthorized_client: this client may not use this grant type, or its secret is \
         wrong; check its registration, and try client_secret_post if the server does not \
         decode Basic credentials",
    ),
    (
        K::UnsupportedGrantType,
        "unsupported_grant_type: the token endpoint does not offer this grant type; \
         enable it at the authorization server, or check grant_type and the token URL",
    ),
    (
        K::InvalidGrant,
        "invalid_grant: the authorization server refuses the grant; check the assertion or \
         token that is sent (issuer, audience, lifetime, key), and the client's registration",
    ),
    (
        K::InvalidTarget,
        "invalid_target: the resource or audience is unknown to the authorization server; \
         check that parameter",
    ),
    (
        K::AccessDenied,
        "access_denied: the authorization server denies this client access; ask its \
         administrator",
    ),
    (
        K::UseDpopNonce,
        "use_dpop_nonce: the authorization server wants a DPoP proof with its nonce; \
         configure DPoP, or turn the requirement off for this client",
    ),
    (
        K::InvalidDpopProof,
        "invalid_dpop_proof: the authorization server does not accept the DPoP proof, or \
         requires one; configure DPoP, and check the clock and that no proxy rewrites the \
         URL",
    ),
    (
        K::TemporarilyUnavailable,
        "temporarily_unavailable: the authorization server is overloaded or under \
         maintenance; it is asked again after a pause",
    ),
    (
        K::ServerError,
        "server_error: the authorization server failed to answer; it may be down or \
         overloaded, and is asked again after a pause",
    ),
    (
        K::OtherOAuthError,
        "other_oauth_error: the authorization server refused the request with an \
         unregistered error code; look the code up in the server's documentation",
    ),
    (
        K::RateLimited,
        "rate_limited: the authorization server throttles this client; share one \
         TokenCache between clients, and check how many instances run",
    ),
    (
        K::HttpStatus,
        "http_status: the token endpoint answered with an error status; check \
         the token URL",
    ),
    (
        K::CredentialsRefused,
        "http_status: the authorization server refuses these credentials without an \
         OAuth error code; check the client id and secret, whether this client must \
         authenticate another way (basic, post, private_key_jwt, …), and the token URL",
    ),
    (
        K::Redirect,
        "redirect: the token endpoint redirects, which is never followed with \
         credentials; set the token URL to the final address",
    ),
    (
        K::MalformedBody,
        "malformed_body: the token endpoint answered with something other than a JSON \
         token response; check the token URL, and for a proxy or login page in between",
    ),
    (
        K::MissingAccessToken,
        "missing_access_token: the token endpoint reported success without an access \
         token; check the token URL and what the server sends",
    ),
    (
        K::InvalidTokenValue,
        "invalid_token_value: the access token cannot be sent in a header field; the \
         authorization server, or something in between, damaged it",
    ),
    (
        K::UnsupportedTokenType,
        "unsupported_token_type: the authorization server issued a token of another type \
         than this client can present; a DPoP token needs DPoP configured here, a Bearer \
         token is refused where DPoP is required",
    ),
    (
        K::UnsupportedContentEncoding,
        "unsupported_content_encoding: the token endpoint compressed its response, \
         which was not requested; check for a proxy in between",
    ),
    (
        K::BodyTooLarge,
        "body_too_large: the token endpoint's answer is above the body cap; check the \
         token URL",
    ),
    (
        K::Transport,
        "transport: the token endpoint could not be reached, or the connection broke; \
         check the network, DNS, proxy and TLS settings (the cause has more)",
    ),
    (
        K::AcquisitionTimeout,
        "acquisition_timeout: the authorization server did not answer in time; it is \
         asked again after a pause",
    ),
    (
        K::Overloaded,
        "overloaded: too many acquisitions of other keys were ahead of this one, which is tried again \
         after a pause; allow more at once, and check where so many keys come from",
    ),
    (
        K::WaitTimeout,
        "wait_timeout: no access token arrived before this request's own deadline; the \
         acquisition goes on for later requests",
    ),
    (K::Panicked, "panicked: the token source panicked; the panic message is on standard error"),
    (
        K::Runtime,
        "runtime: there is no running tokio runtime to acquire a token on; call from \
         within one, with its time driver enabled",
    ),
    (
        K::Credentials,
        "credentials: the client's secret, key or assertion could not be read; check the \
         file or the closure that provides it",
    ),
    (
        K::Discovery,
        "discovery: the authorization server's metadata could not be read; check the \
         issuer, or give the token URL instead of discovering it",
    ),
    (
        K::IssuerMismatch,
        "issuer_mismatch: the metadata belongs to another issuer, so it is not used; give \
         the issuer exactly as the server writes it",
    ),
    (
        K::UnsupportedAuthMethod,
        "unsupported_auth_method: the authorization server does not list this way of \
         client authentication; choose one that it lists, or turn strict_metadata off if \
         its metadata is wrong",
    ),
    (K::Source, "source: the token source failed (the cause has more)"),
    (K::Config, "config: a setting is wrong"),
    (K::Refused, "refused: the request was not sent"),
];

#[test]
fn every_problems_message() {
    for (problem, message) in MESSAGES {
        assert_eq!(Error::of(problem).to_string(), message);
    }
}

#[test]
fn every_problem_is_listed_once_and_says_what_to_do_in_one_line() {
    assert_eq!(MESSAGES.map(|(problem, _)| problem), K::ALL);
    for (problem, message) in MESSAGES {
        assert!(message.starts_with(&format!("{}: ", problem.as_str())), "{problem:?}");
        assert!(!message.contains('\n') && message.len() < 300, "{problem:?}");
    }
}
