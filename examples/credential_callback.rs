//! A library that is not a Tower service and takes a closure that returns a credential: message
//! brokers, database drivers, object stores. The closure reads a `TokenCache`. The library, its
//! broker and the authorization server are embedded.
//!
//! ```sh
//! cargo run --example credential_callback
//! ```
//!
//! Only [`credentials`] matters for your library. The example exits with an error if the counts
//! differ from the crate's promises.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Token, TokenCache,
    testing::{AuthorizationServer, MockServer, RegisteredClient},
};

use library::{Broker, Client, Credentials};

/// Duration of a token request.
const LATENCY: Duration = Duration::from_millis(300);

/// Turns a cache into the two closures of the library.
///
/// - A cached token is returned at once. Otherwise all connections wait for the one acquisition in
///   flight.
/// - The library may drop the future at any time, such as at its connect timeout. The acquisition
///   continues, and the next connection finds its token.
/// - If the broker refuses a connection because of its token, the token is replaced, once for any
///   number of connections.
fn credentials(tokens: TokenCache) -> Credentials {
    let rejecting = tokens.clone();
    Credentials {
        password: Box::new(move || {
            // The future owns it and borrows nothing.
            let get = tokens.get();
            Box::pin(async move { Ok(get.await?.secret().to_owned()) })
        }),
        rejected: Box::new(move |password| {
            // The library knows only the text. Tokens are compared by their bytes.
            if let Ok(token) = Token::bearer(password) {
                rejecting.invalidate(&token);
            }
        }),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .delay(LATENCY)
        .build();
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

    // A library whose connect timeout is shorter than the latency of the token request.
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

fn cache(listening: &MockServer) -> Result<TokenCache, BoxError> {
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

/// Stands for a library. It knows nothing of OAuth.
mod library {
    use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

    use tokio::time::timeout;
    use tower_oauth2_client_credentials::{BoxError, testing::AuthorizationServer};

    type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

    /// The callbacks that the library requires.
    pub(crate) struct Credentials {
        /// Called for each connection.
        pub(crate) password: Box<dyn Fn() -> BoxFuture<Result<String, BoxError>> + Send + Sync>,
        /// Called with a password that the broker refused.
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

        /// Makes one connection. After a refused password it asks for another one, once.
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
