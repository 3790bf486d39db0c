//! A client whose secret file does not finish reading.

/// A FIFO of this name is opened like a regular file, so that it hangs until it is written to.
pub(super) const HANGS: &str = "hangs-until-written";

#[cfg(unix)]
mod unix {
    use std::{
        env, fs,
        path::PathBuf,
        process::{self, Command},
        time::{Duration, Instant},
    };

    use tower::service_fn;

    use super::HANGS;
    use crate::{
        client_auth::Secret,
        endpoint::ClientCredentials,
        error::{BoxError, Error, Problem},
        event::AcquisitionReason,
        source::{AcquireContext, TokenSource as _},
        transport::TokenRequest,
    };

    struct Hanging(PathBuf);

    impl Hanging {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("toacc-{}-{name}", process::id()));
            fs::create_dir(&folder).unwrap();
            let this = Self(folder);
            assert!(Command::new("mkfifo").arg(this.path()).status().unwrap().success());
            this
        }

        fn path(&self) -> PathBuf {
            self.0.join(HANGS)
        }
    }

    impl Drop for Hanging {
        fn drop(&mut self) {
            // Lets the thread end.
            fs::write(self.path(), "late").unwrap();
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn client(secret: impl Into<Secret>, attempt_timeout: Duration) -> ClientCredentials {
        let answer = |_: TokenRequest| async {
            let body = r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#;
            Ok::<_, BoxError>(http::Response::new(http_body_util::Full::<bytes::Bytes>::from(body)))
        };
        ClientCredentials::builder("https://idp.test/token")
            .client_secret_basic("me", secret)
            .attempt_timeout(attempt_timeout)
            .attempts(1)
            .transport(service_fn(answer))
            .build()
            .unwrap()
    }

    #[test]
    fn the_error_names_the_file_and_neither_other_clients_nor_the_shutdown_wait_for_it() {
        let hanging = Hanging::new("one-client");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let secret = Secret::from_file(hanging.path());
        let acquire = |deadline: Option<Duration>| {
            let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
            acquire.deadline = deadline.map(|left| tokio::time::Instant::now() + left);
            acquire
        };
        let assert_slow = |error: Error, limit: &str| {
            assert_eq!(error.problem(), Problem::Credentials);
            let text = error.to_string();
            let path = hanging.path().display().to_string();
            let expected = format!("secret file {path}: reading it took longer than {limit}");
            assert!(text.contains(&expected), "{text}");
            assert!(!text.contains("server"), "{text}");
        };
        runtime.block_on(async {
            // However short an attempt or the acquisition is.
            let short = client(secret.clone(), Duration::from_millis(100));
            assert_slow(short.acquire(acquire(None)).await.unwrap_err(), "50ms");
            let bounded = client(secret, Duration::from_secs(10));
            let deadline = Some(Duration::from_millis(100));
            assert_slow(bounded.acquire(acquire(deadline)).await.unwrap_err(), "");
            // The blocking pool is free.
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            let other = client("s3cret", Duration::from_secs(10));
            other.acquire(acquire(None)).await.unwrap();
        });
        let start = Instant::now();
        drop(runtime);
        assert!(start.elapsed() < Duration::from_secs(3));
    }
}
