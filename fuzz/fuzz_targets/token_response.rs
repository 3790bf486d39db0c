//! P12, P8: any response of the token endpoint becomes a token that is valid in a header field, or
//! an error that shows no secret.
#![no_main]

use std::convert::Infallible;

use libfuzzer_sys::fuzz_target;
use support::{response, run};
use tower::service_fn;
use tower_oauth2_client_credentials::{ClientCredentials, transport::TokenRequest};

const SECRET: &str = "c4n4ry-s3cret";

fuzz_target!(|data: &[u8]| {
    let Some(answer) = response(data) else { return };
    let endpoint = service_fn(move |_: TokenRequest| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(answer) }
    });
    let tokens = ClientCredentials::builder("https://idp.example.com/token")
        .client_secret_post("client", SECRET)
        .transport(endpoint)
        .build()
        .expect("the settings are good")
        .into_cache();
    match run(tokens.get()) {
        Ok(token) => {
            assert!(token.secret().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
            assert!(token.header_value().is_sensitive());
            assert!(!format!("{token:?}").contains(token.secret()) || token.secret().len() < 4);
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(!shown.contains(['\r', '\n', '\0', '\u{1b}']), "{shown:?}");
            assert!(shown.len() < 4096, "{} bytes", shown.len());
        }
    }
});
