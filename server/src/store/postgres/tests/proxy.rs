//! A network of the test's own between us and the database, which can be cut at any place.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the connection is cut when we send something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// It arrives, and the answer does not.
    AnswerLost,
    /// It does not arrive.
    NeverSent,
    /// It arrives when we have long given up.
    SentLate,
}

/// So late.
const LATE: Duration = Duration::from_millis(150);

/// A port that leads to the database.
pub(super) struct Proxy {
    pub(super) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// After so many more sendings, cut so.
    armed: Mutex<Option<(usize, Cut)>>,
    /// What is still on its way.
    late: AtomicUsize,
}

impl Proxy {
    pub(super) fn start(to: u16) -> Proxy {
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
    pub(super) fn arm(&self, cut: Cut) {
        self.arm_after(0, cut);
    }

    pub(super) fn arm_after(&self, sendings: usize, cut: Cut) {
        *self.state.armed.lock().unwrap() = Some((sendings, cut));
    }

    pub(super) fn disarm(&self) {
        *self.state.armed.lock().unwrap() = None;
    }

    /// Waits until nothing is on its way any more.
    pub(super) fn settle(&self) {
        while self.state.late.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
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
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = match client.read(&mut buffer) {
            Ok(0) | Err(_) => {
                _ = server.shutdown(Shutdown::Both);
                return;
            }
            Ok(read) => read,
        };
        let cut = {
            let mut armed = state.armed.lock().unwrap();
            match *armed {
                Some((0, cut)) => armed.take().map(|_| cut),
                Some((more, cut)) => {
                    *armed = Some((more - 1, cut));
                    None
                }
                None => None,
            }
        };
        match cut {
            None => {
                if server.write_all(&buffer[..read]).is_err() {
                    return;
                }
            }
            Some(Cut::AnswerLost) => {
                // We hear of it when it is done: who recovers before would be first.
                mute.store(true, Ordering::SeqCst);
                server.write_all(&buffer[..read]).unwrap();
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
                _ = server.write_all(&buffer[..read]);
                std::thread::sleep(LATE);
                _ = server.shutdown(Shutdown::Both);
                state.late.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        }
    }
}
