//! A TCP proxy in front of each server, which makes the faults of the network.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Forward,
    /// All connections are reset, new ones after they are accepted.
    Reset,
    /// One byte a second in each direction.
    Slow,
    /// Nothing is read. Later, odd connections continue and even ones are reset.
    HalfOpen,
    /// Open connections are reset. New ones are accepted, read, and never answered.
    HangingHandshake,
    /// Open connections lose all data from now on, for good. New ones work.
    Lost,
}

/// A proxy to one server.
pub struct Proxy {
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Forward);
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                tokio::spawn(forward(client, server, number, modes.clone()));
            }
        });
        Ok(Self { address, mode })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// One connection, until it ends. Errors of a connection are the purpose of the run.
async fn forward(
    client: TcpStream,
    server: SocketAddr,
    number: u64,
    mut modes: watch::Receiver<Mode>,
) {
    if begin(&client, number, &mut modes).await.is_err() {
        let _ = client.set_zero_linger();
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let lost = *modes.borrow_and_update() == Mode::Lost;
    let pump = |from, to| Pump { from, to, number, was_lost: lost, modes: modes.clone() };
    let (mut up, mut down) = (pump(from_client, to_server), pump(from_server, to_client));
    let ended = tokio::try_join!(up.run(), down.run());
    if ended.is_err() {
        let _ = up.from.as_ref().set_zero_linger();
        let _ = down.from.as_ref().set_zero_linger();
    }
}

/// Waits until a new connection may be forwarded. An error means that it is reset.
async fn begin(
    client: &TcpStream,
    number: u64,
    modes: &mut watch::Receiver<Mode>,
) -> io::Result<()> {
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Forward | Mode::Slow | Mode::Lost => return Ok(()),
            Mode::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Mode::HalfOpen => {
                changed(modes).await?;
                resumes(number)?;
            }
            Mode::HangingHandshake => {
                tokio::select! {
                    it = changed(modes) => it?,
                    it = swallow(client) => it?,
                }
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
}

async fn changed(modes: &mut watch::Receiver<Mode>) -> io::Result<()> {
    modes.changed().await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Half of the stalled connections continue.
fn resumes(number: u64) -> io::Result<()> {
    if number.is_multiple_of(2) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

/// Reads and discards. Ends with the connection.
async fn swallow(stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}

/// One direction of a connection.
struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    number: u64,
    /// It began while others were lost, and is not.
    was_lost: bool,
    modes: watch::Receiver<Mode>,
}

impl Pump {
    /// Ends with the connection. An error means that it is reset.
    async fn run(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let mode = *self.modes.borrow_and_update();
            let limit = match mode {
                Mode::Slow => 1,
                Mode::Reset | Mode::HangingHandshake => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Mode::HalfOpen => {
                    changed(&mut self.modes).await?;
                    resumes(self.number)?;
                    continue;
                }
                Mode::Lost if !self.was_lost => return swallow(self.from.as_ref()).await,
                Mode::Forward | Mode::Lost => buffer.len(),
            };
            self.was_lost = mode == Mode::Lost;
            let count = tokio::select! {
                it = self.modes.changed() => match it {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                },
                it = self.from.read(&mut buffer[..limit]) => it?,
            };
            if count == 0 {
                return self.to.shutdown().await;
            }
            if mode == Mode::Slow {
                tokio::select! {
                    it = changed(&mut self.modes) => it?,
                    () = sleep(Duration::from_secs(1)) => {}
                }
                // The change was seen here, not at the top of the loop.
                self.modes.mark_changed();
            }
            self.to.write_all(&buffer[..count]).await?;
        }
    }
}
