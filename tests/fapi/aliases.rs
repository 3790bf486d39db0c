//! `mtls_endpoint_aliases` (RFC 8705 §5).

use serde_json::json;
use tower_oauth2_client_credentials::testing::RecordedRequest;

use crate::stage::{Stage, Variant, acquire};

#[tokio::test]
async fn fapi_a_client_with_a_certificate_uses_the_alias() {
    for variant in Variant::ALL {
        let stage = Stage::new(variant).await;
        acquire(stage.builder()).await.unwrap();
        let server = if variant.has_certificate() { &stage.alias } else { &stage.front };
        assert_eq!(stage.asked(), [server.addr().to_string()], "{variant:?}");
    }
}

/// The proof names the address that the request was sent to.
#[tokio::test]
async fn fapi_a_proof_for_the_alias_names_the_alias() {
    for variant in Variant::ALL.into_iter().filter(|variant| variant.is_dpop()) {
        let stage = Stage::new(variant).await;
        acquire(stage.builder()).await.unwrap();
        let server = if variant.has_certificate() { &stage.alias } else { &stage.front };
        let htu = |request: &RecordedRequest| {
            crate::requests::claims(request.header("dpop").unwrap())["htu"].clone()
        };
        assert_eq!(htu(&stage.idp.requests()[0]), server.token_url());
    }
}

#[tokio::test]
async fn fapi_without_aliases_the_token_endpoint_is_used() {
    for aliases in [json!(null), json!({}), json!({"revocation_endpoint": "https://x.test"})] {
        let stage = Stage::new(Variant::KEY_AND_MTLS).await;
        stage.idp.set_metadata("mtls_endpoint_aliases", aliases);
        let token = acquire(stage.builder()).await.unwrap();
        assert_eq!(stage.asked(), [stage.front.addr().to_string()]);
        assert!(stage.idp.is_bound(token.secret()));
    }
}
