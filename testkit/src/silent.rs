//! Ports at which nobody answers.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A port at which nobody answers.
pub struct Silent {
    /// On this machine.
    pub port: u16,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Silent {
    /// Packets to it are dropped, as those to a machine without power: its line of connections is full, and the
    /// kernel drops what does not fit.
    pub fn dropping() -> Silent {
        let silent = Silent::mute();
        let address = silent._listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(one) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(one);
        }
        Silent { _waiting: waiting, ..silent }
    }

    /// Connections are accepted, and nothing is ever said.
    pub fn mute() -> Silent {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Silent { port, _listener: listener, _waiting: Vec::new() }
    }
}
