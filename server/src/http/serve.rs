//! Connections: how many, how slow, and how they end.

use super::problem::Problem;
use crate::app::App;
use crate::writer::NoReply;
use axum::Router;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io::Write;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Duration, sleep, timeout};

/// The most bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS: usize = 64;
/// How many that were turned away are heard out at a time, so that the answer reaches them.
const TURNED_AWAY: usize = 1_000;
/// How long requests may go on after the server was asked to stop.
const FAREWELL: Duration = Duration::from_secs(30);

/// Accepts and serves until the server is asked to stop; then finishes what it has accepted.
pub async fn serve(app: Arc<App>, listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(app.config.connections as usize));
    let at_the_door = Arc::new(Semaphore::new(TURNED_AWAY));
    let no_place = no_place();
    let graceful = GracefulShutdown::new();
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(app.config.slow_client_ms))
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .pipeline_flush(true);
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.stop.raised() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        _ = stream.set_nodelay(true);
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            match Arc::clone(&at_the_door).try_acquire_owned() {
                Ok(place) => {
                    let farewell = turn_away(stream, no_place.clone());
                    crate::tasks::spawn(async move {
                        _ = timeout(Duration::from_secs(1), farewell).await;
                        drop(place);
                    });
                }
                // A flood: whoever hears it, hears it.
                Err(_) => _ = stream.into_std().and_then(|mut stream| stream.write(&no_place)),
            }
            continue;
        };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = graceful.watch(connection);
        let app = Arc::clone(&app);
        crate::tasks::spawn(async move {
            app.metrics.connections.inc();
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            app.metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    if timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests took too long to finish and were cut off");
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
