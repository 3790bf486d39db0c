//! The type of a token that the server states (RFC 6749 §7.1).

use super::fields::Member;
use crate::{
    error::{Error, ErrorKind},
    token::TokenType,
};

/// The types of token that can be presented, or are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "dpop"), allow(dead_code))]
pub(super) enum Expected {
    #[default]
    Bearer,
    Dpop,
    Either,
}

/// RFC 6749 §7.1: a token of a type that is not understood must not be used.
pub(super) fn token_type(
    member: &Member,
    token_type_override: Option<TokenType>,
    expected: Expected,
) -> Result<TokenType, Error> {
    let token_type = stated_type(member, token_type_override);
    match (token_type, expected) {
        // Neither is passed off as the other, whatever the setting.
        (Some(TokenType::Bearer), Expected::Dpop) | (Some(TokenType::Dpop), Expected::Bearer) => {
            None
        }
        (token_type, _) => token_type,
    }
    .ok_or_else(|| {
        let error = Error::new(ErrorKind::UnsupportedTokenType);
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

/// `BearerToken` is Apigee's. The setting is for names that mean nothing here.
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
        let read =
            |name| token_type(&Member::text(name), Some(TokenType::Bearer), Expected::Bearer);
        assert!(read("dPOp").is_err());
        assert!(read("Application Access Token").is_ok());
    }

    #[test]
    fn with_dpop_a_bearer_token_is_taken_only_where_that_is_allowed() {
        let read = |name: &str, expected, token_type_override| {
            token_type(&Member::text(name), token_type_override, expected).ok()
        };
        let (bearer, dpop) = (Some(TokenType::Bearer), Some(TokenType::Dpop));
        for (name, required, either) in [
            ("DPoP", dpop, dpop),
            ("dpop ", dpop, dpop),
            ("Bearer", None, bearer),
            ("", None, bearer),
            ("mac", None, None),
        ] {
            assert_eq!(read(name, Expected::Dpop, None), required, "{name}");
            assert_eq!(read(name, Expected::Either, None), either, "{name}");
        }
        assert_eq!(read("mac", Expected::Dpop, bearer), None);
        assert_eq!(read("mac", Expected::Either, bearer), bearer);
    }
}
