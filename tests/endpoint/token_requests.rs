//! A token request as a custom transport sees it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use tower::service_fn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, TokenSource as _,
    client_auth::{AssertionAudience, Secret},
    dpop::DpopKey,
    endpoint::ClientCredentialsBuilder,
    event::AcquisitionReason,
    jose::{HmacAlgorithm, SigningAlgorithm, SigningKey},
    source::AcquireContext,
    transport::TokenRequest,
};

const SECRET: &str = "canary 7f3a+secret/91c2%that-is-long-enough";

struct Seen {
    shown: String,
    /// Texts that must not be shown: header values and values of the form.
    hidden: Vec<String>,
}

/// The transport's token request, in `Debug` and in its parts.
async fn seen(set: impl FnOnce(ClientCredentialsBuilder) -> ClientCredentialsBuilder) -> Seen {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let transport = service_fn(move |request: TokenRequest| {
        let keep = Arc::clone(&keep);
        async move {
            let shown = format!("{request:?} {request:#?} {:?}", request.clone().into_body());
            let (parts, body) = request.into_parts();
            let names = ["authorization", "dpop"];
            let fields = names.iter().filter_map(|name| parts.headers.get(*name));
            let mut hidden: Vec<_> =
                fields.map(|value| value.to_str().unwrap().to_owned()).collect();
            let form = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
            let pairs = form.split('&').map(|pair| pair.split_once('=').unwrap());
            // These two values are public, and the `User-Agent` contains parts of them.
            let public = ["grant_type", "client_assertion_type"];
            let values = pairs.filter(|(name, _)| !public.contains(name));
            hidden.extend(values.map(|(_, value)| value.to_owned()));
            *keep.lock().unwrap() = Some(Seen { shown, hidden });
            let answer = r#"{"access_token":"abc","token_type":"Bearer"}"#;
            Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(answer)))
        }
    });
    let builder = ClientCredentials::builder("https://idp.test/token").attempts(1);
    let source = set(builder).transport(transport).build().unwrap();
    source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap();
    let seen = seen.lock().unwrap().take();
    seen.expect("the transport was called")
}

#[tokio::test]
async fn debug_of_a_token_request_shows_no_credentials() {
    let key = || SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let audience = || AssertionAudience::from("https://idp.test");
    let all = [
        seen(|it| it.client_secret_basic("id", SECRET)).await,
        seen(|it| it.client_secret_basic_raw("id", SECRET)).await,
        seen(|it| it.client_secret_post("id", SECRET)).await,
        seen(|it| it.client_secret_post("id", Secret::from_fn(|| Ok(SECRET.to_owned())))).await,
        seen(|it| it.client_secret_jwt("id", SECRET, HmacAlgorithm::Hs256, audience())).await,
        seen(|it| it.private_key_jwt("id", key(), audience())).await,
        seen(|it| it.public_client("id").parameter("password", SECRET)).await,
        seen(|it| {
            it.client_secret_basic("id", SECRET).dpop(DpopKey::generate()).dpop_optional(true)
        })
        .await,
    ];
    for Seen { shown, hidden } in all {
        assert!(shown.contains("https://idp.test/token"), "{shown}");
        let mut checked = 0;
        for value in hidden.iter().filter(|value| value.len() > 2) {
            let pieces = value.as_bytes().windows(8).map(|it| str::from_utf8(it).unwrap());
            let shown_piece = pieces.into_iter().find(|piece| shown.contains(*piece));
            assert_eq!(shown_piece, None, "{shown}");
            checked += usize::from(value.len() > 40);
        }
        assert!(checked > 0, "a long credential was sent: {hidden:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
