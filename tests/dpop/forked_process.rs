//! A process forks after its first proof. The `jti`s of parent and child differ.

#[cfg(unix)]
fn main() {
    use std::{collections::HashSet, env, fs, process};

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use bytes::Bytes;
    use http::{HeaderMap, Method, Response, Uri};
    use http_body_util::Full;
    use tower_oauth2_client_credentials::{
        BoxError, ClientCredentials, TokenSource as _, dpop::DpopKey, event::AcquisitionReason,
        source::AcquireContext, transport::TokenRequest,
    };

    let idp = tower::service_fn(|_: TokenRequest| async {
        let body = r#"{"access_token":"abc","token_type":"DPoP","expires_in":3600}"#;
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(body)))
    });
    let source = ClientCredentials::builder("https://idp.test/token")
        .client_secret_basic("me", "s3cret")
        .dpop(DpopKey::generate())
        .transport(idp)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let token =
        runtime.block_on(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).unwrap();
    drop(runtime);
    let jtis = |count: usize| -> Vec<String> {
        let uri = Uri::from_static("https://api.test/");
        let proofs = (0..count).map(|_| {
            let mut headers = HeaderMap::new();
            token.authorize(&Method::GET, &uri, &mut headers).unwrap();
            let proof = headers["dpop"].to_str().unwrap().to_owned();
            let claims = URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).unwrap()).unwrap();
            let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
            claims["jti"].as_str().unwrap().to_owned()
        });
        proofs.collect()
    };
    jtis(1);

    let path = env::temp_dir().join(format!("toacc-{}-fork", process::id()));
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            fs::write(&path, jtis(100).join("\n")).unwrap();
            process::exit(0);
        }
        fork::Fork::Parent(child) => {
            let ours: HashSet<_> = jtis(100).into_iter().collect();
            fork::waitpid(child).unwrap();
            let theirs = fs::read_to_string(&path).unwrap();
            fs::remove_file(&path).unwrap();
            assert_eq!((ours.len(), theirs.lines().count()), (100, 100));
            let repeated = theirs.lines().filter(|jti| ours.contains(*jti)).count();
            assert_eq!(repeated, 0, "jtis repeat after a fork");
        }
    }
}

#[cfg(not(unix))]
fn main() {}
