//! HTTP/1.1 for a crowd: some kept connections, shared by all, and as little work as possible for
//! each answer, so that the generator is not what is measured.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request, ready to be sent.
pub struct Request {
    bytes: Vec<u8>,
    /// Whether the answer's body is of interest.
    keep: bool,
}

impl Request {
    /// Asks for a page of a program.
    pub fn get(path: &str) -> Request {
        Request {
            bytes: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes(),
            keep: true,
        }
    }

    /// Looks at a page as a browser does.
    pub fn look(path: &str) -> Request {
        let head = "accept: text/html\r\naccept-encoding: gzip, deflate, br\r\n";
        Request {
            bytes: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n").into_bytes(),
            keep: false,
        }
    }

    /// Asks for something of one's own.
    pub fn get_with(path: &str, secret: &str) -> Request {
        let head = authorization(secret);
        Request {
            bytes: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n").into_bytes(),
            keep: true,
        }
    }

    /// Puts JSON, as the organiser.
    pub fn put(path: &str, secret: &str, body: &str) -> Request {
        Request::send("PUT", path, JSON, &authorization(secret), body)
    }

    /// Sends JSON, as whoever has this key.
    pub fn post_as(path: &str, secret: &str, body: &str) -> Request {
        Request::send("POST", path, JSON, &authorization(secret), body)
    }

    /// Sends a form, as whoever has this key.
    pub fn form(path: &str, secret: &str, body: &str) -> Request {
        Request::send("POST", path, FORM, &authorization(secret), body)
    }

    /// Sends JSON, under a key.
    pub fn post(path: &str, key: &str, secret: Option<&str>, body: &str) -> Request {
        let secret = secret.map(authorization).unwrap_or_default();
        Request::send("POST", path, JSON, &format!("idempotency-key: {key}\r\n{secret}"), body)
    }

    /// Sends a body of this media type. `head`: further lines of the header, each with its end.
    fn send(method: &str, path: &str, media_type: &str, head: &str, body: &str) -> Request {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\n\
             {head}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Request { bytes: text.into_bytes(), keep: true }
    }
}

fn authorization(secret: &str) -> String {
    format!("authorization: Bearer {secret}\r\n")
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// When to ask again, if it says so.
    pub retry_after: Option<Duration>,
    /// Its body; empty if it was of no interest.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// No connection could be made.
    NoConnection,
    /// It ended before the answer was there.
    Lost,
    /// It took longer than the buyer's patience.
    TooLate,
    /// What came is not HTTP.
    NotHttp,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Silence::NoConnection => "no connection can be made",
            Silence::Lost => "the connection ended before the answer",
            Silence::TooLate => "it took too long",
            Silence::NotHttp => "what it says is not HTTP",
        })
    }
}

/// Connections that all share.
pub struct Client {
    address: SocketAddr,
    places: Semaphore,
    /// So many of them are for those who come; the others only for those who are in.
    newcomers: Semaphore,
    idle: Mutex<Vec<Connection>>,
    /// Of this machine's own addresses, where the next connection comes from.
    from: AtomicU8,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Whether something was answered on it: then it may have been closed since.
    used: bool,
}

/// The least that is read at once.
const ROOM: usize = 4096;
/// No answer is larger.
const MOST: usize = 4 << 20;
/// Who has places and comes back to pay is still connected, in a browser, and does not stand behind those
/// who are not yet: one in so many connections is kept for them.
const FOR_THOSE_WHO_ARE_IN: usize = 5;
/// From so many addresses of this machine a crowd comes.
const ADDRESSES: u8 = 64;

impl Client {
    /// At most so many connections to a server.
    pub fn new(address: SocketAddr, connections: usize) -> Client {
        let newcomers = connections - connections / FOR_THOSE_WHO_ARE_IN;
        let (places, newcomers) = (Semaphore::new(connections), Semaphore::new(newcomers));
        Client { address, places, newcomers, idle: Mutex::default(), from: AtomicU8::new(0) }
    }

    /// Asks now, and once.
    pub async fn once(&self, request: &Request, patience: Duration) -> Result<Answer, Silence> {
        self.ask(request, Instant::now() + patience, false).await.1
    }

    /// Asks as soon as a connection is free, for those who come or for all, and waits until `end`.
    /// Also tells when it was sent.
    pub async fn ask(
        &self,
        request: &Request,
        end: Instant,
        comes: bool,
    ) -> (Option<Instant>, Result<Answer, Silence>) {
        let mut sent = None;
        let asked = async {
            let _may_come = if comes { self.newcomers.acquire().await.ok() } else { None };
            let _place = self.places.acquire().await.map_err(|_| Silence::NoConnection)?;
            sent = Some(Instant::now());
            loop {
                let mut connection = self.connection().await?;
                let again = connection.used;
                match connection.exchange(request).await {
                    // It was closed while nobody used it: the request was never heard.
                    Err(Silence::Lost) if again && connection.buffer.is_empty() => {}
                    Err(silence) => return Err(silence),
                    Ok((answer, goes_on)) => {
                        connection.used = true;
                        if goes_on {
                            self.idle().push(connection);
                        }
                        return Ok(answer);
                    }
                }
            }
        };
        let answer = timeout_at(end, asked).await.unwrap_or(Err(Silence::TooLate));
        (sent, answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<Connection, Silence> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let stream = self.connect().await.map_err(|_| Silence::NoConnection)?;
        _ = stream.set_nodelay(true);
        Ok(Connection { stream, buffer: Vec::with_capacity(ROOM), used: false })
    }

    /// A crowd comes from many addresses. From a single one the kernel looks through its ports for one
    /// that is free to this server: with half of them in use, connecting is most of what both do.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        if self.address.ip() == Ipv4Addr::LOCALHOST {
            let nth = self.from.fetch_add(1, Ordering::Relaxed);
            let socket = TcpSocket::new_v4()?;
            let from = SocketAddr::from(([127, 0, 0, 2 + nth % ADDRESSES], 0));
            // Not every system has more than one of them.
            if socket.bind(from).is_ok() {
                return socket.connect(self.address).await;
            }
        }
        TcpStream::connect(self.address).await
    }
}

impl Connection {
    /// Sends and reads the answer. Also tells whether the connection goes on.
    async fn exchange(&mut self, request: &Request) -> Result<(Answer, bool), Silence> {
        self.buffer.clear();
        self.stream.write_all(&request.bytes).await.map_err(|_| Silence::Lost)?;
        loop {
            self.buffer.reserve(ROOM);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Err(Silence::Lost),
                Ok(_) => {}
            }
            let Some(head) = Head::read(&self.buffer)? else {
                if self.buffer.len() > MOST {
                    return Err(Silence::NotHttp);
                }
                continue;
            };
            if self.buffer.len() >= head.end + head.length {
                let body = &self.buffer[head.end..head.end + head.length];
                let body = if request.keep { body.to_vec() } else { Vec::new() };
                let Head { status, retry_after, goes_on, .. } = head;
                return Ok((Answer { status, retry_after, body }, goes_on));
            }
        }
    }
}

/// What of a head is of interest.
#[derive(PartialEq, Eq, Debug)]
struct Head {
    status: u16,
    length: usize,
    retry_after: Option<Duration>,
    goes_on: bool,
    /// Where the body begins.
    end: usize,
}

impl Head {
    /// `None`: more of it must come.
    fn read(bytes: &[u8]) -> Result<Option<Head>, Silence> {
        if !bytes.starts_with(b"HTTP/1.1 ") && bytes.len() >= 9 {
            return Err(Silence::NotHttp);
        }
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Silence::NotHttp)?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.get(9..12).and_then(|s| s.parse().ok()).ok_or(Silence::NotHttp)?;
        let mut head = Head { status, length: 0, retry_after: None, goes_on: true, end: end + 4 };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse().map_err(|_| Silence::NotHttp)?;
            } else if name.eq_ignore_ascii_case("retry-after") {
                head.retry_after = value.parse().ok().map(Duration::from_secs);
            } else if name.eq_ignore_ascii_case("connection") {
                head.goes_on = !value.eq_ignore_ascii_case("close");
            }
        }
        if head.length > MOST {
            return Err(Silence::NotHttp);
        }
        Ok(Some(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nconnection: close\r\n\
                     Content-Length: 5\r\n\r\nlater";
        for cut in 0..text.len() - 6 {
            assert_eq!(Head::read(&text[..cut]), Ok(None), "{cut}");
        }
        let head = Head::read(text).expect("HTTP").expect("whole");
        assert_eq!((head.status, head.length, head.goes_on), (503, 5, false));
        assert_eq!(head.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(&text[head.end..], b"later");
        for wrong in ["SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 okay then\r\n\r\n"] {
            assert_eq!(Head::read(wrong.as_bytes()), Err(Silence::NotHttp));
        }
    }

    #[tokio::test]
    async fn who_is_in_does_not_stand_behind_those_who_come() {
        // Nobody is ever answered here.
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = Client::new(server.local_addr().expect("an address"), 5);
        let (request, now) = (Request::get("/"), Instant::now());
        let ask = |comes, ms| client.ask(&request, now + Duration::from_millis(ms), comes);
        let [a, b, c, d] = [(); 4].map(|()| ask(true, 400));
        let (a, b, c, d, e, is_in) = tokio::join!(a, b, c, d, ask(true, 200), ask(false, 200));
        let sent = [a, b, c, d, e, is_in].map(|(sent, _)| sent.is_some());
        assert_eq!(sent, [true, true, true, true, false, true]);
    }

    #[tokio::test]
    async fn a_crowd_comes_from_many_addresses() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = Client::new(server.local_addr().expect("an address"), 100);
        let mut from = std::collections::BTreeSet::new();
        for _ in 0..2 * usize::from(ADDRESSES) {
            let (connected, accepted) = tokio::join!(client.connect(), server.accept());
            connected.expect("it connects");
            from.insert(accepted.expect("it is accepted").1.ip());
        }
        // Linux has all of 127.0.0.0/8; other systems a single address.
        let expected = if cfg!(target_os = "linux") { usize::from(ADDRESSES) } else { 1 };
        assert_eq!(from.len(), expected);
    }
}
