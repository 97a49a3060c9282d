//! Connection limits: how many connections there are, how long each may be slow, and which makes room.
//!
//! When all slots are in use, new connections wait in a bounded queue, and connections that do not use
//! theirs make room for them, in the order in which they began not to:
//!
//! - one on which nothing is asked after an answer;
//! - one on which no whole head has come within `HEAD_GRACE`;
//! - one whose request's body has not come within `GRACE`: nothing of that request was decided;
//! - one whose peer does not read its answer for `GRACE`.
//!
//! The others leave with their next answer. So kept, silent and slow connections cost new ones nothing,
//! and no new one is refused as long as the server answers.

use super::malformed;
use super::socket::{Awaited, Doing, Response as Told, Socket};
use crate::admission::connections::{Share, Shares, client};
use crate::admission::network::Peer;
use crate::app::App;
use crate::http::problem::Problem;
use crate::writer::CommandError;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant, Sleep, sleep, sleep_until, timeout};

/// The most bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS: usize = 64;
/// How long the peer is waited for, while others wait for its slot: until it reads what it is sent, or
/// until it has sent the body of its request.
const GRACE: Duration = Duration::from_secs(1);
/// The same until it has sent the head of its first request. A client sends it with the last packet of
/// the handshake.
const HEAD_GRACE: Duration = Duration::from_millis(250);
/// How long requests may go on after the server was asked to stop.
const FAREWELL: Duration = Duration::from_secs(30);
/// Open files that are not connections: the database's, the provider's, the log's.
const OTHER_FILES: u64 = 256;

/// Accepts and serves until the server is asked to stop; then finishes what it has accepted.
pub async fn serve(app: Arc<App>, listener: TcpListener, router: Router) {
    let Capacity { slots, waiting, closing } = capacity(app.config.connections);
    app.admission.slots.shrink(app.config.connections, slots);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(app.config.slow_client_ms))
        .max_buf_size(HEAD_BYTES)
        // One buffer and one write for an answer: with two, each request costs a tenth more.
        .writev(false)
        .max_headers(HEADERS);
    let waiting_slots = Arc::new(Semaphore::new(waiting as usize));
    let limiter = Arc::new(ConnectionLimiter {
        slots: Arc::new(Semaphore::new(slots as usize)),
        closing: Arc::new(Semaphore::new(closing as usize)),
        room: Room { wanted: Semaphore::new(0), promised: AtomicIsize::new(0) },
        http,
        router: TowerToHyperService::new(router),
        app: Arc::clone(&app),
    });
    let shares = Shares::new(app.config.client_connections());
    let no_slot = malformed::last_answer(&CommandError::Busy.into());
    let no_share = malformed::last_answer(&Problem::too_many_connections());
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.stop.raised() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, Peer(peer.ip())),
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        _ = stream.set_nodelay(true);
        let share = match client(&app.config.trusted_proxies, peer.0) {
            None => None,
            Some(network) => match shares.take(network) {
                Some(share) => Some(share),
                None => {
                    limiter.refuse(stream, &no_share);
                    continue;
                }
            },
        };
        let limiter = Arc::clone(&limiter);
        if let Ok(slot) = Arc::clone(&limiter.slots).try_acquire_owned() {
            crate::tasks::spawn(limiter.serve(stream, peer, slot, share));
        } else if let Ok(waiting) = Arc::clone(&waiting_slots).try_acquire_owned() {
            let no_slot = no_slot.clone();
            crate::tasks::spawn(async move {
                match limiter.slot().await {
                    Some(slot) => {
                        drop(waiting);
                        limiter.serve(stream, peer, slot, share).await;
                    }
                    None => malformed::close(stream, &no_slot).await,
                }
            });
        } else {
            limiter.refuse(stream, &no_slot);
        }
    }
    drop(listener);
    if timeout(FAREWELL, limiter.slots.acquire_many(slots)).await.is_err() {
        tracing::warn!("some requests took too long to finish and were cut off");
    }
}

/// How many connections there can be.
#[derive(PartialEq, Eq, Debug)]
struct Capacity {
    /// So many are served at a time.
    slots: u32,
    /// So many more may wait for a slot.
    waiting: u32,
    /// So many more may be closed with patience, so that their last answer arrives.
    closing: u32,
}

/// Fewer connections than this are too few for a sale, in the log's eyes.
const FEW_CONNECTIONS: u32 = 2_000;

/// As many as are configured, and as many waiting, if the system allows so many open files.
fn capacity(connections: u32) -> Capacity {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let files = files.current.unwrap_or(u64::MAX);
    let capacity = Capacity::within(connections, files);
    let served = capacity.slots;
    if served < connections && served < FEW_CONNECTIONS {
        tracing::warn!(
            connections = served,
            "the system allows only {files} open files, so few connections are served at a time: raise \
             the limit (LimitNOFILE= in systemd, ulimit -n in a shell)"
        );
    } else if served < connections {
        tracing::info!(
            connections = served,
            "connections are bounded by the limit of {files} open files"
        );
    }
    capacity
}

impl Capacity {
    fn within(connections: u32, files: u64) -> Capacity {
        let free = files.saturating_sub(OTHER_FILES).max(files / 2);
        let free = u32::try_from(free).unwrap_or(u32::MAX).max(2);
        // Some of them always for those that wait, else a new connection could only be cut off.
        let slots = connections.min(free - free.div_ceil(8));
        let rest = free - slots;
        let closing = connections.div_ceil(4).min(rest / 4);
        Capacity { slots, waiting: connections.min(rest - closing), closing }
    }
}

/// The connections that wait for a slot, and those that make room for them. As many are asked to make
/// room as wait: the permits in `wanted` and what is `promised` are together as many as wait.
struct Room {
    /// A permit for each connection that waits and for which none has made room yet.
    wanted: Semaphore,
    /// How many have made room, or will with their answer, whose slots no waiting one has got yet. Below
    /// zero for the moment between the two steps of [`Room::promise`].
    promised: AtomicIsize,
}

impl Room {
    /// One more waits.
    fn want(&self) {
        self.wanted.add_permits(1);
    }

    /// One of those that waited has a slot, whoever made room for it, or has given up.
    fn want_no_more(&self) {
        let kept = |promised: isize| (promised > 0).then(|| promised - 1);
        if self.promised.fetch_update(Ordering::SeqCst, Ordering::SeqCst, kept).is_ok() {
            return;
        }
        match self.wanted.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => _ = self.promised.fetch_sub(1, Ordering::SeqCst),
        }
    }

    /// A connection makes room for one that waits.
    fn promise(&self, permit: SemaphorePermit<'_>) {
        permit.forget();
        self.promised.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether somebody waits for whom nobody has made room; from now on somebody has.
    fn is_made(&self) -> bool {
        self.wanted.try_acquire().is_ok_and(|permit| {
            self.promise(permit);
            true
        })
    }
}

/// What all connections share.
struct ConnectionLimiter {
    slots: Arc<Semaphore>,
    /// A permit for each connection that has no slot and is being closed with patience.
    closing: Arc<Semaphore>,
    room: Room,
    http: http1::Builder,
    router: TowerToHyperService<Router>,
    app: Arc<App>,
}

impl ConnectionLimiter {
    /// Waits for a slot, but no longer than a command may wait for the writer.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.room.want();
        let patience = Duration::from_millis(self.app.config.queue_timeout_ms);
        let slot = tokio::select! {
            biased;
            () = self.app.stop.raised() => None,
            slot = timeout(patience, Arc::clone(&self.slots).acquire_owned()) => {
                slot.ok().and_then(Result::ok)
            }
        };
        self.room.want_no_more();
        slot
    }

    /// Refuses a connection. If too many are being refused, the answer is sent and not waited for.
    fn refuse(&self, stream: TcpStream, answer: &Bytes) {
        if let Ok(closing) = Arc::clone(&self.closing).try_acquire_owned() {
            let answer = Bytes::clone(answer);
            crate::tasks::spawn(async move {
                let _closing = closing;
                malformed::close(stream, &answer).await;
            });
        } else {
            write_once(stream, answer);
        }
    }

    /// Serves a connection until it ends.
    async fn serve(
        self: Arc<ConnectionLimiter>,
        stream: TcpStream,
        peer: Peer,
        slot: OwnedSemaphorePermit,
        share: Option<Share>,
    ) {
        let doing = Arc::new(Doing::default());
        let service = Attended { limiter: Arc::clone(&self), peer, doing: Arc::clone(&doing) };
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&doing)));
        let mut connection = self.http.serve_connection(socket, service);
        let deadline = Duration::from_millis(self.app.config.slow_client_ms);
        let end = {
            let mut patience = Patience { deadline, since: None, timer: None };
            let mut asked_to_stop = pin!(self.app.stop.raised());
            let mut asked_for_room = pin!(None);
            let (mut stopping, mut requests) = (false, 0);
            self.app.metrics.connections.inc();
            poll_fn(|context| {
                loop {
                    if let Poll::Ready(end) = Pin::new(&mut connection).poll(context) {
                        return Poll::Ready(End::Served(end));
                    }
                    if !stopping && asked_to_stop.as_mut().poll(context).is_ready() {
                        stopping = true;
                        // Ends now, or with the answer that is being given.
                        Pin::new(&mut connection).graceful_shutdown();
                        continue;
                    }
                    let waited = patience.look(&doing, context);
                    // It was counted on for whoever waits.
                    let overdue = doing.leaves() && waited != Waited::Not;
                    if waited == Waited::TooLong || overdue {
                        return Poll::Ready(End::Dropped);
                    }
                    let kept = doing.is_idle() && doing.requests() > 0;
                    if stopping || !(kept || waited == Waited::Long) {
                        asked_for_room.set(None);
                        return Poll::Pending;
                    }
                    // The first to come here stands in front.
                    if asked_for_room.is_none() {
                        requests = doing.requests();
                        asked_for_room.set(Some(self.room.wanted.acquire()));
                    }
                    let asked = asked_for_room.as_mut().as_pin_mut().expect("it was just set");
                    let Poll::Ready(Ok(permit)) = asked.poll(context) else {
                        return Poll::Pending;
                    };
                    if requests == doing.requests() {
                        self.room.promise(permit);
                        return Poll::Ready(End::MadeRoom);
                    }
                    // A request was answered since then, so quickly that its connection stayed where
                    // it stood. It goes to the end, and the next one is asked.
                    requests = doing.requests();
                    asked_for_room.set(Some(self.room.wanted.acquire()));
                    let asked = asked_for_room.as_mut().as_pin_mut().expect("it was just set");
                    return match asked.poll(context) {
                        Poll::Ready(Ok(another)) => {
                            self.room.promise(another);
                            Poll::Ready(End::MadeRoom)
                        }
                        Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
                    };
                }
            })
            .await
        };
        self.app.metrics.connections.dec();
        let receiving = doing.is_receiving();
        let parts = connection.into_parts();
        let stream = parts.io.into_inner().into_inner();
        let last = match &end {
            End::Served(Ok(())) => doing.answered().then(Bytes::new),
            End::Served(Err(error)) => {
                tracing::debug!(%error, "a connection ended");
                let answer = malformed::answer(error, &parts.read_buf, &doing);
                answer.map(|problem| malformed::last_answer(&problem))
            }
            // Nothing was decided of a request that is not whole, and nothing was said to it.
            End::MadeRoom if !doing.is_blocked() => {
                let begun = receiving || malformed::has_begun(&parts.read_buf);
                begun.then(|| malformed::last_answer(&CommandError::Busy.into()))
            }
            End::MadeRoom | End::Dropped => None,
        };
        drop(slot);
        match (last, Arc::clone(&self.closing).try_acquire_owned()) {
            (Some(last), Ok(_closing)) => malformed::close(stream, &last).await,
            // Too many are being closed: it is sent, and not waited for.
            (Some(last), Err(_)) if !last.is_empty() => write_once(stream, &last),
            _ => {}
        }
        drop(share);
    }
}

/// Writes what the kernel takes at once, and closes.
fn write_once(stream: TcpStream, bytes: &[u8]) {
    // Not by tokio, which would first wait until it knows that the socket takes something.
    _ = stream.into_std().and_then(|mut stream| stream.write(bytes));
}

/// How serving a connection ended.
enum End {
    /// By itself, or by the server's stopping.
    Served(hyper::Result<()>),
    /// Because somebody waited for its slot.
    MadeRoom,
    /// Because its peer did not read for too long.
    Dropped,
}

/// How long a peer was waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// Not at all, or not for long.
    Not,
    /// For longer than that.
    Long,
    /// It did not read for as long as is allowed.
    TooLong,
}

/// Measures how long a peer is waited for. Costs nothing while it is not.
struct Patience {
    deadline: Duration,
    /// Since when, for what, and after which of its steps.
    since: Option<(Instant, (Awaited, u32))>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Looks at how long the peer was waited for, and has `context` woken when that changes.
    fn look(&mut self, doing: &Doing, context: &mut Context<'_>) -> Waited {
        let Some(awaited) = doing.awaited() else {
            self.since = None;
            return Waited::Not;
        };
        let step = (awaited, doing.step());
        let grace = if awaited == Awaited::FirstHead { HEAD_GRACE } else { GRACE };
        let grace = grace.min(self.deadline);
        let since = match self.since {
            Some((since, seen)) if seen == step => since,
            _ => Instant::now(),
        };
        self.since = Some((since, step));
        loop {
            let waited = since.elapsed();
            let (now, next) = if waited < grace {
                (Waited::Not, grace)
            } else if awaited != Awaited::Reading {
                // It has a deadline where it is read.
                return Waited::Long;
            } else if waited < self.deadline {
                (Waited::Long, self.deadline)
            } else {
                return Waited::TooLong;
            };
            let until = since + next;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(context).is_pending() {
                return now;
            }
        }
    }
}

/// The router, and what the connection of its requests is doing.
struct Attended {
    limiter: Arc<ConnectionLimiter>,
    peer: Peer,
    doing: Arc<Doing>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Told>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Attended {
    type Response = Response<Told>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        self.doing.open();
        let checked = malformed::check(request.version(), request.headers());
        request.extensions_mut().insert(self.peer);
        let has_body = !request.body().is_end_stream();
        if has_body {
            request.extensions_mut().insert(Arc::clone(&self.doing));
        }
        let answering = checked.map(|()| self.limiter.router.call(request));
        let (doing, limiter) = (Arc::clone(&self.doing), Arc::clone(&self.limiter));
        Box::pin(async move {
            let close = HeaderValue::from_static("close");
            let mut answer: Response<Body> = match answering {
                Ok(answering) => answering.await?,
                Err(problem) => {
                    let mut answer = problem.into_response();
                    answer.headers_mut().insert(header::CONNECTION, close.clone());
                    crate::http::middleware::protect(answer.headers_mut());
                    answer
                }
            };
            // The rest of a body stands where the next request would begin.
            if has_body && !doing.is_whole() {
                answer.headers_mut().insert(header::CONNECTION, close.clone());
            }
            // An answer without end, such as the live counts, keeps its connection busy.
            if answer.body().size_hint().exact().is_some() && limiter.room.is_made() {
                answer.headers_mut().insert(header::CONNECTION, close);
                doing.leave();
            }
            Ok(answer.map(|body| Told::new(body, doing)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_asked_to_make_room_as_wait() {
        let room = Room { wanted: Semaphore::new(0), promised: AtomicIsize::new(0) };
        let asked = |room: &Room| room.wanted.available_permits();
        room.want();
        room.want();
        assert!(room.is_made());
        assert_eq!(asked(&room), 1);
        // One gets a slot that came free by itself, the other the one that was promised.
        room.want_no_more();
        assert_eq!(asked(&room), 1);
        room.want_no_more();
        assert_eq!(asked(&room), 0, "nobody waits, nobody is asked");
        assert!(!room.is_made());
        // One gives up for whom another has made room; the slot is free for whoever comes.
        room.want();
        assert!(room.is_made());
        room.want_no_more();
        room.want();
        assert_eq!(asked(&room), 1, "a promise that nobody needed is forgotten");
    }

    #[test]
    fn there_are_never_more_connections_than_files() {
        let within = |connections, files| {
            let Capacity { slots, waiting, closing } = Capacity::within(connections, files);
            (slots, waiting, closing)
        };
        assert_eq!(within(10_000, 1_048_576), (10_000, 10_000, 2_500));
        assert_eq!(within(10_000, 20_000), (10_000, 7_308, 2_436));
        assert_eq!(within(10_000, 10_000), (8_526, 914, 304));
        assert_eq!(within(10_000, 1_024), (672, 72, 24));
        assert_eq!(within(10_000, 64), (28, 3, 1));
        assert_eq!(within(1, 0), (1, 1, 0));
        assert_eq!(within(4, u64::MAX), (4, 4, 1));
    }
}
