//! Makes a connection: name lookup, TLS, login.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{address::Address, error::Failure};
use crate::{
    client_auth::Secret, error::causes, event::Observer, secret_file::ReadContext,
    transport::StreamConnector,
};

/// Makes connections to one Redis.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) address: Address,
    /// The user, password, database and protocol.
    pub(super) login: RedisConnectionInfo,
    /// Read for each connection. It replaces the password of the URL.
    pub(super) password: Option<Secret>,
    pub(super) streams: StreamConnector,
    /// Maximum duration of connecting, with the login.
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Connector {
    /// A connection for commands. Its driver runs on the current runtime.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        self.bounded(async {
            let (stream, login) = self.stream_and_login().await?;
            let settings = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(Some(self.response_timeout));
            let made = MultiplexedConnection::new_with_config(&login, stream, settings).await;
            let (mut connection, driver) = made.map_err(|error| failure(&error, &login))?;
            tokio::spawn(driver);
            if !has_answer(&login) {
                let answer = redis::cmd("PING").exec_async(&mut connection).await;
                answer.map_err(|error| failure(&error, &login))?;
            }
            Ok(connection)
        })
        .await
    }

    /// A connection that receives what is published to this channel.
    pub(super) async fn subscribe(&self, channel: &str) -> Result<PubSub, Failure> {
        self.bounded(async {
            let (stream, login) = self.stream_and_login().await?;
            let made = PubSub::new(&login, stream).await;
            let mut subscription = made.map_err(|error| failure(&error, &login))?;
            subscription.subscribe(channel).await.map_err(|error| failure(&error, &login))?;
            Ok(subscription)
        })
        .await
    }

    async fn bounded<T>(
        &self,
        connecting: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(Failure::slow("connecting", self.connect_timeout)))
    }

    async fn stream_and_login(&self) -> Result<(Box<dyn Stream>, RedisConnectionInfo), Failure> {
        let mut login = self.login.clone();
        if let Some(secret) = &self.password {
            let context =
                ReadContext { timeout: self.connect_timeout / 2, observer: Observer::default() };
            let read = secret.read(&context).await;
            let password = read.map_err(|error| Failure::new(format!("its password: {error}")))?;
            login = login.set_password(password.as_str());
        }
        let stream: Box<dyn Stream> = match &self.address {
            Address::Tcp { uri, .. } => {
                let connected = self.streams.connect(uri.clone()).await;
                Box::new(connected.map_err(|error| Failure::new(causes(&*error)))?)
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let connected = tokio::net::UnixStream::connect(path).await;
                Box::new(connected.map_err(|error| {
                    let advice = "check that Redis runs and listens there, and the permissions";
                    Failure::new(format!("no connection: {error}; {advice}"))
                })?)
            }
        };
        Ok((stream, login))
    }
}

/// Whether the server answers a command of the login. Without an answer, a connection may not work: with
/// TLS 1.3, a server refuses a client certificate after the handshake.
fn has_answer(login: &RedisConnectionInfo) -> bool {
    login.protocol() != ProtocolVersion::RESP2 || login.password().is_some() || login.db() != 0
}

fn failure(error: &redis::RedisError, login: &RedisConnectionInfo) -> Failure {
    Failure::of(error, &[login.password().unwrap_or_default()])
}
