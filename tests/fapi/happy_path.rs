//! A token and a request with it, for both client authentications and both bindings.

use serde_json::Value;

use crate::stage::{By, Stage, Variant};

/// One request to the API, checked by both servers.
async fn happy_path(variant: Variant, nonces: bool) {
    let stage = Stage::new(variant).await;
    stage.at_idp.require_nonce(nonces);
    stage.at_api.require_nonce(nonces);
    let tokens = stage.builder().build().unwrap().into_cache();
    assert_eq!(stage.call(&tokens).await.unwrap(), 200, "{variant:?}");
    stage.assert_tokens_in_the_header_only();

    // The metadata is read first, at the well-known place.
    let metadata = stage.idp.metadata_requests();
    assert_eq!(metadata.len(), 1);
    assert_eq!(metadata[0].uri.path(), "/.well-known/oauth-authorization-server");
    let requests = stage.idp.requests();
    let expected = if nonces && variant.is_dpop() { 2 } else { 1 };
    assert_eq!((requests.len(), stage.idp.tokens_issued()), (expected, 1), "{variant:?}");
    let token = tokens.current().unwrap();
    for request in &requests {
        assert_eq!(request.form_value("grant_type"), Some("client_credentials"));
        assert_eq!(request.form_value("client_id"), Some("my-service"));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("dpop").is_some(), variant.is_dpop());
        let is_signed = request.form_value("client_assertion").is_some();
        assert_eq!(is_signed, variant.authentication == By::Key);
        assert_eq!(request.client_certificate.is_some(), variant.has_certificate());
    }
    assert_eq!(stage.idp.is_bound(token.secret()), variant.has_certificate());
    assert_eq!(token.proof().is_some(), variant.is_dpop());
    let challenges = if nonces && variant.is_dpop() { 1 } else { 0 };
    assert_eq!((stage.at_idp.challenges(), stage.at_api.challenges()), (challenges, challenges));

    // The nonce of the last response is used, so it costs no second request.
    for _ in 0..3 {
        assert_eq!(stage.call(&tokens).await.unwrap(), 200);
    }
    tokens.force_refresh().await.unwrap();
    assert_eq!((stage.at_idp.challenges(), stage.at_api.challenges()), (challenges, challenges));
}

#[tokio::test]
async fn fapi_happy_path_with_a_key_and_dpop() {
    happy_path(Variant::KEY_AND_DPOP, true).await;
}

#[tokio::test]
async fn fapi_happy_path_with_a_key_and_a_certificate() {
    happy_path(Variant::KEY_AND_MTLS, false).await;
}

#[tokio::test]
async fn fapi_happy_path_with_a_certificate_and_dpop() {
    let variant = Variant { authentication: By::Certificate, binding: By::Key };
    happy_path(variant, true).await;
}

#[tokio::test]
async fn fapi_happy_path_with_a_certificate_for_both() {
    let variant = Variant { authentication: By::Certificate, binding: By::Certificate };
    happy_path(variant, false).await;
}

#[tokio::test]
async fn fapi_happy_path_without_nonces() {
    for variant in Variant::ALL.into_iter().filter(|variant| variant.is_dpop()) {
        happy_path(variant, false).await;
    }
}

/// Each server's nonce is for that server only.
#[tokio::test]
async fn fapi_a_nonce_of_one_server_is_not_for_the_other() {
    for (at_idp, at_api) in [(true, false), (false, true)] {
        let stage = Stage::new(Variant::KEY_AND_DPOP).await;
        stage.at_idp.require_nonce(at_idp);
        stage.at_api.require_nonce(at_api);
        let tokens = stage.builder().build().unwrap().into_cache();
        for _ in 0..2 {
            assert_eq!(stage.call(&tokens).await.unwrap(), 200);
        }
        tokens.force_refresh().await.unwrap();
        let challenges = (stage.at_idp.challenges(), stage.at_api.challenges());
        assert_eq!(challenges, (u64::from(at_idp), u64::from(at_api)));
        let nonce = |proof: &str| -> Value { crate::requests::claims(proof)["nonce"].clone() };
        let last = |requests: Vec<tower_oauth2_client_credentials::testing::RecordedRequest>| {
            nonce(requests.last().unwrap().header("dpop").unwrap())
        };
        assert_eq!(last(stage.idp.requests()).is_string(), at_idp);
        assert_eq!(last(stage.api.recorded()).is_string(), at_api);
    }
}

/// A nonce that the server replaces is followed at once (RFC 9449 §8.2).
#[tokio::test]
async fn fapi_a_new_nonce_is_followed() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    stage.at_idp.require_nonce(true);
    stage.at_api.require_nonce(true);
    let tokens = stage.builder().build().unwrap().into_cache();
    for round in 1..=3 {
        tokens.force_refresh().await.unwrap();
        assert_eq!(stage.call(&tokens).await.unwrap(), 200);
        assert_eq!((stage.at_idp.challenges(), stage.at_api.challenges()), (round, round));
        stage.at_idp.rotate_nonce();
        stage.at_api.rotate_nonce();
    }
}
