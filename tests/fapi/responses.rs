//! Responses that a client of the profile must accept.

use http::{Response, header::WWW_AUTHENTICATE};

use crate::stage::{Stage, Variant};

/// Token types have no case (RFC 6749 §5.1).
#[tokio::test]
async fn fapi_the_case_of_the_token_type_does_not_matter() {
    for variant in Variant::ALL {
        let stage = Stage::new(variant).await;
        let inverted = |body: String| {
            body.replace(r#""token_type":"DPoP""#, r#""token_type":"dpOp""#)
                .replace(r#""token_type":"Bearer""#, r#""token_type":"bEARER""#)
        };
        let tokens = stage.builder_with(inverted).build().unwrap().into_cache();
        assert_eq!(stage.call(&tokens).await.unwrap(), 200, "{variant:?}");
        // The scheme is sent as it is registered.
        stage.assert_tokens_in_the_header_only();
    }
}

/// Schemes have no case (RFC 9110 §11.1).
#[tokio::test]
async fn fapi_the_case_of_the_scheme_in_a_nonce_challenge_does_not_matter() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    stage.at_api.require_nonce(true);
    let tokens = stage.builder().build().unwrap().into_cache();
    fn inverted(mut response: Response<()>) -> Response<()> {
        if let Some(field) = response.headers_mut().get_mut(WWW_AUTHENTICATE) {
            let text = field.to_str().unwrap();
            assert!(text.starts_with("DPoP "), "{text}");
            *field = text.replacen("DPoP", "dpOp", 1).parse().unwrap();
        }
        response
    }
    assert_eq!(stage.call_with(&tokens, inverted).await.unwrap(), 200);
    assert_eq!((stage.at_api.challenges(), stage.api.requests()), (1, 2));
}

#[tokio::test]
async fn fapi_a_response_without_expires_in_is_used() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    let without = |body: String| body.replace(r#""expires_in":3600,"#, "");
    let tokens = stage.builder_with(without).build().unwrap().into_cache();
    assert_eq!(stage.call(&tokens).await.unwrap(), 200);
    assert_eq!(tokens.current().unwrap().lifetime(), None);
}

/// The grant has no refresh tokens (RFC 6749 §4.4.3). If a server sends one, it is not used.
#[tokio::test]
async fn fapi_a_refresh_token_is_ignored() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    let with = |body: String| body.replacen('{', r#"{"refresh_token":"r3fresh-token-canary","#, 1);
    let tokens = stage.builder_with(with).build().unwrap().into_cache();
    assert_eq!(stage.call(&tokens).await.unwrap(), 200);
    let first = tokens.current().unwrap();
    assert!(!format!("{first:?} {tokens:?}").contains("r3fresh"));
    // The API rejects the token: the next one comes from the same grant.
    stage.idp.revoke_all();
    assert_eq!(stage.call(&tokens).await.unwrap(), 200);
    for request in stage.idp.requests() {
        assert_eq!(request.form_value("grant_type"), Some("client_credentials"));
        assert_eq!(request.form_value("refresh_token"), None);
    }
    assert_ne!(tokens.current().unwrap().secret(), first.secret());
}
