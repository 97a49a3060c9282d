//! Sends messages over HTTPS: looks the host up, checks each network address, and connects to one that was checked.
//! Redirects are not followed, and no connection is used twice.

use super::address::{Guard, Target};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// How long a try may take in all.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// So many bytes of an answer are read.
pub const MOST_ANSWER: usize = 1_024;
/// So many network addresses of a name are tried.
const MOST_ADDRESSES: usize = 4;

/// A message as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Post {
    /// Where.
    pub address: String,
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`
    pub timestamp: String,
    /// `webhook-signature`
    pub signature: String,
    /// JSON.
    pub body: String,
}

/// What a receiver answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
    /// How the body begins.
    pub body: String,
}

/// What came of it. The error says why no answer came, in a sentence.
pub type Outcome = Result<Answered, String>;

/// A try that is under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Takes messages to receivers.
pub trait Carry: Send + Sync + 'static {
    /// Sends a message and waits for the answer, for a bounded time.
    fn carry(&self, post: Post) -> Sending<'_>;
}

/// Network addresses that are being looked up.
pub type LookingUp = Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks the network addresses of a host up.
pub type LookUp = fn(String, u16) -> LookingUp;

/// As the system does it.
pub fn system(host: String, port: u16) -> LookingUp {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
}

/// The way over the network.
pub struct Net<L = LookUp> {
    guard: Guard,
    tls: Arc<ClientConfig>,
    look_up: L,
    patience: Duration,
}

impl<L> Net<L>
where
    L: Fn(String, u16) -> LookingUp + Send + Sync + 'static,
{
    /// `tls`: whose certificates are believed. `patience`: how long a try may take in all.
    pub fn new(guard: Guard, tls: ClientConfig, look_up: L, patience: Duration) -> Net<L> {
        Net { guard, tls: Arc::new(tls), look_up, patience }
    }

    async fn send(&self, post: Post, until: Instant) -> Outcome {
        let target = self.guard.target(&post.address)?;
        let late = |what: &str| format!("There was no answer in time: {what}.");
        let stream = timeout_at(until, self.connect(&target));
        let stream = stream.await.map_err(|_| late("no connection"))??;
        if !target.tls {
            return exchange(stream, &target, post, until).await;
        }
        let name = ServerName::try_from(target.host.clone());
        let name = name.map_err(|_| "The host has no name for a certificate.".to_owned())?;
        let shake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        let tls = timeout_at(until, shake).await.map_err(|_| late("no TLS connection"))?;
        let tls = tls.map_err(|error| format!("There is no TLS connection: {error}."))?;
        exchange(tls, &target, post, until).await
    }

    /// Connects to the first network address that may be connected to and takes the connection.
    async fn connect(&self, target: &Target) -> Result<TcpStream, String> {
        let found = match target.literal() {
            Some(literal) => vec![SocketAddr::new(literal, target.port)],
            None => (self.look_up)(target.host.clone(), target.port)
                .await
                .map_err(|error| format!("The host cannot be found: {error}."))?,
        };
        let mut why = "The host has no network address.".to_owned();
        let mut tried = 0;
        for address in found {
            if let Err(no) = self.guard.check(target, address.ip()) {
                why = no;
                continue;
            }
            if tried == MOST_ADDRESSES {
                break;
            }
            tried += 1;
            // What was checked, with the port of the target, whatever the look-up says.
            match TcpStream::connect((address.ip(), target.port)).await {
                Ok(stream) => {
                    _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => why = format!("There is no connection: {error}."),
            }
        }
        Err(why)
    }
}

impl<L> Carry for Net<L>
where
    L: Fn(String, u16) -> LookingUp + Send + Sync + 'static,
{
    fn carry(&self, post: Post) -> Sending<'_> {
        Box::pin(self.send(post, Instant::now() + self.patience))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    post: Post,
    until: Instant,
) -> Outcome {
    let request = Request::post(&target.path)
        .header("host", &target.authority)
        .header("user-agent", concat!("nts/", env!("CARGO_PKG_VERSION")))
        .header("content-type", "application/json")
        .header("connection", "close")
        .header("webhook-id", post.id)
        .header("webhook-timestamp", post.timestamp)
        .header("webhook-signature", post.signature)
        .body(Full::new(Bytes::from(post.body)))
        .map_err(|error| format!("The request cannot be written: {error}."))?;
    let (mut way, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| format!("The connection ended: {error}."))?;
    let mut connection = std::pin::pin!(connection);
    let exchange = async move {
        let answer = timeout_at(until, way.send_request(request)).await;
        let answer = answer.map_err(|_| "There was no answer in time.".to_owned())?;
        let answer = answer.map_err(|error| format!("The connection ended: {error}."))?;
        let status = answer.status().as_u16();
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = after.map(|text| crate::text::begin(text, 64).to_owned());
        // The status is the answer. Of the body what comes in time is kept, for people.
        let (mut body, mut kept) = (answer.into_body(), Vec::new());
        while kept.len() < MOST_ANSWER
            && let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await
        {
            kept.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        kept.truncate(MOST_ANSWER);
        Ok(Answered { status, retry_after, body: readable(&kept) })
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answered = &mut exchange => answered,
        // It has ended: what has arrived of it is still read.
        _ = &mut connection => exchange.await,
    }
}

/// As a text that every database takes, at most [`MOST_ANSWER`] bytes.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c })
        .collect();
    crate::text::begin(&shown, MOST_ANSWER).trim().to_owned()
}

#[cfg(test)]
mod tests;
