//! An operator's night: the server slows down, fails, comes back, and the API rejects its tokens. Each
//! stage is visible in events, log lines, metrics and readiness, in order, with the name of the client.

use std::sync::{Arc, Mutex};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_oauth2_client_credentials::{Event, cache::Readiness, testing::MockResponse};

use super::*;

/// Everything that an operator sees.
#[derive(Clone)]
struct Seen {
    kinds: Arc<Mutex<Vec<&'static str>>>,
    log: log::Log,
    scrape: PrometheusHandle,
    /// All output so far.
    output: Arc<Mutex<String>>,
}

impl Seen {
    fn observe(&self, event: &Event) {
        assert_eq!(event.client(), "night-shift");
        self.kinds.lock().unwrap().push(event.kind().as_str());
        self.keep(&format!("{event:?} {event:#?}"));
    }

    fn keep(&self, output: &str) {
        self.output.lock().unwrap().push_str(output);
    }

    /// The kinds of events since the last call.
    fn kinds(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.kinds.lock().unwrap())
    }

    /// The log lines since the last call, each with its level.
    fn lines(&self) -> Vec<(String, String)> {
        let text = self.log.take();
        self.keep(&text);
        assert!(text.lines().all(|line| line.contains("client=\"night-shift\"")), "{text}");
        let level = |line: &str| line.trim_start().split(' ').next().unwrap().to_owned();
        text.lines().map(|line| (level(line), line.to_owned())).collect()
    }

    /// The value of a metric of the client. `labels`: after the name of the client.
    fn metric(&self, name: &str, labels: &str) -> f64 {
        let scrape = self.scrape.render();
        self.keep(&scrape);
        let series = format!("oauth_client_{name}{{client=\"night-shift\"{labels}}} ");
        let value = scrape.lines().find_map(|line| line.strip_prefix(&series));
        value.unwrap_or_else(|| panic!("no {series} in\n{scrape}")).parse().unwrap()
    }

    /// The readiness that the metrics show.
    fn readiness(&self) -> &'static str {
        let states = ["idle", "ready", "degraded", "failed"];
        let is_now = |state: &&str| self.metric("caches", &format!(",readiness=\"{state}\"")) > 0.0;
        let now: Vec<_> = states.into_iter().filter(is_now).collect();
        let [state] = now[..] else { panic!("one readiness: {now:?}") };
        state
    }

    fn requests(&self, outcome: &str, reason: &str) -> f64 {
        let labels = format!(",outcome=\"{outcome}\",reason=\"{reason}\"");
        self.metric("token_requests_total", &labels)
    }
}

#[tokio::test(start_paused = true)]
async fn every_stage_of_a_night_is_visible_in_order() {
    let (log, _guard) = logged(tracing::Level::INFO);
    let recorder = PrometheusBuilder::new().build_recorder();
    let scrape = recorder.handle();
    let _recorder_guard = ::metrics::set_default_local_recorder(&recorder);
    let seen = Seen { kinds: Arc::default(), log, scrape, output: Arc::default() };
    let idp = server();
    let api = ProtectedApi::new(&idp);
    let observer = seen.clone();
    let tokens =
        builder(&idp).name("night-shift").observer(move |event| observer.observe(event)).build();
    let mut secrets = vec![SECRET.to_owned()];

    // All is well. Nothing at INFO.
    assert_eq!(call(&tokens, &api).await, Ok(200));
    settle().await;
    let cold = ["acquisition_started", "acquired", "readiness_changed", "waited"];
    assert_eq!((seen.kinds(), seen.lines()), (cold.to_vec(), vec![]));
    assert_eq!((seen.readiness(), seen.requests("success", "missing")), ("ready", 1.0));
    secrets.push(tokens.peek().unwrap().secret().to_owned());

    // The server slows down. No request waits for the refresh.
    idp.set_delay(8 * S);
    tokio::time::sleep(3400 * S).await;
    assert_eq!(call(&tokens, &api).await, Ok(200));
    settle().await;
    assert_eq!(seen.kinds(), ["acquisition_started"]);
    tokio::time::sleep(10 * S).await;
    assert_eq!((seen.kinds(), seen.lines()), (vec!["refreshed"], vec![]));
    let took = seen.metric("acquisition_duration_seconds_sum", ",outcome=\"success\"");
    assert!((8.0..9.0).contains(&took), "{took}");
    assert_eq!(seen.requests("success", "refresh"), 1.0);
    secrets.push(tokens.peek().unwrap().secret().to_owned());

    // It goes down before the next refresh. Requests go on.
    idp.set_delay(Duration::ZERO);
    idp.always(MockResponse::Status(503));
    tokio::time::sleep(3490 * S).await;
    assert_eq!(call(&tokens, &api).await, Ok(200));
    tokio::time::sleep(S).await;
    assert_eq!(
        seen.kinds(),
        [
            "acquisition_started",
            "attempt_failed",
            "attempt_failed",
            "acquisition_failed",
            "cooldown_entered",
            "readiness_changed"
        ]
    );
    assert_eq!((tokens.readiness(), seen.readiness()), (Readiness::Degraded, "degraded"));
    let [(warn, failed), (info, changed)] = &seen.lines()[..] else { panic!("two lines") };
    assert_eq!((&**warn, &**info), ("WARN", "INFO"));
    let parts = [
        "access token acquisition failed",
        "code=\"server_error\"",
        "attempts=3",
        "failures=1",
        "next_attempt_in=",
        "503",
    ];
    for part in parts {
        assert!(failed.contains(part), "{failed}");
    }
    assert!(changed.contains("from=\"ready\" to=\"degraded\""), "{changed}");
    assert_eq!(seen.requests("server_error", "refresh"), 3.0);
    assert!(seen.metric("cooldown_end_timestamp_seconds", "") > 0.0);

    // The token expires. Requests fail with the name and the time of the next attempt.
    tokio::time::sleep(200 * S).await;
    let message = call(&tokens, &api).await.unwrap_err();
    assert!(message.starts_with("client 'night-shift': server_error: "), "{message}");
    assert!(message.contains("the next attempt is due in "), "{message}");
    seen.keep(&message);
    assert_eq!((tokens.readiness(), seen.readiness()), (Readiness::Failed, "failed"));
    assert!(seen.lines().iter().any(|(_, line)| line.contains("to=\"failed\"")));
    assert!(seen.kinds().contains(&"acquisition_failed"));

    // The server comes back.
    idp.recover();
    tokio::time::sleep(60 * S).await;
    assert_eq!(call(&tokens, &api).await, Ok(200));
    settle().await;
    let recovered =
        ["acquisition_started", "acquired", "cooldown_left", "readiness_changed", "waited"];
    assert_eq!(seen.kinds(), recovered);
    let [(info, changed)] = &seen.lines()[..] else { panic!("one line") };
    assert!(info == "INFO" && changed.contains("from=\"failed\" to=\"ready\""), "{changed}");
    assert_eq!(
        (seen.readiness(), seen.metric("cooldown_end_timestamp_seconds", "")),
        ("ready", 0.0)
    );
    secrets.push(tokens.peek().unwrap().secret().to_owned());

    // The API rejects fresh tokens.
    api.always_reject(true);
    for _ in 0..10 {
        assert_eq!(call(&tokens, &api).await, Ok(401));
        secrets.push(tokens.peek().unwrap().secret().to_owned());
    }
    settle().await;
    let rejected = seen.lines();
    let exhausted: Vec<_> = rejected.iter().filter(|(level, _)| level == "WARN").collect();
    let [(_, line)] = &exhausted[..] else { panic!("one warning: {rejected:?}") };
    assert!(line.contains("this API rejects fresh tokens"), "{line}");
    assert!(line.contains("origin=\"https://api.test\""), "{line}");
    let kinds = seen.kinds();
    for kind in ["rejected", "replayed", "not_replayed"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!((tokens.readiness(), seen.readiness()), (Readiness::Degraded, "degraded"));
    assert_eq!(seen.metric("rejections_total", ",action=\"budget_exhausted\""), 1.0);
    // Three acquisitions: two for requests that were sent again, and one for a rejected replay.
    assert_eq!(seen.metric("replays_total", ",reason=\"other_token\""), 2.0);

    // The API accepts them again. The service ends.
    api.always_reject(false);
    assert_eq!(call(&tokens, &api).await, Ok(200));
    drop(tokens);
    assert_eq!(seen.kinds().last(), Some(&"closed"));
    for gauge in ["token_expiry_timestamp_seconds", "token_lifetime_seconds"] {
        assert_eq!(seen.metric(gauge, ""), 0.0);
    }
    assert_eq!(seen.metric("caches", ",readiness=\"degraded\""), 0.0);
    let output = seen.output.lock().unwrap();
    assert!(output.len() > 10_000 && secrets.len() == 14);
    for secret in secrets {
        assert!(!output.contains(&secret), "{secret}");
    }
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
