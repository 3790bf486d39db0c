//! P12, for tokens of any source: no header injection through a token.

use http::HeaderValue;
use tower_oauth2_client_credentials::{Token, token::TokenType};

#[test]
fn p12_no_token_can_write_another_header_field() {
    for token_type in [TokenType::Bearer, TokenType::Dpop] {
        for byte in 0..=u8::MAX {
            for (before, after) in [("", "abc"), ("abc", ""), ("abc", "x-admin:1")] {
                let text = format!("{before}{}{after}", char::from(byte));
                let made = Token::new(token_type, text.clone());
                assert_eq!(made.is_ok(), (0x21..=0x7e).contains(&byte), "{byte:#x}");
                match made {
                    Ok(token) => {
                        let expected = format!("{} {text}", token_type.scheme());
                        assert_eq!(token.header_value(), HeaderValue::from_str(&expected).unwrap());
                    }
                    Err(error) => assert_eq!(error.code(), "invalid_token_value"),
                }
            }
        }
    }
    for text in ["a\r\nx-admin: 1", "a\nb", "a\0b", "a b", "\u{2028}", "ä", "a\u{7f}"] {
        let error = Token::bearer(text).unwrap_err();
        assert_eq!(error.code(), "invalid_token_value", "{text:?}");
    }
}

#[test]
fn p12_a_token_is_bounded() {
    assert!(Token::bearer("x".repeat(64 * 1024)).is_ok());
    let error = Token::bearer("x".repeat(64 * 1024 + 1)).unwrap_err();
    assert_eq!(error.code(), "invalid_token_value");
    assert!(error.to_string().len() < 1000);
    assert_eq!(Token::bearer("").unwrap_err().code(), "missing_access_token");
}
