//! The text of each problem.

use super::problem::Problem;

impl Problem {
    /// The problem, and what to do.
    pub(crate) fn advice(self) -> &'static str {
        use Problem as K;
        match self {
            K::InvalidClient => {
                "the authorization server does not accept these credentials; check the client id \
                 and secret, and whether this client must authenticate another way (basic, post, \
                 private_key_jwt, …)"
            }
            K::InvalidRequest => {
                "the authorization server does not understand the token request; compare the \
                 parameters and the way the client authenticates with its documentation"
            }
            K::InvalidScope => {
                "the requested scope is unknown, malformed, or not granted to this client; check \
                 its spelling and the client's registration"
            }
            K::UnauthorizedClient => {
                "this client may not use this grant type, or its secret is wrong; check its \
                 registration, and try client_secret_post if the server does not decode \
                 Basic credentials"
            }
            K::UnsupportedGrantType => {
                "the token endpoint does not offer this grant type; enable it at the \
                 authorization server, or check grant_type and the token URL"
            }
            K::InvalidGrant => {
                "the authorization server refuses the grant; check the assertion or token that is \
                 sent (issuer, audience, lifetime, key), and the client's registration"
            }
            K::InvalidTarget => {
                "the resource or audience is unknown to the authorization server; check that \
                 parameter"
            }
            K::AccessDenied => {
                "the authorization server denies this client access; ask its administrator"
            }
            K::UseDpopNonce => {
                "the authorization server wants a DPoP proof with its nonce; configure DPoP, or \
                 turn the requirement off for this client"
            }
            K::InvalidDpopProof => {
                "the authorization server does not accept the DPoP proof, or requires one; \
                 configure DPoP, and check the clock and that no proxy rewrites the URL"
            }
            K::TemporarilyUnavailable => {
                "the authorization server is overloaded or under maintenance; it is asked again \
                 after a pause"
            }
            K::ServerError => {
                "the authorization server failed to answer; it may be down or overloaded, and is \
                 asked again after a pause"
            }
            K::OtherOAuthError => {
                "the authorization server refused the request with an unregistered error code; look \
                 the code up in the server's documentation"
            }
            K::RateLimited => {
                "the authorization server throttles this client; share one TokenCache between \
                 clients, and check how many instances run"
            }
            K::HttpStatus => {
                "the token endpoint answered with an error status; check the token URL"
            }
            K::CredentialsRefused => {
                "the authorization server refuses these credentials without an OAuth error code; \
                 check the client id and secret, whether this client must authenticate another way \
                 (basic, post, private_key_jwt, …), and the token URL"
            }
            K::Redirect => {
                "the token endpoint redirects, which is never followed with credentials; set the \
                 token URL to the final address"
            }
            K::MalformedBody => {
                "the token endpoint answered with something other than a JSON token response; \
                 check the token URL, and for a proxy or login page in between"
            }
            K::MissingAccessToken => {
                "the token endpoint reported success without an access token; check the token URL \
                 and what the server sends"
            }
            K::InvalidTokenValue => {
                "the access token cannot be sent in a header field; the authorization server, or \
                 something in between, damaged it"
            }
            K::UnsupportedTokenType => {
                "the authorization server issued a token of another type than this client can \
                 present; a DPoP token needs DPoP configured here, a Bearer token is refused \
                 where DPoP is required"
            }
            K::UnsupportedContentEncoding => {
                "the token endpoint compressed its response, which was not requested; check \
                 for a proxy in between"
            }
            K::BodyTooLarge => {
                "the token endpoint's answer is above the body cap; check the token URL"
            }
            K::Transport => {
                "the token endpoint could not be reached, or the connection broke; check the \
                 network, DNS, proxy and TLS settings (the cause has more)"
            }
            K::AcquisitionTimeout => {
                "the authorization server did not answer in time; it is asked again after a pause"
            }
            K::Overloaded => {
                "too many acquisitions of other keys were ahead of this one, which is tried again \
                 after a pause; allow more at once, and check where so many keys come from"
            }
            K::WaitTimeout => {
                "no access token arrived before this request's own deadline; the acquisition goes \
                 on for later requests"
            }
            K::Panicked => "the token source panicked; the panic message is on standard error",
            K::Runtime => {
                "there is no running tokio runtime to acquire a token on; call from within one, \
                 with its time driver enabled"
            }
            K::Credentials => {
                "the client's secret, key or assertion could not be read; check the file or the \
                 closure that provides it"
            }
            K::Discovery => {
                "the authorization server's metadata could not be read; check the issuer, or give \
                 the token URL instead of discovering it"
            }
            K::IssuerMismatch => {
                "the metadata belongs to another issuer, so it is not used; give the issuer \
                 exactly as the server writes it"
            }
            K::UnsupportedAuthMethod => {
                "the authorization server does not list this way of client authentication; choose \
                 one that it lists, or turn strict_metadata off if its metadata is wrong"
            }
            K::Source => "the token source failed (the cause has more)",
            K::Config => "a setting is wrong",
            K::Refused => "the request was not sent",
        }
    }
}
