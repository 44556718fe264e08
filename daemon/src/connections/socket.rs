//! An accepted stream that tells its meter about every byte.

use std::any::Any;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Meter;

/// What a connection that finds no place is told.
const REFUSAL: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 107\r\n\r\n\
    {\"detail\":\"too many open connections; close some, or send requests on fewer of them\",\"code\":\"rate_limited\"}";

/// A kind of stream that is accepted.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Address of the other end, where it has one.
    fn address(&self) -> Option<SocketAddr>;
    /// Tells the other end that there is no place, without waiting for it.
    fn refuse(self);
}

impl Wire for TcpStream {
    fn address(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn refuse(self) {
        // What does not fit into an empty send buffer at once, or to an end that has gone, is not worth waiting for.
        if let Ok(mut stream) = self.into_std() {
            drop(stream.write(REFUSAL));
            drop(stream.shutdown(Shutdown::Write));
        }
    }
}

impl Wire for UnixStream {
    fn address(&self) -> Option<SocketAddr> {
        None
    }

    fn refuse(self) {}
}

/// A stream with its meter.
pub struct Socket<Io> {
    io: Io,
    meter: Arc<Meter>,
}

impl<Io: Wire> Socket<Io> {
    /// A stream that was accepted.
    pub fn new(io: Io, meter: Arc<Meter>) -> Self {
        Socket { io, meter }
    }

    /// The stream, to be asked who is at its other end.
    pub fn io(&self) -> &dyn Any {
        &self.io
    }

    /// The meter.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

impl<Io: Wire> AsyncRead for Socket<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.meter.heard();
        }
        polled
    }
}

impl<Io: Wire> AsyncWrite for Socket<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let Socket { io, meter } = &mut *self;
        match meter.expectation().poll_kept(cx, &mut *io, buf) {
            Poll::Ready(Ok(None)) => {}
            Poll::Ready(Ok(Some(kept))) => return Poll::Ready(Ok(kept)),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                meter.blocked();
                return Poll::Pending;
            }
        }
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        match &polled {
            Poll::Ready(Ok(count)) => self.meter.took(*count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.meter.blocked(),
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let Socket { io, meter } = &mut *self;
        ready!(meter.expectation().poll_due(cx, &mut *io))?;
        Pin::new(io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::REFUSAL;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["detail"].is_string());
    }
}
