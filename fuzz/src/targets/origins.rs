//! P9: a token goes to no other origin, for any spelling of the URI. A text that is accepted as an
//! origin names only one.

use std::convert::Infallible;

use http::{Request, Response, Uri, header::AUTHORIZATION};
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache, replay::NoReplay,
    source::AcquireContext,
};

use crate::support::run as block_on;

pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let named = Origins::parse([text]);
    if let Err(error) = &named {
        assert!(error.to_string().len() < 4096);
    }
    let Ok(uri) = text.parse::<Uri>() else { return };
    if carries(&uri, Origins::parse(["https://api.example.com"]).expect("it is an origin")) {
        assert_eq!(uri.scheme_str(), Some("https"));
        assert!(uri.host().is_some_and(|host| host.eq_ignore_ascii_case("api.example.com")));
        assert!(matches!(uri.port_u16(), None | Some(443)));
    }
    // An accepted origin allows requests to itself.
    if let Ok(origins) = named {
        assert!(carries(&uri, origins), "{text}");
    }
}

/// Whether a request to this URI carries a token.
fn carries(uri: &Uri, origins: Origins) -> bool {
    let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("t") });
    let api = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(request.headers().contains_key(AUTHORIZATION)))
    });
    let client = OAuthClientCredentialsLayer::new(tokens, origins).replay(NoReplay).layer(api);
    let mut request = Request::new(());
    *request.uri_mut() = uri.clone();
    block_on(client.oneshot(request)).expect("it is sent").into_body()
}
