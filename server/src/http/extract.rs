//! Extractors: the client, the body within its bounds, and what is in it.

use super::auth::{caller, is_office, staff_at};
use super::connection::socket::Doing;
use super::page::problem_for;
use super::problem::Problem;
use super::site::Site;
use crate::access::Caller;
use crate::admission::client::Client;
use crate::admission::network::Peer;
use crate::app::App;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use nts_api::ProblemCode;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// How much of a body that is too large is still read and thrown away, so that its sender hears
/// why instead of a broken connection.
const DRAIN_BYTES: usize = 128 << 20;

/// How large a body may be that anybody may send, in bytes: an order of twenty ticket types with long ids,
/// names and addresses fits in. It is kept in memory until it is whole, on as many connections as there
/// are.
const OPEN_BODY: usize = 16 * 1024;

/// The client of a request.
pub(in crate::http) fn client(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Client {
    // A client may write anything left of what a proxy appends to the same line: what is no text there
    // makes no other part of the line unreadable.
    let values = headers.get_all("x-forwarded-for").iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let values = values.iter().map(|value| &**value);
    app.admission.clients().client(extensions.get::<Peer>().copied(), values)
}

impl FromRequestParts<Arc<Site>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Site>) -> Result<Client, Infallible> {
        Ok(client(app, &parts.extensions, &parts.headers))
    }
}

/// What was sent: the whole body of a request, bounded in size and in time, and its headers. Anybody may
/// send it, so it has room for an order and little more (`OPEN_BODY`).
pub struct Sent {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl FromRequest<Arc<Site>> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<Site>) -> Result<Sent, Problem> {
        let limit = open_limit(app);
        receive(request, app, limit).await
    }
}

/// What staff or a program of theirs sent. Nothing of the body is read unless the head has a key, or in the office
/// the cookie of a session. What its holder
/// may do, the use case asks.
pub struct SentByStaff(pub Caller, pub Sent);

/// Who asks at this path: by a key for the API, and by a session as well in the office and at the door.
async fn asks(app: &App, path: &str, headers: &HeaderMap) -> Result<Caller, Problem> {
    match is_office(path) {
        true => staff_at(app, path, headers).await,
        false => caller(app, headers).await,
    }
}

/// Who asks for something that programs and pages read.
pub struct Asks(pub Caller);

impl FromRequestParts<Arc<Site>> for Asks {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Site>) -> Result<Asks, Response> {
        let asked = asks(app, parts.uri.path(), &parts.headers).await;
        asked.map(Asks).map_err(|problem| problem_for(parts.uri.path(), &parts.headers, problem))
    }
}

impl FromRequest<Arc<Site>> for SentByStaff {
    /// A page of the office, or what programs get.
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<Site>) -> Result<SentByStaff, Response> {
        let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
        let sent = SentByStaff::receive(request, app).await;
        sent.map_err(|problem| problem_for(&path, &headers, problem))
    }
}

impl SentByStaff {
    async fn receive(request: Request, app: &Site) -> Result<SentByStaff, Problem> {
        let caller = asks(app, request.uri().path(), request.headers()).await?;
        let limit = app.config.body_bytes as usize;
        receive(request, app, limit).await.map(|sent| SentByStaff(caller, sent))
    }
}

/// How large a body may be that anybody may send.
pub(in crate::http) fn open_limit(app: &App) -> usize {
    OPEN_BODY.min(app.config.body_bytes as usize)
}

/// Receives the whole body of a request, if it comes in time and is no larger than this.
pub(in crate::http) async fn receive(
    request: Request,
    app: &App,
    limit: usize,
) -> Result<Sent, Problem> {
    let patience = Duration::from_millis(app.config.slow_client_ms);
    let (head, body) = request.into_parts();
    let receiving = head.extensions.get::<Arc<Doing>>().map(Doing::receiving);
    let received = timeout(patience, collect(body, limit)).await;
    let body = received.unwrap_or_else(|_| Err(Problem::too_slow()))?;
    if let Some(receiving) = receiving {
        receiving.is_whole();
    }
    Ok(Sent { headers: head.headers, body })
}

/// Receives a file of somebody who is known, within another time than others have: so it does not count as a
/// body that is waited for.
pub(in crate::http) async fn receive_within(
    request: Request,
    limit: usize,
    patience: Duration,
) -> Result<Sent, Problem> {
    let (head, body) = request.into_parts();
    let received = timeout(patience, collect(body, limit)).await;
    let body = received.unwrap_or_else(|_| Err(Problem::too_slow()))?;
    if let Some(receiving) = head.extensions.get::<Arc<Doing>>().map(Doing::receiving) {
        receiving.is_whole();
    }
    Ok(Sent { headers: head.headers, body })
}

pub(in crate::http) async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    let mut seen = 0usize;
    while let Some(frame) = body.frame().await {
        let broken = |_| {
            Problem::invalid("The body ended in the middle, or it is malformed. Nothing was done.")
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            bytes.extend_from_slice(&data);
            continue;
        }
        bytes = BytesMut::new();
        if seen > DRAIN_BYTES {
            break;
        }
    }
    if seen > limit {
        return Err(Problem::new(
            ProblemCode::TooLarge,
            format!("A body has at most {limit} bytes here. Nothing was done."),
        ));
    }
    Ok(bytes.freeze())
}

/// Reads a JSON body; the content type must say that it is one.
pub fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    expect_type(headers, "application/json")?;
    serde_json::from_slice(body).map_err(|error| Problem::malformed("The JSON body", &error))
}

/// A form as it was sent.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form body; the content type must say that it is one.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Form, Problem> {
        expect_type(headers, "application/x-www-form-urlencoded")?;
        Ok(Form(form_urlencoded::parse(body).into_owned().collect()))
    }

    /// A field without the blanks around it; empty if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.trim())
    }

    /// A field just as it was sent: a password may begin with a blank. Empty if it was not sent.
    pub fn exact(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Whether a field was sent, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// All fields of this name, in their order, without the blanks around them.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.trim())
    }

    /// The fields whose names begin so, without that beginning.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(n, v)| Some((n.strip_prefix(prefix)?, v.trim())))
    }
}

pub(in crate::http) fn expect_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let sent = sent.split(';').next().unwrap_or("").trim();
    if sent.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::WrongType,
        format!("Send Content-Type: {expected}. Nothing was done."),
    ))
}

/// Whether a new hold may enter.
pub(in crate::http) fn admit(app: &App) -> Result<(), Problem> {
    app.admission.check_hold().map_err(|shed| Problem::busy(shed.again_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use http_body::Frame;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    /// A body that gives the same part so often, and then breaks if it is to; it counts how often it was asked.
    struct Parts {
        part: Bytes,
        times: usize,
        breaks: bool,
        asked: Arc<AtomicUsize>,
    }

    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(match self.times.checked_sub(1) {
                Some(times) => {
                    self.times = times;
                    Some(Ok(Frame::data(Bytes::clone(&self.part))))
                }
                None => self.breaks.then_some(Err("broken")),
            })
        }
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused() {
        // Parts of so many bytes, so many of them: the limit is 10.
        for (bytes, times, breaks, is) in [
            (0, 0, false, Ok(0)),
            (10, 1, false, Ok(10)),
            (2, 5, false, Ok(10)),
            (11, 1, false, Err(ProblemCode::TooLarge)),
            (2, 6, false, Err(ProblemCode::TooLarge)),
            (11, 1, true, Err(ProblemCode::Invalid)),
            (2, 2, true, Err(ProblemCode::Invalid)),
        ] {
            let (part, asked) = (Bytes::from(vec![b'x'; bytes]), Arc::default());
            let body = Body::new(Parts { part, times, breaks, asked });
            let read = collect(body, 10).await.map(|read| read.len()).map_err(|no| no.code);
            assert_eq!(read, is, "{times} of {bytes}");
        }
    }

    #[tokio::test]
    async fn a_body_without_an_end_is_not_read_for_ever() {
        let (part, asked) =
            (Bytes::from(vec![b'x'; DRAIN_BYTES / 8]), Arc::<AtomicUsize>::default());
        let body = Parts { part, times: usize::MAX, breaks: false, asked: Arc::clone(&asked) };
        let no = collect(Body::new(body), 10).await.expect_err("it is too large");
        assert_eq!((no.code, no.status), (ProblemCode::TooLarge, StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(
            asked.load(Ordering::Relaxed),
            9,
            "what is a little too large is read to its end"
        );
    }
}
