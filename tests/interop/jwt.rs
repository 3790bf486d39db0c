//! `private_key_jwt` and `client_secret_jwt`, against two servers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tower_oauth2_client_credentials::{
    Event,
    clock::WallClock,
    endpoint::ClientCredentialsBuilder,
    event::EventKind,
    jose::{HmacAlgorithm, SigningAlgorithm, SigningKey, SigningKeySource},
};

use crate::{
    authlib, canaries, oidc,
    support::{acquire, again, build, cache, path, run, secret},
    tap::Tap,
};

const ALGORITHMS: [(SigningAlgorithm, &str); 9] = [
    (SigningAlgorithm::Rs256, "rsa"),
    (SigningAlgorithm::Rs384, "rsa"),
    (SigningAlgorithm::Rs512, "rsa"),
    (SigningAlgorithm::Ps256, "rsa"),
    (SigningAlgorithm::Ps384, "rsa"),
    (SigningAlgorithm::Ps512, "rsa"),
    (SigningAlgorithm::Es256, "ec256"),
    (SigningAlgorithm::Es384, "ec384"),
    (SigningAlgorithm::EdDsa, "ed25519"),
];

fn key(algorithm: SigningAlgorithm, name: &str) -> SigningKey {
    let key = SigningKey::from_pem(algorithm, secret(&format!("{name}.pem"))).unwrap();
    canaries::shown(&key);
    key
}

fn es256(builder: ClientCredentialsBuilder, audience: &str) -> ClientCredentialsBuilder {
    let key = key(SigningAlgorithm::Es256, "ec256");
    builder.private_key_jwt("key-jwt-ES256", key, audience)
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn oidc_provider_accepts_every_algorithm_and_no_other_key() {
    run(async {
        for (algorithm, name) in ALGORITHMS {
            let id = format!("key-jwt-{algorithm}");
            let tap = Tap::new();
            let builder = |key| oidc::builder(&tap).private_key_jwt(&id, key, oidc::issuer());
            let token = acquire(builder(key(algorithm, name).with_key_id(name))).await.unwrap();
            let answer = oidc::introspect(token.secret()).await;
            assert_eq!(
                (&answer["active"], &answer["client_id"]),
                (&true.into(), &id.as_str().into())
            );

            let jwk = secret(&format!("{name}.jwk.json"));
            acquire(builder(SigningKey::from_jwk_as(algorithm, jwk).unwrap())).await.unwrap();

            let stranger = key(algorithm, &format!("{name}-stranger"));
            for stranger in [stranger.clone(), stranger.with_key_id(name)] {
                let error = acquire(builder(stranger)).await.unwrap_err();
                assert_eq!(error.code(), "invalid_client", "{algorithm}");
            }
            assert_eq!(tap.statuses(), [200, 200, 401, 401]);
        }
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn oidc_provider_accepts_a_secret_that_signs() {
    run(async {
        let tap = Tap::new();
        let wrong = "not-the-secret-but-just-as-long-as-a-hash-is-that-it-is-fed-into";
        canaries::secret(wrong);
        for algorithm in [HmacAlgorithm::Hs256, HmacAlgorithm::Hs384, HmacAlgorithm::Hs512] {
            let id = format!("secret-jwt-{}", algorithm.as_str());
            let ask = |secret: String, audience: String| {
                acquire(oidc::builder(&tap).client_secret_jwt(&id, secret, algorithm, audience))
            };
            let token = ask(secret("secret.jwt"), oidc::issuer()).await.unwrap();
            assert_eq!(oidc::introspect(token.secret()).await["client_id"], id.as_str());
            for (secret, audience) in [
                (wrong.to_owned(), oidc::issuer()),
                (secret("secret.jwt"), "https://another.example".to_owned()),
            ] {
                let error = ask(secret, audience).await.unwrap_err();
                assert_eq!(error.code(), "invalid_client", "{id}");
            }
        }
    });
}

#[test]
#[ignore = "needs Authlib (run .ci/real-servers)"]
fn authlib_accepts_its_algorithms_and_no_other_key() {
    run(async {
        let tap = Tap::new();
        for (algorithm, name) in [
            (SigningAlgorithm::Rs256, "rsa"),
            (SigningAlgorithm::Es256, "ec256"),
            (SigningAlgorithm::EdDsa, "ed25519"),
        ] {
            let id = format!("key-jwt-{algorithm}");
            let ask = |key, audience: String| {
                acquire(authlib::builder(&tap).private_key_jwt(&id, key, audience))
            };
            let token = ask(key(algorithm, name), authlib::server()).await.unwrap();
            assert_eq!(authlib::introspect(token.secret()).await["client_id"], id.as_str());
            let stranger = key(algorithm, &format!("{name}-stranger"));
            for (key, audience) in [
                (stranger, authlib::server()),
                (key(algorithm, name), "https://another.example".to_owned()),
            ] {
                let error = ask(key, audience).await.unwrap_err();
                assert_eq!(error.code(), "invalid_client", "{id}");
                assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
            }
        }
        let signed = |secret: String| {
            let server = authlib::server();
            authlib::builder(&tap).client_secret_jwt(
                "secret-jwt-HS256",
                secret,
                HmacAlgorithm::Hs256,
                server,
            )
        };
        acquire(signed(secret("secret.jwt"))).await.unwrap();
        let error = acquire(signed(secret("secret.post"))).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn the_audience_is_the_issuer_or_the_token_url_and_nothing_else() {
    run(async {
        let tap = Tap::new();
        let issuer = oidc::issuer();
        for audience in [issuer.clone(), format!("{issuer}/token")] {
            acquire(es256(oidc::builder(&tap), &audience)).await.unwrap();
        }
        for audience in [format!("{issuer}/"), issuer.replace("https", "http")] {
            let error = acquire(es256(oidc::builder(&tap), &audience)).await.unwrap_err();
            assert_eq!(error.code(), "invalid_client");
            assert!(error.to_string().contains("another way"), "{error}");
        }
    });
}

/// An assertion is valid for one request, so each request gets a new one.
#[test]
#[ignore = "needs oidc-provider and Authlib (run .ci/real-servers)"]
fn an_assertion_is_not_used_twice() {
    run(async {
        for (server, audience) in [
            (oidc::builder as fn(&Tap) -> _, oidc::issuer()),
            (authlib::builder, authlib::server()),
        ] {
            let tap = Tap::new();
            let source = build(es256(server(&tap), &audience));
            for _ in 0..2 {
                again(&source).await.unwrap();
            }
            let sent: Vec<_> =
                tap.exchanges().into_iter().map(|exchange| exchange.assertion.unwrap()).collect();
            assert_ne!(sent[0], sent[1]);

            let again = sent[0].clone();
            let replayed = server(&tap).client_assertion_fn(Some("key-jwt-ES256"), move || {
                std::future::ready(Ok(again.clone()))
            });
            let error = acquire(replayed).await.unwrap_err();
            assert_eq!(error.code(), "invalid_client");
        }
    });
}

/// An assertion that another program signs and writes to a file, as Kubernetes does.
#[test]
#[ignore = "needs oidc-provider and Authlib (run .ci/real-servers)"]
fn an_assertion_from_a_file_and_an_expired_one() {
    run(async {
        let key = EncodingKey::from_ec_pem(secret("ec256.pem").as_bytes()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let write = |name: &str, audience: &str, exp: u64| {
            let claims = json!({
                "iss": "key-jwt-ES256", "sub": "key-jwt-ES256", "aud": audience, "jti": name,
                "iat": exp - 60, "exp": exp,
            });
            let assertion = encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
            canaries::secret(&assertion);
            let path = path(&format!("assertion-{name}.jwt"));
            std::fs::write(&path, assertion + "\n").unwrap();
            path
        };
        for (name, server, audience) in [
            ("oidc", oidc::builder as fn(&Tap) -> _, oidc::issuer()),
            ("authlib", authlib::builder, authlib::server()),
        ] {
            let tap = Tap::new();
            let fresh = write(&format!("{name}-fresh"), &audience, now + 60);
            acquire(server(&tap).client_assertion_file("key-jwt-ES256", fresh)).await.unwrap();
            let expired = write(&format!("{name}-expired"), &audience, now - 10);
            let builder = server(&tap).client_assertion_file("key-jwt-ES256", expired);
            let error = acquire(builder).await.unwrap_err();
            assert_eq!(error.code(), "invalid_client");
            assert_eq!(error.oauth_code(), Some("invalid_client"), "the server's own answer");
        }
    });
}

struct Behind;

impl WallClock for Behind {
    fn now(&self) -> SystemTime {
        SystemTime::now() - Duration::from_secs(600)
    }
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_clock_that_is_ten_minutes_behind_costs_one_attempt() {
    run(async {
        let tap = Tap::new();
        let builder = || es256(oidc::builder(&tap), &oidc::issuer()).wall_clock(Behind).attempts(2);
        let (cache, events) = cache(builder());
        cache.get().await.unwrap();
        assert_eq!(tap.statuses(), [401, 200], "expired at first, then by the server's clock");
        let skew = |event: &Event| {
            matches!(event.kind(), EventKind::ClockSkew { by, local_is_behind: true, .. }
                if (590..=610).contains(&by.as_secs()))
        };
        assert!(events.lock().unwrap().iter().any(skew));
        let error = acquire(builder().attempts(1)).await.unwrap_err();
        assert_eq!(error.code(), "invalid_client", "an expired assertion is refused");
    });
}

#[test]
#[ignore = "needs oidc-provider (run .ci/real-servers)"]
fn a_key_that_is_replaced_in_its_file_is_used_next() {
    run(async {
        let tap = Tap::new();
        let file = path("rotating.pem");
        std::fs::write(&file, secret("ec256-stranger.pem")).unwrap();
        let key = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, &file);
        canaries::shown(&key);
        let builder = oidc::builder(&tap).private_key_jwt("key-jwt-ES256", key, oidc::issuer());
        let source = build(builder);
        assert_eq!(again(&source).await.unwrap_err().code(), "invalid_client");
        std::fs::write(&file, secret("ec256.pem")).unwrap();
        again(&source).await.unwrap();
    });
}
