//! The socket of one connection, and what the connection is doing at the moment.
//!
//! hyper knows when a response was made, but only the socket knows when it was sent. [`Doing`] puts
//! the two together, so that a connection counts as idle from the moment at which its last response
//! has left, and so that a peer that does not read is noticed.
//!
//! hyper answers some malformed requests by itself, with a status and nothing else. [`Socket`] discards
//! that answer, for [`super::malformed`] writes a better one: what is written while no request is open
//! can be nothing else.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// No whole head of a request has come since the last response was sent.
const IDLE: u8 = 0;
/// A request is open, and its response is not complete yet.
const OPEN: u8 = 1;
/// A request is open, and its body is being received.
const RECEIVING: u8 = 2;
/// The whole response was handed to hyper, but not all of it to the kernel.
const SENDING: u8 = 3;

/// What a connection is doing. Shared by its socket, its requests and its responses, all of which are
/// driven by one task: the atomics carry values between them and order nothing.
#[derive(Default)]
pub struct Doing {
    stage: AtomicU8,
    /// Whether the kernel takes no more bytes because the peer does not read.
    blocked: AtomicBool,
    /// Whether an answer of hyper's own was discarded.
    discarded: AtomicBool,
    /// Whether a response of ours was sent.
    answered: AtomicBool,
    /// Whether the body of the open request was read to its end.
    whole: AtomicBool,
    /// Whether it was promised that this connection ends with its answer.
    leaves: AtomicBool,
    /// Counts the requests.
    requests: AtomicU32,
    /// Counts what the peer did: bytes that it took, and bodies that it began or finished.
    progress: AtomicU32,
}

/// One task alone writes here: no other addition can be lost.
fn count(counter: &AtomicU32) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl Doing {
    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Relaxed)
    }

    fn go(&self, stage: u8) {
        self.stage.store(stage, Ordering::Relaxed);
    }

    fn progressed(&self) {
        count(&self.progress);
    }

    /// Somebody waits for the slot of this connection: it ends with the answer that is being given.
    pub fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
    }

    /// Whether this connection was counted on to make room with its answer.
    pub fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    /// A whole head has come.
    pub fn open(&self) {
        self.go(OPEN);
        self.whole.store(false, Ordering::Relaxed);
        count(&self.requests);
    }

    /// How many requests there were.
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// A body is being received for as long as the guard lives.
    pub fn receiving(self: &Arc<Doing>) -> Receiving {
        self.go(RECEIVING);
        self.progressed();
        Receiving(Arc::clone(self))
    }

    /// Whether nothing is asked on this connection, and all answers have left.
    pub fn is_idle(&self) -> bool {
        self.stage() == IDLE
    }

    /// Whether the body of the open request is not complete yet: nothing of it was decided.
    pub fn is_receiving(&self) -> bool {
        self.stage() == RECEIVING
    }

    /// Whether the peer does not read what is sent to it.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Whether hyper answered something that it could not parse, and that answer was discarded.
    pub fn discarded(&self) -> bool {
        self.discarded.load(Ordering::Relaxed)
    }

    /// Whether the body of the open request was read to its end. If it was not, no further request can
    /// be read after it.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Whether a response of ours was sent.
    pub fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// What the peer is waited for, if it is.
    pub fn awaited(&self) -> Option<Awaited> {
        match self.stage() {
            _ if self.is_blocked() => Some(Awaited::Reading),
            RECEIVING => Some(Awaited::Body),
            IDLE if self.requests() == 0 => Some(Awaited::FirstHead),
            _ => None,
        }
    }

    /// Changes with everything that the peer does.
    pub fn step(&self) -> u32 {
        self.progress.load(Ordering::Relaxed)
    }
}

/// What a peer is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    /// That it sends a request.
    FirstHead,
    /// That it sends all of a request.
    Body,
    /// That it reads an answer.
    Reading,
}

/// Ends the receiving of a body when it is dropped.
pub struct Receiving(Arc<Doing>);

impl Receiving {
    /// All of it was read.
    pub fn is_whole(self) {
        self.0.whole.store(true, Ordering::Relaxed);
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.go(OPEN);
        self.0.progressed();
    }
}

/// The body of a response, which tells when all of it was handed to hyper.
pub struct Response {
    body: Body,
    doing: Arc<Doing>,
}

impl Response {
    /// The body of a response to the open request.
    pub fn new(body: Body, doing: Arc<Doing>) -> Response {
        Response { body, doing }
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        self.doing.go(SENDING);
    }
}

impl http_body::Body for Response {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that notes what it does.
pub struct Socket {
    stream: TcpStream,
    doing: Arc<Doing>,
}

impl Socket {
    /// Wraps a socket.
    pub fn new(stream: TcpStream, doing: Arc<Doing>) -> Socket {
        Socket { stream, doing }
    }

    /// The socket itself.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let blocked = written.is_pending();
        if !blocked {
            self.doing.progressed();
        }
        if blocked != self.doing.is_blocked() {
            self.doing.blocked.store(blocked, Ordering::Relaxed);
        }
        written
    }

    /// Whether what is written now is an answer of hyper's own.
    fn discards(&self) -> bool {
        let discards = self.doing.is_idle();
        if discards {
            self.doing.discarded.store(true, Ordering::Relaxed);
        }
        discards
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.discards() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.discards() {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes the socket when all that it had was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.doing.stage() == SENDING {
            self.doing.go(IDLE);
            self.doing.answered.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    /// Not yet: something may have to be said first. See [`super::malformed::close`].
    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
