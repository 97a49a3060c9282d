//! A port that leads to a database, whose connections can be cut at a chosen moment.
#![allow(clippy::disallowed_methods, reason = "a cut takes real time")]

use crate::eventually;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the connection is cut when the client sends something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// It arrives, and the answer does not.
    AnswerLost,
    /// It does not arrive.
    NeverSent,
    /// It arrives when the client has long lost its connection.
    SentLate,
}

/// How long a cut takes.
const LATE: Duration = Duration::from_millis(150);

/// A port that leads to the database.
pub struct Proxy {
    /// On this machine.
    pub port: u16,
    state: Arc<State>,
}

/// What the next cut waits for.
#[derive(Clone, Copy)]
enum At {
    /// The packet after so many more.
    Packet(usize),
    /// The next COMMIT that was prepared.
    Commit,
}

#[derive(Default)]
struct State {
    armed: Mutex<Option<(At, Cut)>>,
    cuts: AtomicU32,
    /// How many late packets have not arrived yet.
    late: AtomicUsize,
}

impl Proxy {
    /// A port that leads to this one.
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
                let (from, into) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let mute = Arc::new(AtomicBool::new(false));
                let muted = Arc::clone(&mute);
                std::thread::spawn(move || pass(from, into, &muted));
                let state = Arc::clone(&shared);
                std::thread::spawn(move || watch(client, server, &state, &mute));
            }
        });
        Proxy { port, state }
    }

    /// Cuts the connection that sends next.
    pub fn arm(&self, cut: Cut) {
        self.arm_after(0, cut);
    }

    /// Cuts the connection that sends after so many more packets.
    pub fn arm_after(&self, packets: usize, cut: Cut) {
        *self.state.armed.lock().unwrap() = Some((At::Packet(packets), cut));
    }

    /// Cuts the connection that sends the next COMMIT of PostgreSQL's extended protocol.
    pub fn arm_at_commit(&self, cut: Cut) {
        *self.state.armed.lock().unwrap() = Some((At::Commit, cut));
    }

    /// Cuts nothing any more.
    pub fn disarm(&self) {
        *self.state.armed.lock().unwrap() = None;
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u32 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Waits until all late packets have arrived.
    pub fn settle(&self) {
        eventually("late packets arrive", || self.state.late.load(Ordering::SeqCst) == 0);
    }
}

/// Passes answers on, unless they are to be lost.
fn pass(mut from: TcpStream, mut into: TcpStream, mute: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !mute.load(Ordering::SeqCst) && into.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    _ = into.shutdown(Shutdown::Both);
}

fn watch(mut client: TcpStream, mut server: TcpStream, state: &State, mute: &AtomicBool) {
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
        let cut = {
            let mut armed = state.armed.lock().unwrap();
            match *armed {
                Some((At::Packet(more @ 1..), cut)) => {
                    *armed = Some((At::Packet(more - 1), cut));
                    None
                }
                Some((At::Commit, _)) if !commits.iter().any(|name| binds(sent, name)) => None,
                _ => armed.take().map(|(_, cut)| cut),
            }
        };
        state.cuts.fetch_add(u32::from(cut.is_some()), Ordering::SeqCst);
        match cut {
            None => {
                if server.write_all(sent).is_err() {
                    return;
                }
            }
            Some(Cut::AnswerLost) => {
                // The client learns of it when it is done: otherwise it could recover before.
                mute.store(true, Ordering::SeqCst);
                server.write_all(sent).unwrap();
                std::thread::sleep(LATE);
                _ = client.shutdown(Shutdown::Both);
                _ = server.shutdown(Shutdown::Both);
                return;
            }
            Some(Cut::NeverSent) => {
                _ = client.shutdown(Shutdown::Both);
                _ = server.shutdown(Shutdown::Both);
                return;
            }
            Some(Cut::SentLate) => {
                state.late.fetch_add(1, Ordering::SeqCst);
                client.shutdown(Shutdown::Both).unwrap();
                std::thread::sleep(LATE);
                _ = server.write_all(sent);
                std::thread::sleep(LATE);
                _ = server.shutdown(Shutdown::Both);
                state.late.fetch_sub(1, Ordering::SeqCst);
                return;
            }
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
