//! Responses that a client of the profile must refuse. No request reaches the API.

use serde_json::{Value, json};
use tower_oauth2_client_credentials::{ErrorKind, testing::MockResponse};

use crate::{
    stage::{Stage, Variant},
    tls::Authority,
};

#[tokio::test]
async fn fapi_metadata_of_another_issuer_is_refused() {
    for variant in Variant::ALL {
        for change in ["INVALID", "/", "/other"] {
            let stage = Stage::new(variant).await;
            stage.idp.set_metadata("issuer", json!(stage.front.issuer() + change));
            let error = stage.refused(stage.builder()).await;
            assert_eq!(error.code(), "issuer_mismatch", "{variant:?}");
            assert!(error.is_permanent());
            assert_eq!(stage.idp.token_requests(), 0);
        }
    }
}

#[tokio::test]
async fn fapi_metadata_without_an_issuer_is_refused() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    stage.idp.set_metadata("issuer", Value::Null);
    let error = stage.refused(stage.builder()).await;
    assert_eq!(error.kind(), ErrorKind::Discovery);
    assert_eq!(stage.idp.token_requests(), 0);
}

#[tokio::test]
async fn fapi_a_plain_http_endpoint_in_metadata_is_refused() {
    for member in ["token_endpoint", "mtls_endpoint_aliases"] {
        let stage = Stage::new(Variant::KEY_AND_MTLS).await;
        let plain = stage.front.token_url().replace("https:", "http:");
        let value = match member {
            "token_endpoint" => json!(plain),
            _ => json!({"token_endpoint": plain}),
        };
        stage.idp.set_metadata("mtls_endpoint_aliases", Value::Null);
        stage.idp.set_metadata(member, value);
        let error = stage.refused(stage.builder()).await;
        assert_eq!(error.kind(), ErrorKind::Discovery, "{member}: {error}");
        assert!(error.to_string().contains("plain http"), "{error}");
        assert_eq!(stage.idp.token_requests(), 0);
    }
}

/// A bearer token in response to a proof is not bound to the key.
#[tokio::test]
async fn fapi_a_token_type_that_does_not_fit_the_binding_is_refused() {
    let replace = |token_type: &'static str| {
        move |body: String| {
            let body = body.replace(r#""token_type":"DPoP""#, token_type);
            body.replace(r#""token_type":"Bearer""#, token_type)
        }
    };
    for variant in Variant::ALL {
        let wrong = match variant.is_dpop() {
            true => [r#""token_type":"Bearer""#, r#""token_type":"mac""#, r#""x":1"#],
            false => [r#""token_type":"DPoP""#, r#""token_type":"mac""#, r#""token_type":"N_A""#],
        };
        for token_type in wrong {
            let stage = Stage::new(variant).await;
            let error = stage.refused(stage.builder_with(replace(token_type))).await;
            assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType, "{variant:?} {token_type}");
        }
    }
}

#[tokio::test]
async fn fapi_a_client_authentication_that_is_not_listed_is_not_sent() {
    for variant in Variant::ALL {
        let stage = Stage::new(variant).await;
        let methods = json!(["client_secret_basic", "client_secret_post"]);
        stage.idp.set_metadata("token_endpoint_auth_methods_supported", methods);
        let error = stage.refused(stage.builder()).await;
        assert_eq!(error.code(), "unsupported_auth_method", "{variant:?}");
        assert_eq!(stage.idp.token_requests(), 0);
    }
}

#[tokio::test]
async fn fapi_proofs_are_not_sent_with_an_algorithm_that_is_not_listed() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    stage.idp.set_metadata("dpop_signing_alg_values_supported", json!(["RS512x"]));
    let error = stage.refused(stage.builder()).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(stage.idp.token_requests(), 0);
}

/// §5.2: the server's certificate is checked.
#[tokio::test]
async fn fapi_a_server_of_an_unknown_authority_gets_no_request() {
    let stage = Stage::new(Variant::KEY_AND_DPOP).await;
    let stranger = Authority::new().client().build().unwrap();
    let error = stage.refused(stage.builder().transport(stranger)).await;
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(stage.idp.metadata_requests().len(), 0);
    assert_eq!(stage.idp.token_requests(), 0);
}

/// The request has the client's assertion and proof, or comes over a connection with its
/// certificate.
#[tokio::test]
async fn fapi_a_redirect_of_the_token_endpoint_is_not_followed() {
    for status in [302, 303, 307, 308] {
        let stage = Stage::new(Variant::KEY_AND_DPOP).await;
        let response = http::Response::builder()
            .status(status)
            .header("location", format!("{}/other", stage.alias.url()));
        stage.idp.always(MockResponse::Raw(response.body(bytes::Bytes::new()).unwrap()));
        let error = stage.refused(stage.builder()).await;
        assert_eq!(error.status().map(|it| it.as_u16()), Some(status));
        assert_eq!(stage.asked(), [stage.front.addr().to_string()]);
    }
}

/// A token that is bound to a key or a certificate is of no use to others.
#[tokio::test]
async fn fapi_a_stolen_token_is_refused_by_the_api() {
    for variant in Variant::ALL {
        let stage = Stage::new(variant).await;
        let tokens = stage.builder().build().unwrap().into_cache();
        let token = tokens.get().await.unwrap();
        let thief = stage.authority.client().build_client().unwrap();
        let request = http::Request::get(stage.api_server.url())
            .header("authorization", token.header_value())
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = tower::ServiceExt::oneshot(thief, request).await.unwrap();
        assert_eq!(response.status(), 401, "{variant:?}");
        assert_eq!(stage.api.accepted(), 0);
    }
}
