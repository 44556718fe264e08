//! `Expect: 100-continue`: a client is told to go on when its body is first asked for. One that is refused before gets its
//! status, and sends nothing in vain.
//!
//! The library writes the line before it calls the service. So the stream keeps the line back: the call waits until all that
//! came before has been written, then the line is what is written next, and it goes out when the body is asked for.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use cleanplate_basics::lock;
use tokio::io::AsyncWrite;

/// The line as the library writes it.
const LINE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[derive(Debug)]
enum State {
    /// Nobody waits to be told.
    None,
    /// A request expects it, and replies to earlier ones may still be on their way.
    Asked(Waker),
    /// Everything before it has been written.
    Next,
    /// It was kept back from the stream that this wakes.
    Kept(Waker),
    /// The body was asked for: so many bytes of the line have been sent.
    Wanted(usize),
}

/// What a connection's client waits for before it sends a body.
#[derive(Debug)]
pub struct Expectation(Mutex<State>);

impl Default for Expectation {
    fn default() -> Self {
        Expectation(Mutex::new(State::None))
    }
}

impl Expectation {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment; a panic elsewhere leaves it whole.
        lock(&self.0)
    }

    /// Resolves once all that came before has been written.
    pub async fn asked(&self) {
        let mut asked = false;
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            if asked && matches!(*state, State::Next) {
                return Poll::Ready(());
            }
            asked = true;
            *state = State::Asked(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The body is asked for.
    pub fn wanted(&self) {
        let mut state = self.state();
        *state = match std::mem::replace(&mut *state, State::None) {
            State::Kept(stream) => {
                stream.wake();
                State::Wanted(0)
            }
            // The line has not been written yet: it just passes.
            State::Next => State::None,
            other => other,
        };
    }

    /// Looks at what is about to be written: the number of bytes that are kept back, or whether the stream is free.
    pub fn poll_kept(
        &self,
        cx: &mut Context<'_>,
        io: impl AsyncWrite + Unpin,
        bytes: &[u8],
    ) -> Poll<std::io::Result<Option<usize>>> {
        let mut state = self.state();
        match *state {
            State::Next if bytes.starts_with(LINE) => {
                *state = State::Kept(cx.waker().clone());
                return Poll::Ready(Ok(Some(LINE.len())));
            }
            // A line that was begun is ended first; else the reply has come, and nobody needs the line.
            State::Wanted(1..) => ready!(send(&mut state, cx, io))?,
            State::Asked(_) => return Poll::Ready(Ok(None)),
            _ => *state = State::None,
        }
        Poll::Ready(Ok(None))
    }

    /// Sends the line if it is time for it. Called when everything that was to be written has been.
    pub fn poll_due(
        &self,
        cx: &mut Context<'_>,
        io: impl AsyncWrite + Unpin,
    ) -> Poll<std::io::Result<()>> {
        let mut state = self.state();
        match &*state {
            State::Asked(call) => {
                call.wake_by_ref();
                *state = State::Next;
                Poll::Ready(Ok(()))
            }
            State::Wanted(_) => send(&mut state, cx, io),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// Sends what is left of the line.
fn send(
    state: &mut State,
    cx: &mut Context<'_>,
    mut io: impl AsyncWrite + Unpin,
) -> Poll<std::io::Result<()>> {
    while let State::Wanted(sent) = state {
        match ready!(Pin::new(&mut io).poll_write(cx, &LINE[*sent..]))? {
            0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            count if *sent + count >= LINE.len() => *state = State::None,
            count => *sent += count,
        }
    }
    Poll::Ready(Ok(()))
}
