//! The token type of a response (RFC 6749 §7.1).

use super::fields::Member;
use crate::{
    error::{Error, Problem},
    token::TokenType,
};

/// The types of tokens that are accepted. Default: bearer tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AcceptedTypes {
    pub(super) bearer: bool,
    pub(super) dpop: bool,
}

impl Default for AcceptedTypes {
    fn default() -> Self {
        Self { bearer: true, dpop: false }
    }
}

/// RFC 6749 §7.1: a token of a type that is not understood must not be used.
pub(super) fn token_type(
    member: &Member,
    token_type_override: Option<TokenType>,
    accepted: AcceptedTypes,
) -> Result<TokenType, Error> {
    let token_type = stated_type(member, token_type_override);
    let is_accepted = |token_type: &TokenType| match token_type {
        TokenType::Bearer => accepted.bearer,
        TokenType::Dpop => accepted.dpop,
    };
    token_type.filter(is_accepted).ok_or_else(|| {
        let error = Error::of(Problem::UnsupportedTokenType);
        match member.as_text() {
            Some(name) if name.eq_ignore_ascii_case("N_A") => error.with_detail(NOT_ACCESS_TOKEN),
            _ => error,
        }
    })
}

/// RFC 8693 §2.2.1.
const NOT_ACCESS_TOKEN: &str = "its token type N_A says that it is not an access token; ask for one with the parameter \
     requested_token_type=urn:ietf:params:oauth:token-type:access_token, or set \
     token_type_override if the API takes this token as a Bearer token";

/// The type that the server states, or `unknown` for a name that is not known here. `BearerToken` is
/// Apigee's name.
fn stated_type(member: &Member, unknown: Option<TokenType>) -> Option<TokenType> {
    let name = match member {
        Member::Absent => "",
        Member::Text(name) => name.trim(),
        _ => return unknown,
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("DPoP") {
        return Some(TokenType::Dpop);
    }
    if is("") || is("Bearer") || is("BearerToken") {
        return Some(TokenType::Bearer);
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_override_is_for_unknown_types_alone() {
        let read = |name| {
            token_type(&Member::text(name), Some(TokenType::Bearer), AcceptedTypes::default())
        };
        assert!(read("dPOp").is_err());
        assert!(read("Application Access Token").is_ok());
    }

    #[test]
    fn with_dpop_a_bearer_token_is_taken_only_where_that_is_allowed() {
        let read = |name: &str, accepted, token_type_override| {
            token_type(&Member::text(name), token_type_override, accepted).ok()
        };
        let [required_only, both] =
            [false, true].map(|bearer| AcceptedTypes { bearer, dpop: true });
        let (bearer, dpop) = (Some(TokenType::Bearer), Some(TokenType::Dpop));
        for (name, required, either) in [
            ("DPoP", dpop, dpop),
            ("dpop ", dpop, dpop),
            ("Bearer", None, bearer),
            ("", None, bearer),
            ("mac", None, None),
        ] {
            assert_eq!(read(name, required_only, None), required, "{name}");
            assert_eq!(read(name, both, None), either, "{name}");
        }
        assert_eq!(read("mac", required_only, bearer), None);
        assert_eq!(read("mac", both, bearer), bearer);
    }
}
