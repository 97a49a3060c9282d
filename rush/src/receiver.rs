//! A receiver of webhooks: it takes every message at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest body that is taken, in bytes; nts sends less than a kilobyte.
const MOST: u64 = 1 << 20;

/// A receiver on this machine, with threads of its own until the process ends.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    taken: Arc<AtomicU64>,
}

impl Receiver {
    /// One that listens already. The error is a sentence.
    pub fn start() -> Result<Receiver, String> {
        let failed = |error| format!("the receiver of the webhook cannot listen: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || take(stream, &counted));
            }
        });
        Ok(Receiver { address, taken })
    }

    /// How many messages it has taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Takes the requests of a connection until it ends or is not understood.
fn take(stream: TcpStream, taken: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = said.trim().parse().ok().filter(|length| *length <= MOST)?;
            }
        }
        let read = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        if read < length {
            return None;
        }
        reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
        taken.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_on_one_connection_and_nothing_else_is_counted() {
        let receiver = Receiver::start().unwrap();
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        let message = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
        let expected = "HTTP/1.1 204 No Content\r\n\r\n";
        for told in 1..=3 {
            stream.write_all(message.as_bytes()).unwrap();
            let mut answer = vec![0; expected.len()];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(String::from_utf8(answer).unwrap(), expected);
            while receiver.taken() < told {
                std::thread::yield_now();
            }
        }
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "too long");
        assert_eq!(receiver.taken(), 3);
    }
}
