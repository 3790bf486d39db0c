//! The metrics that a scrape shows.

use std::collections::BTreeSet;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tower_oauth2_client_credentials::{
    KeyedTokenCache, Token, source::AcquireContext, testing::MockResponse,
};

use super::*;

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// The value of a time series.
fn value(scrape: &str, series: &str) -> Option<f64> {
    let lines = scrape.lines().filter_map(|line| line.rsplit_once(' '));
    lines.into_iter().find(|(name, _)| *name == series).map(|(_, value)| value.parse().unwrap())
}

#[track_caller]
fn check(scrape: &str, expected: &[(&str, f64)]) {
    for (series, expected) in expected {
        assert_eq!(value(scrape, series), Some(*expected), "{series} in\n{scrape}");
    }
}

fn sorted(scrape: &str) -> BTreeSet<&str> {
    scrape.lines().collect()
}

fn now() -> f64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_client_has_counters_histograms_and_gauges_until_it_is_dropped() {
    let recorder = recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let idp = server();
    idp.set_delay(2 * S);
    idp.script([MockResponse::Status(502)]);
    let tokens = builder(&idp).name("a").build();
    let caches = |state: &str| format!("oauth_client_caches{{client=\"a\",readiness=\"{state}\"}}");
    check(&scrape.render(), &[(&caches("idle"), 1.0), (&caches("ready"), 0.0)]);

    let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(tokens.get())).collect();
    for request in waiting {
        request.await.unwrap().unwrap();
    }
    settle().await;
    let text = scrape.render();
    let requests = |outcome: &str, reason: &str| {
        let labels = format!("client=\"a\",outcome=\"{outcome}\",reason=\"{reason}\"");
        format!("oauth_client_token_requests_total{{{labels}}}")
    };
    check(
        &text,
        &[
            (&requests("server_error", "missing"), 1.0),
            (&requests("success", "missing"), 1.0),
            (
                "oauth_client_acquisition_duration_seconds_count{client=\"a\",outcome=\"success\"}",
                1.0,
            ),
            ("oauth_client_waits_total{client=\"a\"}", 10.0),
            ("oauth_client_wait_duration_seconds_count{client=\"a\"}", 10.0),
            ("oauth_client_token_lifetime_seconds{client=\"a\"}", 3600.0),
            (&caches("idle"), 0.0),
            (&caches("ready"), 1.0),
        ],
    );
    // A request with a cached token records nothing.
    let api = ProtectedApi::new(&idp);
    for _ in 0..10 {
        assert_eq!(call(&tokens, &api).await, Ok(200));
    }
    assert_eq!(sorted(&scrape.render()), sorted(&text));
    let waited = value(&text, "oauth_client_wait_duration_seconds_sum{client=\"a\"}").unwrap();
    assert!((40.0..42.0).contains(&waited), "ten requests waited 4 s each: {waited}");
    let expiry = "oauth_client_token_expiry_timestamp_seconds{client=\"a\"}";
    let left = value(&text, expiry).unwrap() - now();
    assert!((3500.0..3600.0).contains(&left), "{left} s left");

    // The API rejects a token, and then every token.
    idp.revoke_all();
    assert_eq!(call(&tokens, &api).await, Ok(200));
    api.always_reject(true);
    for _ in 0..5 {
        assert_eq!(call(&tokens, &api).await, Ok(401));
    }
    let text = scrape.render();
    let rejections = "oauth_client_rejections_total{client=\"a\",action=";
    check(
        &text,
        &[
            (&requests("success", "rejected"), 3.0),
            (&format!("{rejections}\"acquiring\"}}"), 3.0),
            (&format!("{rejections}\"budget_exhausted\"}}"), 1.0),
            ("oauth_client_replays_total{client=\"a\",reason=\"other_token\"}", 3.0),
            (&caches("degraded"), 1.0),
            (&caches("ready"), 0.0),
        ],
    );

    // An outage, and its end.
    idp.always(MockResponse::OAuthError { status: 401, code: "invalid_client" });
    tokens.clear();
    call(&tokens, &api).await.unwrap_err();
    let text = scrape.render();
    let cooldown = "oauth_client_cooldown_end_timestamp_seconds{client=\"a\"}";
    let pause = value(&text, cooldown).unwrap() - now();
    assert!((29.0..40.0).contains(&pause), "{pause} s of cooldown");
    check(
        &text,
        &[
            (&requests("invalid_client", "missing"), 1.0),
            (
                "oauth_client_acquisition_duration_seconds_count{client=\"a\",outcome=\"failure\"}",
                1.0,
            ),
            (&caches("failed"), 1.0),
            (expiry, 0.0),
        ],
    );
    idp.recover();
    tokio::time::sleep(60 * S).await;
    tokens.warm_up().await.unwrap();
    check(&scrape.render(), &[(cooldown, 0.0), (&caches("ready"), 1.0), (&caches("failed"), 0.0)]);

    drop(tokens);
    let text = scrape.render();
    check(&text, &[(expiry, 0.0), (cooldown, 0.0), (&caches("ready"), 0.0)]);
    assert!(!text.contains(SECRET), "{text}");
}

/// Its counter is exported from the start. The gauge shows it after a restart too.
#[tokio::test(start_paused = true)]
async fn a_401_without_a_code_is_counted_as_refused_credentials() {
    let recorder = recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let idp = server();
    let tokens = builder(&idp).name("plain").build();
    let refused = "oauth_client_token_requests_total{client=\"plain\",\
                   outcome=\"credentials_refused\",reason=\"missing\"}";
    let permanent = "oauth_client_last_failure_permanent{client=\"plain\"}";
    check(&scrape.render(), &[(refused, 0.0)]);
    for (status, expected) in [(401, [1.0, 1.0]), (503, [1.0, 0.0]), (403, [2.0, 1.0])] {
        idp.always(MockResponse::Status(status));
        let error = tokens.get().await.unwrap_err();
        assert_eq!(error.is_permanent(), expected[1] == 1.0, "{error}");
        check(&scrape.render(), &[(refused, expected[0]), (permanent, expected[1])]);
        tokio::time::sleep(80 * S).await;
    }
    idp.recover();
    tokens.get().await.unwrap();
    check(&scrape.render(), &[(refused, 2.0), (permanent, 0.0)]);
    idp.always(MockResponse::Status(401));
    tokens.clear();
    tokens.get().await.unwrap_err();
    check(&scrape.render(), &[(permanent, 1.0)]);
    drop(tokens);
    check(&scrape.render(), &[(permanent, 0.0)]);
}

/// The table in the documentation has the metrics of a scrape, with their types, and no others.
#[tokio::test(start_paused = true)]
async fn the_documentation_lists_every_metric() {
    let recorder = recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let idp = server();
    #[cfg(feature = "store")]
    sharing::use_store(&idp).await;
    let tokens = builder(&idp).name("listed").build();
    let api = ProtectedApi::new(&idp);
    call(&tokens, &api).await.unwrap();
    idp.revoke_all();
    call(&tokens, &api).await.unwrap();
    idp.always(MockResponse::Status(503));
    tokens.clear();
    call(&tokens, &api).await.unwrap_err();
    settle().await;
    let text = scrape.render();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    // The exporter shows a histogram without buckets as a summary.
    let kinds: BTreeSet<_> = types.map(|line| line.replace(" summary", " histogram")).collect();
    let rows = include_str!("../../src/metrics.rs").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("//! | `oauth_client_"));
    // Only clients with a store have these.
    let of_store = |row: &&str| ["store", "shared"].iter().any(|word| row[..20].contains(word));
    let rows = rows.filter(|row| cfg!(feature = "store") || !of_store(row));
    let listed = rows.map(|row| {
        let cells: Vec<_> = row.split(" | ").collect();
        let (name, unit) = (cells[0].trim_end_matches('`'), cells[2]);
        assert_eq!(name.ends_with("_seconds"), unit == "seconds", "{name}");
        assert_eq!(name.ends_with("_total"), cells[1] == "counter", "{name}");
        let help = format!("# HELP oauth_client_{name} ");
        assert!(text.contains(&help), "{name} is not described");
        format!("oauth_client_{name} {}", cells[1])
    });
    assert_eq!(kinds, listed.collect());
}

fn tenants(name: &str) -> tower_oauth2_client_credentials::cache::KeyedTokenCacheBuilder<u32> {
    KeyedTokenCache::builder(|key: &u32| {
        let answer = match key {
            0..10 => Err(refused()),
            _ => Token::bearer("abc"),
        };
        Ok(move |_: AcquireContext| std::future::ready(answer.clone()))
    })
    .name(name)
    .name_keys(|key| format!("t{key}"))
}

#[tokio::test(start_paused = true)]
async fn a_keyed_cache_counts_its_caches_and_has_no_label_for_a_key() {
    let recorder = recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let tokens = tenants("all").build();
    for key in 0..50 {
        let _ = tokens.get(&key).await;
    }
    drop(tokens.cache(&50));
    settle().await;
    let caches =
        |state: &str| format!("oauth_client_caches{{client=\"all\",readiness=\"{state}\"}}");
    let text = scrape.render();
    let states = [("failed", 10.0), ("ready", 40.0), ("idle", 1.0), ("degraded", 0.0)];
    for (state, count) in states {
        check(&text, &[(&caches(state), count)]);
    }
    assert!(!text.contains("t1") && !text.contains("timestamp"), "{text}");
    tokens.remove(&20);
    drop(tokens);
    let text = scrape.render();
    for (state, _) in states {
        check(&text, &[(&caches(state), 0.0)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_keys_have_labels_if_the_user_asks_for_them() {
    let recorder = recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let tokens = tenants("some").metrics_by_key(2).build();
    for key in [10, 11, 12, 10, 13] {
        tokens.get(&key).await.unwrap();
    }
    settle().await;
    let ready =
        |client: &str| format!("oauth_client_caches{{client=\"{client}\",readiness=\"ready\"}}");
    let text = scrape.render();
    check(&text, &[(&ready("some[t10]"), 1.0), (&ready("some[t11]"), 1.0), (&ready("some"), 2.0)]);
    assert!(!text.contains("t12") && !text.contains("t13"), "{text}");
}

/// Both servers require a nonce (RFC 9449 §8, §9): one more token request, and one more request.
#[cfg(feature = "dpop")]
#[tokio::test(start_paused = true)]
async fn nonces_are_counted_as_requests() {
    use tower_oauth2_client_credentials::{dpop::DpopKey, testing::DpopVerifier};

    let recorder = recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let (log, _log_guard) = logged(tracing::Level::DEBUG);
    let verifier = || {
        let verifier = DpopVerifier::new(|_: &str, _: Option<&str>| Some("thumbprint".to_owned()));
        verifier.require_nonce(true);
        verifier
    };
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("orders").secret(SECRET))
        .dpop(verifier())
        .build();
    let api = ProtectedApi::builder(&idp).dpop(verifier()).build();
    let source = source(&idp).dpop(DpopKey::generate()).build().unwrap();
    let tokens = TokenCache::builder(source).name("bound").build();
    assert_eq!(call(&tokens, &api).await, Ok(200));
    let requests = |outcome: &str| {
        let labels = format!("client=\"bound\",outcome=\"{outcome}\",reason=\"missing\"");
        format!("oauth_client_token_requests_total{{{labels}}}")
    };
    check(
        &scrape.render(),
        &[
            (&requests("use_dpop_nonce"), 1.0),
            (&requests("success"), 1.0),
            ("oauth_client_replays_total{client=\"bound\",reason=\"nonce\"}", 1.0),
        ],
    );
    assert_eq!(idp.token_requests(), 2);
    let log = log.take();
    let line = log.lines().find(|line| line.contains("nonce required")).unwrap();
    assert!(line.contains("client=\"bound\" reason=\"missing\" server=\"idp.test\""), "{line}");
}
