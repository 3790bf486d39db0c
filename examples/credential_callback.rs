//! A library that is no Tower service, and asks for a closure that gives it a credential: message
//! brokers, database drivers, object stores. It gets a `TokenCache` behind that closure. The library,
//! its broker and the authorization server are embedded.
//!
//! ```sh
//! cargo run --example credential_callback
//! ```
//!
//! For a library of your own only [`credentials`] is of interest. It exits non-zero if the counts are
//! not what the crate promises.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Token, TokenCache,
    testing::{AuthorizationServer, Listening},
};

use library::{Broker, Client, Credentials};

/// How long a token request takes.
const LATENCY: Duration = Duration::from_millis(300);

/// A cache as the two closures that the library asks for.
///
/// - A token that is at hand is given out at once; else all connections wait for the one
///   acquisition in flight.
/// - The library may drop the future whenever it likes, such as at its connect timeout: the
///   acquisition goes on, and the next connection finds its token.
/// - A connection that the broker turned away for its token has that token replaced, however many
///   connections say so.
fn credentials(tokens: TokenCache) -> Credentials {
    let rejecting = tokens.clone();
    Credentials {
        password: Box::new(move || {
            // Made when it is called and owned by the future, which so borrows nothing.
            let get = tokens.get();
            Box::pin(async move { Ok(get.await?.secret().to_owned()) })
        }),
        rejected: Box::new(move |password| {
            // The library knows the text alone; a token is known by its bytes.
            if let Ok(token) = Token::bearer(password) {
                rejecting.invalidate(&token);
            }
        }),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder().client("my-service", "s3cret").delay(LATENCY).build();
    let listening = idp.listen().await?;
    let broker = Broker::new(&idp);

    let client = Client::new(broker.clone(), credentials(cache(&listening)?), LATENCY * 10);
    let start = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        connections.spawn(async move { client.connect().await });
    }
    for connected in connections.join_all().await {
        connected?;
    }
    report("100 connections at once, from cold", start, &idp, 1)?;

    let start = Instant::now();
    client.connect().await?;
    report("one more", start, &idp, 1)?;

    idp.revoke_all();
    let start = Instant::now();
    client.connect().await?;
    report("one after the token was revoked", start, &idp, 2)?;

    // Of a library that is less patient than the authorization server is slow.
    let client = Client::new(broker, credentials(cache(&listening)?), LATENCY / 2);
    let start = Instant::now();
    let mut given_up = 0;
    while let Err(error) = client.connect().await {
        given_up += 1;
        if given_up > 10 {
            return Err(error);
        }
    }
    report("one that gives up sooner than a token comes, and tries again", start, &idp, 3)?;
    if given_up == 0 { Err("nothing was given up".into()) } else { Ok(()) }
}

fn cache(listening: &Listening) -> Result<TokenCache, BoxError> {
    let source = ClientCredentials::builder(listening.token_url())
        .client_secret_basic("my-service", "s3cret")
        .scope("broker")
        .build()?;
    Ok(source.into_cache())
}

fn report(
    what: &str,
    start: Instant,
    idp: &AuthorizationServer,
    expected: u64,
) -> Result<(), BoxError> {
    let requests = idp.token_requests();
    println!("{what}: {} ms, {requests} token requests so far", start.elapsed().as_millis());
    if requests == expected { Ok(()) } else { Err(format!("{expected} were expected").into()) }
}

/// In place of a library. It knows nothing of OAuth.
mod library {
    use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

    use tokio::time::timeout;
    use tower_oauth2_client_credentials::{BoxError, testing::AuthorizationServer};

    type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

    /// What it asks of its user.
    pub(crate) struct Credentials {
        /// Called for each connection.
        pub(crate) password: Box<dyn Fn() -> BoxFuture<Result<String, BoxError>> + Send + Sync>,
        /// Told a password that the broker refused.
        pub(crate) rejected: Box<dyn Fn(&str) + Send + Sync>,
    }

    /// Takes access tokens as passwords, as Kafka (`SASL/OAUTHBEARER`) or a cloud's database does.
    #[derive(Clone)]
    pub(crate) struct Broker(AuthorizationServer);

    impl Broker {
        pub(crate) fn new(idp: &AuthorizationServer) -> Self {
            Self(idp.clone())
        }

        async fn login(&self, password: &str) -> bool {
            tokio::task::yield_now().await;
            self.0.is_active(password)
        }
    }

    #[derive(Clone)]
    pub(crate) struct Client {
        broker: Broker,
        credentials: Arc<Credentials>,
        connect_timeout: Duration,
    }

    impl Client {
        pub(crate) fn new(
            broker: Broker,
            credentials: Credentials,
            connect_timeout: Duration,
        ) -> Self {
            Self { broker, credentials: Arc::new(credentials), connect_timeout }
        }

        /// One connection; a refused password is asked for once more.
        pub(crate) async fn connect(&self) -> Result<(), BoxError> {
            timeout(self.connect_timeout, async {
                for _ in 0..2 {
                    let password = (self.credentials.password)().await?;
                    if self.broker.login(&password).await {
                        return Ok(());
                    }
                    (self.credentials.rejected)(&password);
                }
                Err("the broker refused both passwords".into())
            })
            .await?
        }
    }
}
