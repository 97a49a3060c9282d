//! Answers to what is no request, and the end of a connection.
//!
//! hyper answers some heads that it cannot parse with a bare status and closes the connection upon the
//! others without a word. Here each gets a problem that says what is wrong with it, and every connection
//! is closed in a way that lets the last answer arrive.

use super::socket::Doing;
use crate::http::problem::Problem;
use axum::http::{HeaderMap, Version, header};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// How long the peer is listened to after the last answer, so that the answer arrives.
const LINGER: Duration = Duration::from_secs(1);
/// How many bytes are read and discarded after the last answer.
const LINGER_BYTES: usize = 1 << 20;

/// The answer to what ended a connection with `error`, of which `rest` was received and not parsed.
/// None where nothing was asked, and where nobody is left to hear it.
pub fn answer(error: &hyper::Error, rest: &[u8], doing: &Doing) -> Option<Problem> {
    if error.is_parse() {
        // Any other answer has been given in full, and hyper's own went with it.
        return (doing.discarded() || error.is_parse_version_h2()).then(|| unparsable(error, rest));
    }
    if !(doing.is_idle() && has_begun(rest)) {
        return None;
    }
    if error.is_timeout() {
        return Some(Problem::too_slow());
    }
    let cut = "The connection ended before the head of the request did.";
    error.is_incomplete_message().then(|| Problem::invalid(cut))
}

/// Whether these bytes are the beginning of a request: empty lines before one are none of it (RFC 9112
/// section 2.2).
pub fn has_begun(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| !b"\r\n".contains(byte))
}

fn unparsable(error: &hyper::Error, rest: &[u8]) -> Problem {
    let begin = rest.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(rest.len());
    let mut lines = rest[begin..].split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or(&[]);
    if error.is_parse_too_large() {
        let line_is_whole = lines.next().is_some();
        return if line_is_whole { Problem::head_too_large() } else { Problem::address_too_long() };
    }
    if error.is_parse_version_h2() || names_other_version(first) {
        return Problem::wrong_version();
    }
    Problem::invalid("This is not an HTTP/1.1 request: its head is malformed. Nothing was done.")
}

/// Whether a request line ends with a well-formed version (RFC 9112 section 2.3) that is not ours.
fn names_other_version(line: &[u8]) -> bool {
    let version = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or(&[]);
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => false,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}

/// What is wrong with a head that hyper took (RFC 9112 sections 3.2 and 6.1). Of several Transfer-Encoding
/// lines a proxy may see another one than we do, and with it another end of the request.
pub fn check(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get_all(header::TRANSFER_ENCODING).iter().count() > 1 {
        return Err(Problem::invalid("A request has one Transfer-Encoding header at most."));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (Some(host), None) if host.as_bytes().iter().all(|byte| may_be_in_host(*byte)) => Ok(()),
        _ => Err(Problem::invalid("A request has one Host header, and it names a host.")),
    }
}

/// Whether a host and a port may contain this byte (RFC 3986 section 3.2.2).
fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

/// A whole answer, for a socket on which nothing else will be said.
pub fn last_answer(problem: &Problem) -> Bytes {
    let body = problem.json();
    let retry = problem.retry_after.map_or(String::new(), |s| format!("Retry-After: {s}\r\n"));
    let mut answer = format!(
        "HTTP/1.1 {}\r\n{retry}Connection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Type: application/problem+json\r\n\
         Content-Length: {}\r\n\r\n",
        problem.status,
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    answer.into()
}

/// Says what there is to say and closes a connection. Closing one from which something was not read
/// resets it, and with it the answer may be lost (RFC 9112 section 9.6). So only our side is closed at
/// first, and what comes is read and discarded, but not for long.
pub async fn close(mut stream: TcpStream, last: &[u8]) {
    let closing = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut discarded = 0;
        let mut buffer = [0; 1024];
        while discarded < LINGER_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => discarded += read,
            }
        }
        Ok::<(), std::io::Error>(())
    };
    _ = timeout(LINGER, closing).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_request_names_one_host() {
        let checked = |version, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            check(version, &headers).is_ok()
        };
        for host in ["", "a", "a.example:9000", "[::1]:9000", "127.0.0.1", "xn--bcher-kva.example"]
        {
            assert!(checked(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(checked(Version::HTTP_10, &[]), "an HTTP/1.0 client need not name one");
        assert!(!checked(Version::HTTP_11, &[]));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(!checked(version, &["a", "a"]));
            for host in ["a b", "a/b", "a?b", "u@a", "a\tb", "<a>"] {
                assert!(!checked(version, &[host]), "{host}");
            }
        }
    }

    #[test]
    fn only_a_wellformed_version_is_another_version() {
        for line in ["GET / HTTP/9.9\r", "PRI * HTTP/2.0\r", "GET / HTTP/1.2"] {
            assert!(names_other_version(line.as_bytes()), "{line}");
        }
        for line in ["GET / HTTP/1.1\r", "GET / HTTP/1.0", "GET /", "", "GET / HTTP/x.1", "\0"] {
            assert!(!names_other_version(line.as_bytes()), "{line}");
        }
    }
}
