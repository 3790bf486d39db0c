//! An operator's night: the server fails, degrades, rejects and comes back. Each stage is visible in
//! events, log lines and readiness, in order, with the name of the client.

use std::sync::{Arc, Mutex};

use tower_oauth2_client_credentials::{cache::Readiness, event::Event, testing::Answer};

use super::*;

/// The kinds of events since the last call.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<&'static str>>>);

impl Seen {
    fn observe(&self, event: &Event) {
        assert_eq!(event.client(), "night-shift");
        self.0.lock().unwrap().push(event.kind().as_str());
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn every_stage_of_a_night_is_visible_in_order() {
    let (log, _guard) = logged(tracing::Level::INFO);
    let (idp, seen) = (server(), Seen::default());
    let api = ProtectedApi::new(&idp);
    let observer = seen.clone();
    let tokens =
        builder(&idp).name("night-shift").observer(move |event| observer.observe(event)).build();
    let lines = || {
        let text = log.take();
        assert!(!text.contains(SECRET) && !text.contains("client_secret"), "{text}");
        assert!(text.lines().all(|line| line.contains("client=\"night-shift\"")), "{text}");
        let level = |line: &str| line.trim_start().split(' ').next().unwrap().to_owned();
        text.lines().map(|line| (level(line), line.to_owned())).collect::<Vec<_>>()
    };

    // All is well. Nothing at INFO.
    assert_eq!(call(&tokens, &api).await, Ok(200));
    settle().await;
    let cold = ["acquisition_started", "acquired", "readiness_changed", "waited"];
    assert_eq!((seen.take(), lines()), (cold.to_vec(), vec![]));

    // The server goes down before the refresh. Requests go on.
    idp.always(Answer::Status(503));
    tokio::time::sleep(3500 * S).await;
    assert_eq!(call(&tokens, &api).await, Ok(200));
    tokio::time::sleep(S).await;
    assert_eq!(
        seen.take(),
        [
            "acquisition_started",
            "attempt_failed",
            "attempt_failed",
            "acquisition_failed",
            "cooldown_entered",
            "readiness_changed"
        ]
    );
    assert_eq!(tokens.readiness(), Readiness::Degraded);
    let [(warn, failed), (info, changed)] = &lines()[..] else { panic!("two lines") };
    assert_eq!((&**warn, &**info), ("WARN", "INFO"));
    for part in ["access token acquisition failed", "code=\"server_error\"", "failures=1", "503"] {
        assert!(failed.contains(part), "{failed}");
    }
    assert!(changed.contains("from=\"ready\" to=\"degraded\""), "{changed}");

    // The token expires. Requests fail with the name and the time of the next attempt.
    tokio::time::sleep(200 * S).await;
    let message = call(&tokens, &api).await.unwrap_err();
    assert!(message.starts_with("client 'night-shift': server_error: "), "{message}");
    assert_eq!(tokens.readiness(), Readiness::Failed);
    assert!(lines().iter().any(|(_, line)| line.contains("to=\"failed\"")));
    assert!(seen.take().contains(&"acquisition_failed"));

    // The server comes back.
    idp.recover();
    tokio::time::sleep(60 * S).await;
    assert_eq!(call(&tokens, &api).await, Ok(200));
    settle().await;
    let recovered =
        ["acquisition_started", "acquired", "cooldown_left", "readiness_changed", "waited"];
    assert_eq!(seen.take(), recovered);
    let [(info, changed)] = &lines()[..] else { panic!("one line") };
    assert!(info == "INFO" && changed.contains("from=\"failed\" to=\"ready\""), "{changed}");

    // The API rejects fresh tokens.
    api.always_reject(true);
    for _ in 0..10 {
        assert_eq!(call(&tokens, &api).await, Ok(401));
    }
    settle().await;
    let rejected = lines();
    let exhausted: Vec<_> = rejected.iter().filter(|(level, _)| level == "WARN").collect();
    let [(_, line)] = &exhausted[..] else { panic!("one warning: {rejected:?}") };
    assert!(line.contains("this API rejects fresh tokens"), "{line}");
    assert!(line.contains("origin=\"https://api.test\""), "{line}");
    let kinds = seen.take();
    for kind in ["rejected", "replayed", "not_replayed"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!(tokens.readiness(), Readiness::Degraded);

    // The API accepts them again. The service ends.
    api.always_reject(false);
    assert_eq!(call(&tokens, &api).await, Ok(200));
    drop(tokens);
    assert_eq!(seen.take().last(), Some(&"closed"));
}

/// A day of requests, with refreshes and requests that carry no token.
#[tokio::test(start_paused = true)]
async fn healthy_traffic_is_silent_at_info() {
    let (log, _guard) = logged(tracing::Level::INFO);
    let idp = server();
    let api = ProtectedApi::new(&idp);
    let tokens = builder(&idp).name("healthy").build();
    let cold: Vec<_> = (0..50).map(|_| tokio::spawn(tokens.get())).collect();
    for request in cold {
        request.await.unwrap().unwrap();
    }
    for _ in 0..24 * 12 {
        assert_eq!(call(&tokens, &api).await, Ok(200));
        tokio::time::sleep(300 * S).await;
    }
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([API]).unwrap());
    let request = Request::get("https://elsewhere.test").body(Full::<Bytes>::default()).unwrap();
    layer.layer(api.service()).oneshot(request).await.unwrap();
    drop(layer);
    assert!(idp.tokens_issued() > 20, "it was refreshed");
    assert_eq!(log.read(), "");
}
