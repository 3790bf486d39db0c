//! The lists of the document: warnings, the strict mode, the endpoint for certificates.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_method_that_the_server_does_not_list_is_a_warning_and_a_hint() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("id").secret("another"))
        .build();
    idp.set_metadata("token_endpoint_auth_methods_supported", json!(["private_key_jwt", "none"]));
    idp.set_metadata("grant_types_supported", json!(["authorization_code"]));
    let source = client(&idp).build().unwrap();
    let (observing, events) = observed();
    for _ in 0..2 {
        let error = source.acquire(observing.clone()).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
        let hint = "; its metadata lists no client_secret_basic but private_key_jwt, none \
                    (token_endpoint_auth_methods_supported) (HTTP 401: ";
        assert!(error.to_string().contains(hint), "{error}");
    }
    let events = events.lock().unwrap();
    let [
        EventKind::MetadataMismatch { member: methods, used, listed, .. },
        EventKind::MetadataMismatch { member: grants, .. },
    ] = &events[..]
    else {
        panic!("once for each document: {events:?}")
    };
    assert_eq!(
        (*methods, *grants),
        ("token_endpoint_auth_methods_supported", "grant_types_supported")
    );
    assert_eq!((used.as_str(), listed.len()), ("client_secret_basic", 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_has_the_first_twelve_listed_names() {
    for count in [11, 12, 13] {
        let names: Vec<_> = (1..=count).map(|nth| format!("method{nth}")).collect();
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("id").secret("hunter2"))
            .build();
        idp.set_metadata("token_endpoint_auth_methods_supported", json!(names));
        let (observing, events) = observed();
        client(&idp).build().unwrap().acquire(observing).await.unwrap();
        let events = events.lock().unwrap();
        let [EventKind::MetadataMismatch { listed, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(listed[..], names[..count.min(12)]);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_metadata_is_an_error_in_the_strict_mode_only() {
    let strict = |methods: serde_json::Value| async move {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("id").secret("hunter2"))
            .build();
        idp.set_metadata("token_endpoint_auth_methods_supported", methods);
        idp.set_metadata("grant_types_supported", json!(["implicit"]));
        acquire(&client(&idp).build().unwrap()).await.unwrap();
        let asked = idp.token_requests();
        let result = acquire(&client(&idp).strict_metadata(true).build().unwrap()).await;
        assert_eq!(idp.token_requests() - asked, u64::from(result.is_ok()));
        result
    };
    for says_nothing in [json!(null), json!([]), json!(["client_secret_basic"]), json!(7)] {
        strict(says_nothing).await.unwrap();
    }
    let error = strict(json!(["client_secret_post", "tls_client_auth"])).await.unwrap_err();
    assert_eq!(error.code(), "unsupported_auth_method");
    assert!(error.is_permanent() && !error.is_retryable());
    let listed = "lists no client_secret_basic but client_secret_post, tls_client_auth";
    assert!(error.to_string().contains(listed), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_for_certificates_is_for_clients_with_one() {
    let certificate = Bytes::from_static(b"stands for DER");
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("id").secret("hunter2"))
        .client(RegisteredClient::new("tls").certificate(certificate.clone()))
        .build();
    let alias = json!({"token_endpoint": "https://mtls.idp.test/token"});
    idp.set_metadata("mtls_endpoint_aliases", alias);
    let transport = {
        let service = idp.service();
        service_fn(move |mut request: TokenRequest| {
            request.extensions_mut().insert(ClientCertificate(certificate.clone()));
            tower::ServiceExt::oneshot(service.clone(), request)
        })
    };
    let builder = || ClientCredentials::discover(idp.issuer()).transport(transport.clone());
    let (mtls, plain) = ("https://mtls.idp.test/token", "https://idp.test/token");
    for (builder, endpoint) in [
        (builder().self_signed_tls_client_auth("tls"), mtls),
        (builder().client_secret_post("id", "hunter2"), plain),
        (builder().client_secret_post("id", "hunter2").prefer_mtls_endpoint(true), mtls),
    ] {
        acquire(&builder.build().unwrap()).await.unwrap();
        assert_eq!(idp.requests().last().unwrap().uri, endpoint);
    }
    // RFC 8705 §5: the alias is for every client with a certificate.
    #[cfg(feature = "hyper-transport")]
    {
        use tower_oauth2_client_credentials::transport::{ChainAndKey, ClientIdentity};
        let chain = include_str!("../../credentials/signing_keys/ec256-certificate.pem");
        let key = include_str!("../../credentials/signing_keys/ec256-pkcs8.pem");
        let identity = || ClientIdentity::from_pem(ChainAndKey { chain, key }).unwrap();
        let basic = || builder().client_secret_basic("id", "hunter2").client_identity(identity());
        for builder in [basic(), basic().prefer_mtls_endpoint(false)] {
            acquire(&builder.build().unwrap()).await.unwrap();
            assert_eq!(idp.requests().last().unwrap().uri, mtls);
        }
    }
    idp.set_metadata("mtls_endpoint_aliases", json!(null));
    acquire(&builder().self_signed_tls_client_auth("tls").build().unwrap()).await.unwrap();
    assert_eq!(idp.requests().last().unwrap().uri, plain, "there is no other");
}

#[tokio::test(start_paused = true)]
async fn the_metadata_can_be_read() {
    let idp = AuthorizationServer::new();
    idp.set_metadata("dpop_signing_alg_values_supported", json!(["ES256"]));
    let source = client(&idp).build().unwrap();
    let metadata = source.server_metadata().await.unwrap().unwrap();
    assert_eq!(
        (metadata.issuer(), metadata.token_endpoint()),
        ("https://idp.test", &http::Uri::from_static("https://idp.test/token"))
    );
    assert_eq!(metadata.dpop_signing_algorithms(), ["ES256"]);
    acquire(&source).await.unwrap();
    assert_eq!(asked(&idp).len(), 1);
    let fixed = ClientCredentials::builder(idp.token_url())
        .public_client("id")
        .transport(service_fn(|_: TokenRequest| async {
            Err::<Response<Full<Bytes>>, BoxError>("not reached".into())
        }))
        .build()
        .unwrap();
    assert!(fixed.server_metadata().await.unwrap().is_none());
}
