//! Limits the bytes that a server may send for one response, in addition to its body.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Maximum bytes of handshakes, heads, informational responses and control frames. Real responses
/// need a few thousand. HTTP/2 may also have read a whole window before the reader of the body does.
pub(super) const LIMIT: usize = 1024 * 1024;

/// The HTTP/2 windows of token requests, in bytes: together well below [`LIMIT`].
pub(super) const STREAM_WINDOW: u32 = 256 * 1024;
pub(super) const CONNECTION_WINDOW: u32 = 512 * 1024;

/// Counts the bytes from a host, except those of bodies that were read. The limit is [`LIMIT`] for
/// each exchange in flight, since each may need its own handshake.
#[derive(Default)]
pub(super) struct ByteLimit {
    spent: AtomicUsize,
    exchanges: AtomicUsize,
}

impl ByteLimit {
    /// A request begins.
    pub(super) fn begin(&self) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.spent.store(0, Ordering::Relaxed);
    }

    /// A response is complete, or was dropped. Called once for each [`begin`](Self::begin).
    pub(super) fn end(&self) {
        self.exchanges.fetch_sub(1, Ordering::Relaxed);
        self.spent.store(0, Ordering::Relaxed);
    }

    /// Subtracts the bytes of a body that were read. The reader has its own limit.
    pub(super) fn refund(&self, bytes: usize) {
        let less = |spent: usize| Some(spent.saturating_sub(bytes));
        // An update that returns a value always succeeds.
        let _ = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let limit = LIMIT.saturating_mul(self.exchanges.load(Ordering::Relaxed).max(1));
        if self.spent.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > limit {
            return Err(io::Error::other(format!("too many bytes: above {LIMIT}")));
        }
        Ok(())
    }
}

/// A TCP connection, with or without a byte limit.
pub(super) struct Tcp {
    stream: TcpStream,
    byte_limit: Option<Arc<ByteLimit>>,
}

impl Tcp {
    pub(super) fn new(stream: TcpStream, byte_limit: Option<Arc<ByteLimit>>) -> Self {
        Self { stream, byte_limit }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if let Some(byte_limit) = &self.byte_limit {
            byte_limit.spend(buffer.filled().len() - before)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact_and_bodies_that_were_taken_do_not_count() {
        let byte_limit = ByteLimit::default();
        byte_limit.spend(LIMIT).unwrap();
        byte_limit.refund(LIMIT / 2);
        byte_limit.spend(LIMIT / 2).unwrap();
        assert!(byte_limit.spend(1).is_err());
        byte_limit.begin();
        byte_limit.refund(1);
        byte_limit.spend(LIMIT).unwrap();
    }

    #[test]
    fn each_exchange_in_flight_has_the_limit() {
        let byte_limit = ByteLimit::default();
        (0..3).for_each(|_| byte_limit.begin());
        byte_limit.spend(3 * LIMIT).unwrap();
        assert!(byte_limit.spend(1).is_err());
        byte_limit.end();
        byte_limit.spend(2 * LIMIT).unwrap();
        assert!(byte_limit.spend(1).is_err());
        (0..2).for_each(|_| byte_limit.end());
        byte_limit.spend(LIMIT).unwrap();
        assert!(byte_limit.spend(1).is_err());
    }
}
