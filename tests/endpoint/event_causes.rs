//! The log line of a failed acquisition contains the whole chain of causes.
//!
//! A separate binary, because the first thread that reaches a callsite decides for the whole
//! process whether it is enabled.

#[path = "../support/log.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod log;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use log::Log;
use tower::service_fn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, ErrorKind, TokenCache, source::AcquireContext,
    transport::TokenRequest,
};

/// An error that hides its cause behind `source`.
#[derive(Debug)]
struct Wrapped(&'static str, Option<Box<Wrapped>>);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn chain() -> Wrapped {
    Wrapped("the vault failed", Some(Box::new(Wrapped("disk\nfull", None))))
}

#[tokio::test(start_paused = true)]
async fn a_failed_acquisition_is_logged_with_the_chain_of_its_causes() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let lines = || log.take();

    let source = |_: AcquireContext| async { Err(Error::from_source(chain())) };
    let source = TokenCache::builder(source).name("vault-reader").build();
    let error = source.get().await.unwrap_err();
    assert!(error.to_string().starts_with("client 'vault-reader': source: "), "{error}");
    assert_eq!(error.client(), Some("vault-reader"));
    let line = lines();
    assert!(line.contains("error.sources=[the vault failed, disk?full]"), "{line}");
    assert!(line.contains("client=\"vault-reader\"") && !line.contains("client '"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    drop(source);

    let client = |transport_fails_with: fn(&str) -> String| {
        let transport = service_fn(move |request: TokenRequest| async move {
            let form = String::from_utf8(request.into_body().into_bytes().to_vec())?;
            Err::<Response<Full<Bytes>>, BoxError>(transport_fails_with(&form).into())
        });
        ClientCredentials::builder("https://idp.test/token?key=hidden")
            .client_secret_post("id", "hunter2-and-more")
            .transport(transport)
            .attempts(1)
            .build()
            .unwrap()
            .into_cache()
    };
    let error = client(|_| "dns error".to_owned()).get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    let line = lines();
    assert!(line.contains("no answer from idp.test: the host name was not found"), "{line}");
    assert!(!line.contains("sources") && !line.contains("hidden"), "not told twice: {line}");

    // A transport that quotes the request.
    let error = client(|form| format!("cannot send {form}")).get().await.unwrap_err();
    let shown = format!("{error} {error:?} {}", lines());
    assert!(shown.contains("the cause is left out"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
