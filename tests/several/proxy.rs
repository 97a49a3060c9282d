//! A network of the test's own between a process and its database, which it can lose.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The COMMIT arrives, and its answer does not.
    AnswerLost,
    /// The COMMIT does not arrive.
    NeverSent,
}

#[derive(Default)]
struct State {
    armed: Mutex<Option<Cut>>,
    cuts: AtomicU32,
}

/// A port that leads to the database.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (mut from, mut into) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    _ = std::io::copy(&mut from, &mut into);
                    _ = into.shutdown(Shutdown::Both);
                });
                let state = Arc::clone(&shared);
                std::thread::spawn(move || pass(client, server, &state));
            }
        });
        Proxy { port, state }
    }

    /// Cuts at the next COMMIT of a batch.
    pub fn arm(&self, cut: Cut) {
        *self.state.armed.lock().unwrap() = Some(cut);
    }

    /// How often it was cut.
    pub fn cuts(&self) -> u32 {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

/// Passes on what is sent, until the COMMIT at which it is to be cut.
fn pass(mut client: TcpStream, mut server: TcpStream, state: &State) {
    let mut commits = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = match client.read(&mut buffer) {
            Ok(0) | Err(_) => {
                _ = server.shutdown(Shutdown::Both);
                return;
            }
            Ok(read) => read,
        };
        let sent = &buffer[..read];
        learn(&mut commits, sent);
        let commit = commits.iter().any(|name| binds(sent, name));
        let cut = if commit { state.armed.lock().unwrap().take() } else { None };
        if cut.is_some() {
            state.cuts.fetch_add(1, Ordering::SeqCst);
            // Ours is closed first, so that nothing comes back.
            _ = client.shutdown(Shutdown::Both);
        }
        if cut == Some(Cut::NeverSent) || server.write_all(sent).is_err() {
            _ = server.shutdown(Shutdown::Both);
            return;
        }
        if cut == Some(Cut::AnswerLost) {
            std::thread::sleep(std::time::Duration::from_millis(100));
            _ = server.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Remembers under which name the connection has prepared its COMMIT: `P`, a length, the name, a
/// zero, the text.
fn learn(commits: &mut Vec<Vec<u8>>, sent: &[u8]) {
    let text = b"\0COMMIT\0";
    for at in sent.windows(text.len()).enumerate().filter(|(_, w)| *w == text).map(|(at, _)| at) {
        let begin = sent[..at].iter().rposition(|b| !b.is_ascii_alphanumeric());
        let name = &sent[begin.map_or(0, |b| b + 1)..at];
        if !name.is_empty() {
            commits.push(name.to_vec());
        }
    }
}

/// Whether something sent runs the statement of this name: `B`, a length, an empty portal, the name.
fn binds(sent: &[u8], name: &[u8]) -> bool {
    let bind = [b"\0", name, b"\0"].concat();
    sent.windows(bind.len())
        .enumerate()
        .any(|(at, window)| window == bind && at >= 5 && sent[at - 5] == b'B')
}
