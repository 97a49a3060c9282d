//! Connections: how many, how slow, and how they end.
//!
//! There are so many places, and who comes when all are taken waits at the door. A connection on which
//! nothing is asked at the moment then makes room, the one that was idle longest first; the others do
//! with their next answer. So kept connections cost newcomers nothing, and nobody is sent away as long
//! as the server answers.

use super::problem::Problem;
use crate::admission::network::Peer;
use crate::app::{App, most_listeners, most_waiters};
use crate::writer::NoReply;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, sleep, timeout};

/// The most bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS: usize = 64;
/// How long who is turned away is heard out, so that the answer reaches them.
const TURNED_AWAY: Duration = Duration::from_secs(1);
/// How long requests may go on after the server was asked to stop.
const FAREWELL: Duration = Duration::from_secs(30);
/// Open files that are not connections: the database's, the provider's, the log's.
const OTHER_FILES: u64 = 256;

/// Accepts and serves until the server is asked to stop; then finishes what it has accepted.
pub async fn serve(app: Arc<App>, listener: TcpListener, router: Router) {
    let Capacity { places, door } = capacity(app.config.connections);
    let connections = app.config.connections;
    app.listeners.forget_permits(most_listeners(connections) - most_listeners(places));
    app.waiters.forget_permits(most_waiters(connections) - most_waiters(places));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(app.config.slow_client_ms))
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .pipeline_flush(true);
    let house = Arc::new(House {
        places: Arc::new(Semaphore::new(places as usize)),
        room: Semaphore::new(0),
        http,
        router: TowerToHyperService::new(router),
        app: Arc::clone(&app),
    });
    let at_the_door = Arc::new(Semaphore::new(door as usize));
    let no_place = no_place();
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
        let house = Arc::clone(&house);
        if let Ok(place) = Arc::clone(&house.places).try_acquire_owned() {
            crate::tasks::spawn(house.attend(stream, peer, place));
        } else if let Ok(waiting) = Arc::clone(&at_the_door).try_acquire_owned() {
            let no_place = no_place.clone();
            crate::tasks::spawn(async move {
                match house.place().await {
                    Some(place) => {
                        drop(waiting);
                        house.attend(stream, peer, place).await;
                    }
                    None => _ = timeout(TURNED_AWAY, turn_away(stream, no_place)).await,
                }
            });
        } else {
            // A flood: whoever hears it, hears it.
            _ = stream.into_std().and_then(|mut stream| stream.write(&no_place));
        }
    }
    drop(listener);
    if timeout(FAREWELL, house.places.acquire_many(places)).await.is_err() {
        tracing::warn!("some requests took too long to finish and were cut off");
    }
}

/// How many connections there can be.
#[derive(PartialEq, Eq, Debug)]
struct Capacity {
    /// So many are served at a time.
    places: u32,
    /// So many more may wait for a place.
    door: u32,
}

/// As many as are configured, and as many at the door, if the system allows so many open files.
fn capacity(connections: u32) -> Capacity {
    let files = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let capacity = Capacity::within(connections, files);
    if capacity.places < connections {
        tracing::warn!(
            connections = capacity.places,
            "the system allows {files} open files: fewer connections than are configured"
        );
    }
    capacity
}

impl Capacity {
    fn within(connections: u32, files: u64) -> Capacity {
        let free = files.saturating_sub(OTHER_FILES).max(files / 2);
        let free = u32::try_from(free).unwrap_or(u32::MAX).max(2);
        // Some of them always for the door: a house without one can only slam it.
        let places = connections.min(free - free.div_ceil(8));
        Capacity { places, door: connections.min(free - places) }
    }
}

/// What all connections share.
struct House {
    places: Arc<Semaphore>,
    /// A permit for each who waits at the door and to whom nobody has made room yet.
    room: Semaphore,
    http: http1::Builder,
    router: TowerToHyperService<Router>,
    app: Arc<App>,
}

impl House {
    /// Waits at the door for a place, but no longer than a command may wait for the writer.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.room.add_permits(1);
        let patience = Duration::from_millis(self.app.config.patience_ms);
        let place = tokio::select! {
            biased;
            () = self.app.stop.raised() => None,
            place = timeout(patience, Arc::clone(&self.places).acquire_owned()) => {
                place.ok().and_then(Result::ok)
            }
        };
        if place.is_none() {
            self.makes_room();
        }
        place
    }

    /// Whether somebody waits at the door to whom nobody has made room; from now on somebody has.
    fn makes_room(&self) -> bool {
        self.room.try_acquire().is_ok_and(|permit| {
            permit.forget();
            true
        })
    }

    /// Serves a connection until it ends.
    async fn attend(self: Arc<House>, stream: TcpStream, peer: Peer, place: OwnedSemaphorePermit) {
        let idle = Arc::new(AtomicBool::new(false));
        let service = Attended { house: Arc::clone(&self), peer, idle: Arc::clone(&idle) };
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let mut asked_to_stop = pin!(self.app.stop.raised());
        let mut asked_for_room = pin!(None);
        let mut leaving = false;
        self.app.metrics.connections.inc();
        let end = poll_fn(|context| {
            loop {
                if let Poll::Ready(end) = connection.as_mut().poll(context) {
                    return Poll::Ready(end);
                }
                if leaving {
                    return Poll::Pending;
                }
                leaving = asked_to_stop.as_mut().poll(context).is_ready();
                if !leaving && !idle.load(Ordering::Relaxed) {
                    asked_for_room.set(None);
                    return Poll::Pending;
                }
                if !leaving {
                    // Who is idle longest stands in front.
                    if asked_for_room.is_none() {
                        asked_for_room.set(Some(self.room.acquire()));
                    }
                    let asked = asked_for_room.as_mut().as_pin_mut().expect("it was just set");
                    match asked.poll(context) {
                        Poll::Ready(Ok(permit)) => permit.forget(),
                        Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
                    }
                    leaving = true;
                }
                // Ends now, or with the answer that is being given.
                connection.as_mut().graceful_shutdown();
            }
        })
        .await;
        if let Err(error) = end {
            tracing::debug!(%error, "a connection ended");
        }
        self.app.metrics.connections.dec();
        drop(place);
    }
}

/// The router, and whether anything is being asked of it on this connection.
struct Attended {
    house: Arc<House>,
    peer: Peer,
    idle: Arc<AtomicBool>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Attended {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        request.extensions_mut().insert(self.peer);
        self.idle.store(false, Ordering::Relaxed);
        let answering = self.house.router.call(request);
        let (idle, house) = (Arc::clone(&self.idle), Arc::clone(&self.house));
        Box::pin(async move {
            let mut answer = answering.await?;
            // An answer without end, such as the live counts, keeps its connection busy.
            if answer.body().size_hint().exact().is_some() {
                if house.makes_room() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
                idle.store(true, Ordering::Relaxed);
            }
            Ok(answer)
        })
    }
}

/// The answer to a connection that finds no place, whatever it wants.
fn no_place() -> Bytes {
    let body = Problem::from(NoReply::Busy).json();
    let mut answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
         Content-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    answer.into()
}

/// Says so, and hears the other out: closing a connection from which something was not read resets it, and with it the answer may be
/// lost (RFC 9112, section 9.6). Only our side is closed, and what comes is read, though not for ever.
async fn turn_away(mut stream: TcpStream, no_place: Bytes) -> std::io::Result<()> {
    stream.write_all(&no_place).await?;
    stream.shutdown().await?;
    let mut heard = 0;
    let mut buffer = [0; 1024];
    while heard < HEAD_BYTES {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => heard += read,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_connections_than_files() {
        let within = |connections, files| {
            let Capacity { places, door } = Capacity::within(connections, files);
            (places, door)
        };
        assert_eq!(within(10_000, 1_048_576), (10_000, 10_000));
        assert_eq!(within(10_000, 20_000), (10_000, 9_744));
        assert_eq!(within(10_000, 10_000), (8_526, 1_218));
        assert_eq!(within(10_000, 1_024), (672, 96));
        assert_eq!(within(10_000, 64), (28, 4));
        assert_eq!(within(1, 0), (1, 1));
        assert_eq!(within(4, u64::MAX), (4, 4));
    }
}
