//! Classifies the response of a protected API: what it says about the token that was sent
//! (RFC 6750 §3, RFC 9110 §11.6, RFC 9449 §9).

mod parse;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_collected;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, StatusCode, header};

use parse::{Piece, Pieces, Value};

/// How many bytes of challenges are read, over all field lines. Typical challenges have a few hundred
/// bytes. The longest, with a claims challenge inside, have a few thousand.
const MAX_FIELD_BYTES: usize = 16 * 1024;

/// What a response says about the token that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The token was rejected.
    Rejected,
    /// Another token would not help: the caller gets the response.
    PassThrough,
    /// The token is good, but the DPoP proof needs the nonce of this response (RFC 9449 §9).
    UseNonce,
}

/// Selects the responses of an API that count as a rejection of the token.
///
/// A rejected token is invalidated. The request is sent again once with another token, if its body
/// can be sent again.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::layer::RejectionPolicy;
///
/// // An internal API that returns 419 when a token has expired.
/// let rejections = RejectionPolicy::when(|status, _headers| status.as_u16() == 419);
/// # drop(rejections);
/// ```
#[derive(Clone, Default)]
pub struct RejectionPolicy(Rule);

#[derive(Clone, Default)]
enum Rule {
    #[default]
    ByChallenge,
    AnyScheme,
    None,
    When(Arc<Closure>),
}

type Closure = dyn Fn(StatusCode, &HeaderMap) -> bool + Send + Sync;

impl RejectionPolicy {
    /// The default. Counts any 401 where another token may help, and a 403 with
    /// `error="invalid_token"`.
    ///
    /// `invalid_token` counts in a challenge of any scheme, because some APIs use names such as
    /// `OAuth2`. A 401 without a readable challenge, without an error code or with an unknown code
    /// counts too. Acquisitions after rejections are limited, so a wrong guess costs little.
    ///
    /// These 401s do not count: `insufficient_scope`, `invalid_request`, `invalid_dpop_proof`,
    /// `insufficient_user_authentication` (RFC 6750 §3.1, RFC 9449 §7.1, RFC 9470 §3), and
    /// challenges of other schemes only, without `invalid_token`.
    pub fn by_challenge() -> Self {
        Self(Rule::ByChallenge)
    }

    /// Counts the same as [`by_challenge`](Self::by_challenge), and also a 401 whose challenges are all
    /// of other schemes. For example, Salesforce sends `WWW-Authenticate: Token`.
    pub fn any_scheme() -> Self {
        Self(Rule::AnyScheme)
    }

    /// Counts no response as a rejection. A token that is revoked early is then used until it expires.
    pub fn never() -> Self {
        Self(Rule::None)
    }

    /// Counts the responses for which a closure returns `true`. It is called for each response that
    /// is not a success (2xx), in the caller's task, so it must not block.
    pub fn when(rejected: impl Fn(StatusCode, &HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        Self(Rule::When(Arc::new(rejected)))
    }
}

impl fmt::Debug for RejectionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Rule::ByChallenge => "RejectionPolicy::by_challenge",
            Rule::AnyScheme => "RejectionPolicy::any_scheme",
            Rule::None => "RejectionPolicy::never",
            Rule::When(_) => "RejectionPolicy::when(..)",
        })
    }
}

/// Classifies a response to a token that was sent with `scheme`. `field` is `WWW-Authenticate`, or
/// `Proxy-Authenticate` if the token was sent as `Proxy-Authorization`. Then 407 takes the place of
/// 401 (RFC 9110 §11.7.1).
#[inline]
pub(crate) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    field: &HeaderName,
    scheme: &str,
    rejections: &RejectionPolicy,
) -> Verdict {
    if status.is_success() {
        return Verdict::PassThrough;
    }
    classify_unsuccessful(status, headers, field, scheme, rejections)
}

#[cold]
fn classify_unsuccessful(
    status: StatusCode,
    headers: &HeaderMap,
    field: &HeaderName,
    scheme: &str,
    RejectionPolicy(rule): &RejectionPolicy,
) -> Verdict {
    let class = Class::of(status, headers, field, scheme);
    let unauthorized = status == unauthorized_status(field);
    if class == Class::UseDpopNonce && unauthorized {
        return Verdict::UseNonce;
    }
    let is_rejection = match rule {
        Rule::ByChallenge => class.is_rejection(status, unauthorized),
        Rule::AnyScheme => {
            class.is_rejection(status, unauthorized) || unauthorized && class == Class::OtherScheme
        }
        Rule::None => false,
        Rule::When(rejected) => rejected(status, headers),
    };
    if is_rejection { Verdict::Rejected } else { Verdict::PassThrough }
}

fn unauthorized_status(field: &HeaderName) -> StatusCode {
    if field == header::PROXY_AUTHENTICATE {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED
    } else {
        StatusCode::UNAUTHORIZED
    }
}

/// The meaning of a response's challenges, for the scheme that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    InvalidToken,
    InsufficientScope,
    InvalidRequest,
    UseDpopNonce,
    InvalidDpopProof,
    /// Continuous access evaluation: the API wants a token with certain claims.
    InsufficientClaims,
    /// The API wants a user who authenticated more strongly (RFC 9470 §3). There is no user here.
    InsufficientUserAuthentication,
    UnknownError,
    /// A challenge of our scheme, without a code.
    NoError,
    OtherScheme,
    /// No code in a challenge of our scheme, but `invalid_token` in a challenge of another scheme.
    OtherSchemeInvalidToken,
    /// The challenges cannot be parsed.
    Malformed,
    /// No challenge.
    None,
    /// A challenge with a status that gives it no meaning (RFC 9110 §11.6.1).
    Ignored,
}

impl Class {
    fn of(status: StatusCode, headers: &HeaderMap, field: &HeaderName, scheme: &str) -> Self {
        let lines = headers.get_all(field);
        let matters = status == unauthorized_status(field)
            || matches!(status, StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST);
        if !matters {
            return if lines.iter().next().is_none() { Self::None } else { Self::Ignored };
        }
        Self::of_lines(lines.iter().map(|line| line.as_bytes()), scheme.as_bytes())
    }

    /// The first error code in a challenge of our scheme decides, even if the rest cannot be parsed.
    /// Without one, `invalid_token` decides under any scheme.
    fn of_lines<'a>(lines: impl Iterator<Item = &'a [u8]>, scheme: &[u8]) -> Self {
        let mut remaining = MAX_FIELD_BYTES;
        let (mut ours, mut others, mut malformed) = (false, false, false);
        let mut invalid_token = false;
        // Whether the challenge that began last is of our scheme.
        let mut current = None;
        for line in lines {
            let read = &line[..line.len().min(remaining)];
            remaining -= read.len();
            malformed |= read.len() < line.len();
            for piece in Pieces::new(read) {
                match piece {
                    Piece::Challenge(name) => {
                        let is_ours = name.eq_ignore_ascii_case(scheme);
                        ours |= is_ours;
                        others |= !is_ours;
                        current = Some(is_ours);
                    }
                    Piece::Param { name, value } => match current {
                        Some(true) if name.eq_ignore_ascii_case(b"error") && !value.is_empty() => {
                            return Self::of_code(value);
                        }
                        Some(_) => {
                            invalid_token |=
                                name.eq_ignore_ascii_case(b"error") && value.is("invalid_token");
                        }
                        None => malformed = true,
                    },
                    Piece::Malformed => {
                        malformed = true;
                        current = None;
                    }
                }
            }
        }
        match (malformed, ours, others) {
            _ if invalid_token => Self::OtherSchemeInvalidToken,
            (true, ..) => Self::Malformed,
            (_, true, _) => Self::NoError,
            (_, _, true) => Self::OtherScheme,
            _ => Self::None,
        }
    }

    fn of_code(code: Value<'_>) -> Self {
        const CODES: [(&str, Class); 7] = [
            ("invalid_token", Class::InvalidToken),
            ("insufficient_scope", Class::InsufficientScope),
            ("invalid_request", Class::InvalidRequest),
            ("use_dpop_nonce", Class::UseDpopNonce),
            ("invalid_dpop_proof", Class::InvalidDpopProof),
            ("insufficient_claims", Class::InsufficientClaims),
            ("insufficient_user_authentication", Class::InsufficientUserAuthentication),
        ];
        let known = CODES.into_iter().find(|(name, _)| code.is(name));
        known.map_or(Self::UnknownError, |(_, class)| class)
    }

    /// Whether the token was rejected. Without an error code only a 401 concerns the token; a 403
    /// concerns its permissions. A 400 concerns the request, with any code.
    fn is_rejection(self, status: StatusCode, unauthorized: bool) -> bool {
        match self {
            Self::InvalidToken | Self::OtherSchemeInvalidToken => status != StatusCode::BAD_REQUEST,
            Self::NoError
            | Self::Malformed
            | Self::None
            | Self::UnknownError
            | Self::InsufficientClaims => unauthorized,
            Self::InsufficientScope
            | Self::InvalidRequest
            | Self::InvalidDpopProof
            | Self::InsufficientUserAuthentication
            | Self::UseDpopNonce
            | Self::OtherScheme
            | Self::Ignored => false,
        }
    }
}
