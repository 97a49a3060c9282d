//! An HTTP client without an HTTP library: one connection for each request.
//!
//! - It sends what it is told, also what no library would send.
//! - It knows nothing of the server, and of its routes only how the answers of the API are described.

use crate::contract::check;
use nts_api::{Problem, ProblemCode};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A request that is not sent yet.
#[derive(Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Without headers and body but for those that HTTP wants.
    pub fn new(method: &str, path: &str) -> Request {
        Request { method: method.into(), path: path.into(), headers: vec![], body: vec![] }
    }

    /// The page or the object at this path.
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// The path and the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sends the head and waits for the status of the answer only, whose body may never end.
    ///
    /// # Errors
    ///
    /// That of the connection, or `InvalidData` where what came is no HTTP.
    pub fn status(&self, address: &str) -> std::io::Result<u16> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(&self.head(address))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or(std::io::ErrorKind::InvalidData.into())
    }

    /// The same to another path.
    pub fn to(mut self, path: &str) -> Request {
        self.path = path.into();
        self
    }

    /// A form as a browser sends it.
    pub fn form(path: &str, fields: &[(&str, &str)]) -> Request {
        let escape = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let fields = fields.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v)));
        let body = fields.collect::<Vec<_>>().join("&");
        Request::new("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into_bytes())
    }

    /// With this header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this token as its credential.
    pub fn bearer(self, token: &str) -> Request {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With this `Idempotency-Key`.
    pub fn key(self, key: &str) -> Request {
        self.header("idempotency-key", key)
    }

    /// As a proxy passes it on for this client.
    pub fn forwarded_for(self, client: &str) -> Request {
        self.header("x-forwarded-for", client)
    }

    /// With this body, as JSON.
    pub fn json(self, body: &Value) -> Request {
        self.header("content-type", "application/json").body(body.to_string().into_bytes())
    }

    /// With this body, whatever its type.
    pub fn body(mut self, body: Vec<u8>) -> Request {
        self.body = body;
        self
    }

    fn head(&self, address: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.method,
            self.path,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// Sends it on a connection of its own and waits for the answer, for a minute at most between two
    /// pieces.
    ///
    /// # Errors
    ///
    /// That of the connection, or `UnexpectedEof` where it ended without an answer.
    pub fn send(&self, address: &str) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(&self.head(address))?;
        // A server may answer before it has read a body that it does not want.
        let sent = stream.write_all(&self.body);
        let mut raw = Vec::new();
        let read = read_answer(&mut stream, &mut raw);
        match Answer::parse(&raw) {
            Some(answer) => {
                check(&self.method, &self.path, answer.status, &answer.body);
                Ok(answer)
            }
            None => {
                sent?;
                read?;
                Err(std::io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// The same without blocking the thread, for a test whose server runs in it.
    ///
    /// # Errors
    ///
    /// As of [`Request::send`].
    pub async fn send_async(&self, address: SocketAddr) -> std::io::Result<Answer> {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.write_all(&self.head(&address.to_string())).await?;
        stream.write_all(&self.body).await?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await?;
        let answer = Answer::parse(&raw).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        check(&self.method, &self.path, answer.status, &answer.body);
        Ok(answer)
    }
}

/// Reads until the answer is whole, or the connection ends: not everybody closes when asked to.
fn read_answer(stream: &mut TcpStream, raw: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = match stream.read(&mut buffer) {
            // A machine that was halted for a moment wakes who waits with a time limit.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        raw.extend_from_slice(&buffer[..read]);
        let whole = Answer::parse(raw).is_some_and(|answer| {
            let length = answer.header("content-length").and_then(|l| l.parse::<usize>().ok());
            length.is_some_and(|length| answer.body.len() >= length)
        });
        if read == 0 || whole {
            return Ok(());
        }
    }
}

/// The answer to a [`Request`], with a body as it came.
#[derive(Debug)]
pub struct Answer {
    /// 200 and so on.
    pub status: u16,
    /// The head: the status line and all headers, a line each.
    pub headers: String,
    /// The body, as many bytes as have come.
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(raw: &[u8]) -> Option<Answer> {
        let end = raw.windows(4).position(|w| w == b"\r\n\r\n")?;
        let headers = String::from_utf8_lossy(&raw[..end]).into_owned();
        let status = headers.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, headers, body: raw[end + 4..].to_vec() })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (n, v) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then_some(v.trim())
        })
    }

    /// The code of a problem; `None` if it is none.
    pub fn code(&self) -> Option<ProblemCode> {
        serde_json::from_slice::<Problem<'_>>(&self.body).ok().map(|problem| problem.code)
    }
}
