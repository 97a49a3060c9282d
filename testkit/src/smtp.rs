//! A mail relay that does what a test wants: a small SMTP server on bare sockets (RFC 5321), without TLS.
//!
//! - At each step the test may let it say something else, close, hang or trickle.
//! - It keeps the mails that it has taken, and every line that it was told.
//! - It knows no MIME and no SMTP library.
#![allow(clippy::disallowed_methods, reason = "mails come in real time")]

use crate::wait::eventually;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where in a conversation the relay is: what it is about to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Somebody has connected.
    Connect,
    /// EHLO.
    Hello,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
    /// The whole mail was sent.
    End,
    /// Anything else: RSET, QUIT, STARTTLS.
    Other,
}

/// What it does then.
#[derive(Clone, Debug)]
pub enum Does {
    /// What a relay usually does.
    Usual,
    /// Says this instead, with the line's end; more than one line, or none, if the test wants.
    Says(Vec<u8>),
    /// Closes the connection.
    Closes,
    /// At [`Step::End`]: takes the mail and closes without a word. Elsewhere as `Closes`.
    TakesAndCloses,
    /// Says nothing more until the other side goes.
    Hangs,
    /// Says the usual, byte by byte with this pause.
    Trickles(Duration),
}

impl Does {
    /// Says this line.
    pub fn says(line: &str) -> Does {
        Does::Says(format!("{line}\r\n").into_bytes())
    }
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// The mail, as it was before dots were doubled.
    pub text: String,
    /// On which connection, from 1 on.
    pub connection: u32,
    /// When.
    pub at: Instant,
}

impl Taken {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .next()
    }
}

type Rule = dyn FnMut(Step, &str) -> Does + Send;

struct Shared {
    rule: Mutex<Box<Rule>>,
    offers: Vec<&'static str>,
    taken: Mutex<Vec<Taken>>,
    lines: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicU32,
    ended: AtomicBool,
}

/// The relay. It goes away when it is dropped.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    /// A relay that takes every mail.
    pub fn start() -> Relay {
        Relay::with(&["8BITMIME", "SMTPUTF8"], |_, _| Does::Usual)
    }

    /// A relay that offers these extensions and does at each step what the rule says, which gets the line that
    /// it was told.
    pub fn with(
        offers: &[&'static str],
        rule: impl FnMut(Step, &str) -> Does + Send + 'static,
    ) -> Relay {
        Relay::at("127.0.0.1:0".parse().unwrap(), offers, rule)
    }

    /// The same at this address.
    pub fn at(
        address: SocketAddr,
        offers: &[&'static str],
        rule: impl FnMut(Step, &str) -> Does + Send + 'static,
    ) -> Relay {
        let mut listener = None;
        eventually("the address is free", || {
            listener = TcpListener::bind(address).ok();
            listener.is_some()
        });
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            rule: Mutex::new(Box::new(rule)),
            offers: offers.to_vec(),
            taken: Mutex::default(),
            lines: Mutex::default(),
            open: Mutex::default(),
            connections: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if own.ended.load(Ordering::SeqCst) {
                    return;
                }
                let number = own.connections.fetch_add(1, Ordering::SeqCst) + 1;
                own.open.lock().unwrap().push(stream.try_clone().unwrap());
                let own = Arc::clone(&own);
                std::thread::spawn(move || {
                    // Whoever goes away ends the conversation.
                    _ = Conversation { stream: &stream, number, shared: &own }.hold();
                    _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Relay { address, shared }
    }

    /// Does something else from now on.
    pub fn now(&self, rule: impl FnMut(Step, &str) -> Does + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// The mails that it has taken.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Every line that it was told, but for the mails themselves.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().unwrap().iter() {
            _ = stream.shutdown(Shutdown::Both);
        }
    }
}

struct Conversation<'a> {
    stream: &'a TcpStream,
    number: u32,
    shared: &'a Shared,
}

impl Conversation<'_> {
    fn hold(self) -> std::io::Result<()> {
        let mut reader = BufReader::new(self.stream);
        if self.answer(Step::Connect, "", "220 relay.example ready\r\n")?.is_none() {
            return Ok(());
        }
        let (mut from, mut to) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            self.shared.lines.lock().unwrap().push(line.clone());
            let upper = line.to_ascii_uppercase();
            let path = |line: &str| {
                let rest = line.split_once('<').map_or("", |(_, rest)| rest);
                rest.rsplit_once('>').map_or("", |(path, _)| path).to_owned()
            };
            let word = upper.split([' ', ':']).next().unwrap_or_default();
            let (step, usual) = match word {
                "EHLO" => {
                    let mut lines = vec!["relay.example"];
                    lines.extend(&self.shared.offers);
                    let last = lines.len() - 1;
                    let line = |(i, line): (usize, &&str)| {
                        format!("250{}{line}\r\n", if i == last { ' ' } else { '-' })
                    };
                    (Step::Hello, lines.iter().enumerate().map(line).collect())
                }
                "AUTH" => (Step::Login, "235 2.7.0 welcome\r\n".to_owned()),
                "MAIL" => {
                    from = path(&line);
                    (Step::Sender, "250 2.1.0 ok\r\n".into())
                }
                "RCPT" => {
                    to = path(&line);
                    (Step::Recipient, "250 2.1.5 ok\r\n".into())
                }
                "DATA" => (Step::Data, "354 go on\r\n".into()),
                "QUIT" => (Step::Other, "221 2.0.0 bye\r\n".into()),
                "RSET" => (Step::Other, "250 2.0.0 ok\r\n".into()),
                _ => (Step::Other, "502 5.5.1 not here\r\n".into()),
            };
            let Some(said) = self.answer(step, &line, &usual)? else { return Ok(()) };
            if word == "QUIT" {
                return Ok(());
            }
            if step == Step::Data && said.starts_with(b"354") {
                let text = read_text(&mut reader)?;
                let mail = Taken {
                    from: from.clone(),
                    to: to.clone(),
                    text,
                    connection: self.number,
                    at: Instant::now(),
                };
                if !self.end(mail)? {
                    return Ok(());
                }
            }
        }
    }

    /// Answers as the test wants. What was said, or `None` if the conversation is over.
    fn answer(&self, step: Step, line: &str, usual: &str) -> std::io::Result<Option<Vec<u8>>> {
        let does = (self.shared.rule.lock().unwrap())(step, line);
        self.does(does, usual)
    }

    fn does(&self, does: Does, usual: &str) -> std::io::Result<Option<Vec<u8>>> {
        let mut stream = self.stream;
        let said = match does {
            Does::Usual => usual.as_bytes().to_vec(),
            Does::Says(said) => said,
            Does::Closes | Does::TakesAndCloses => return Ok(None),
            Does::Hangs => {
                // Until the other side has gone.
                _ = std::io::copy(&mut stream, &mut std::io::sink());
                return Ok(None);
            }
            Does::Trickles(pause) => {
                for byte in usual.as_bytes() {
                    stream.write_all(std::slice::from_ref(byte))?;
                    std::thread::sleep(pause);
                }
                return Ok(Some(usual.as_bytes().to_vec()));
            }
        };
        stream.write_all(&said)?;
        Ok(Some(said))
    }

    /// A mail has come. Whether the conversation goes on.
    fn end(&self, mail: Taken) -> std::io::Result<bool> {
        let does = (self.shared.rule.lock().unwrap())(Step::End, &mail.to);
        // Taken before it is said: who hears it finds the mail here.
        let takes = match &does {
            Does::Usual | Does::TakesAndCloses | Does::Trickles(_) => true,
            Does::Says(said) => said.starts_with(b"250"),
            Does::Closes | Does::Hangs => false,
        };
        if takes {
            self.shared.taken.lock().unwrap().push(mail);
        }
        Ok(self.does(does, "250 2.0.0 taken\r\n")?.is_some())
    }
}

/// The text up to the line with a dot alone, its doubled dots made single (RFC 5321, section 4.5.2).
///
/// # Panics
///
/// If a line ends with a line feed alone, or is longer than 998 bytes.
fn read_text(reader: &mut BufReader<&TcpStream>) -> std::io::Result<String> {
    let mut text = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        assert!(line.ends_with(b"\r\n") && line.len() <= 1000, "a line of a mail: {line:?}");
        match line.strip_prefix(b".") {
            Some(b"\r\n") => return Ok(String::from_utf8_lossy(&text).into_owned()),
            Some(rest) => text.extend_from_slice(rest),
            None => text.extend_from_slice(&line),
        }
    }
}
