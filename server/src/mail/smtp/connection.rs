//! One connection to the relay: TLS, the greeting, logging in, and handing over one mail after the other.
//! The commands are sent one by one, so that it is always known how far a mail had got.

use super::message::Formatted;
use super::settings::{Protection, SmtpSettings};
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a relay may take. One that sends a byte now and then gains nothing: the time is for a whole step.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Each step but the last: connecting, TLS, a reply.
    pub step: Duration,
    /// All steps of a mail together, up to the end of its text.
    pub steps: Duration,
    /// The reply to a whole mail. It is the longest, for whoever does not wait for it sends the mail twice
    /// (RFC 5321, section 4.5.3.2.6).
    pub end: Duration,
}

/// The times for real relays. Together they are less than a delivery of the outbox may take: one that is cut off
/// there counts as handed over.
pub const PATIENCE: Patience = Patience {
    step: Duration::from_secs(20),
    steps: Duration::from_secs(40),
    end: Duration::from_secs(60),
};

/// How long a relay may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// More bytes than this are no reply (RFC 5321, section 4.5.3.1.5, allows 512 for a line). The library reads a
/// reply again from its start for each of its lines.
const MOST_REPLY: usize = 8 * 1024;

/// How far a connection or a mail had got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The host's name and TCP.
    Connect,
    /// TLS, with STARTTLS before it or not.
    Tls,
    /// The relay's first line.
    Greeting,
    /// EHLO.
    Hello,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA and the text, before its end.
    Text,
    /// The end of the text was sent: the relay may have taken the mail.
    End,
}

impl Phase {
    fn during(self) -> &'static str {
        match self {
            Phase::Connect => "connecting",
            Phase::Tls => "starting TLS",
            Phase::Greeting => "waiting for its greeting",
            Phase::Hello => "greeting it",
            Phase::Login => "logging in",
            Phase::Sender => "naming the sender",
            Phase::Recipient => "naming the recipient",
            Phase::Text => "sending the mail",
            Phase::End => "waiting for its reply to the mail",
        }
    }
}

/// What went wrong.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub(super) phase: Phase,
    pub(super) what: What,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum What {
    /// The relay said no: the code of its reply, and the text.
    Said(u16, String),
    /// No reply, or none that can be understood.
    Trouble(String),
    /// We do not go on: the relay lacks what we need. The settings are wrong, or the relay is.
    Unfit(String),
    /// The relay cannot take mail for such an address.
    NoSuchAddresses(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let during = self.phase.during();
        match &self.what {
            What::Said(code, text) => write!(f, "{during}: the relay said {code} {text}"),
            What::Trouble(why) => write!(f, "{during}: {why}"),
            What::Unfit(why) | What::NoSuchAddresses(why) => f.write_str(why),
        }
    }
}

/// Is told of each step. For `nts mail test`.
pub(super) type Steps<'a> = &'a (dyn Fn(fmt::Arguments<'_>) + Sync);

/// A connection that mails can be handed to.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// So many mails were begun on it.
    pub(super) used: u32,
    /// When it was used last.
    pub(super) idle_since: Instant,
}

/// Until when the steps of a mail may last.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    patience: Patience,
    until: Instant,
}

impl Limit {
    /// From now on.
    pub(super) fn start(patience: Patience) -> Limit {
        Limit { patience, until: Instant::now() + patience.steps }
    }

    /// Lets a step last as long as it may.
    async fn step<T>(
        self,
        phase: Phase,
        step: impl Future<Output = Result<T, What>>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let until = self.until.min(begun + self.patience.step);
        let done = timeout_at(until, step).await.unwrap_or_else(|_| Err(late(begun)));
        done.map_err(|what| Failure { phase, what })
    }
}

impl Connection {
    /// Connects and logs in.
    pub(super) async fn open(
        settings: &SmtpSettings,
        limit: Limit,
        steps: Steps<'_>,
    ) -> Result<Connection, Failure> {
        let (host, port) = (settings.host.as_str(), settings.port);
        let connect = TcpStream::connect((host, port));
        let tcp = limit
            .step(Phase::Connect, async {
                connect.await.map_err(|e| What::Trouble(format!("{host}:{port}: {e}")))
            })
            .await?;
        _ = tcp.set_nodelay(true);
        if let Ok(peer) = tcp.peer_addr() {
            steps(format_args!("Connected to {host}:{port} ({peer})."));
        }
        let wire = match settings.protection {
            Protection::Plain => Wire::new(Inner::Plain(tcp)),
            Protection::Implicit => {
                let tls = handshake(settings, tcp, limit, steps).await?;
                Wire::new(Inner::Tls(Box::new(tls)))
            }
            Protection::StartTls => start_tls(settings, tcp, limit, steps).await?,
        };
        Connection::greet(settings, wire, limit, steps).await
    }

    async fn greet(
        settings: &SmtpSettings,
        mut wire: Wire,
        limit: Limit,
        steps: Steps<'_>,
    ) -> Result<Connection, Failure> {
        if wire.again.is_empty() {
            let greeting = limit.step(Phase::Greeting, wire.reply()).await?;
            steps(format_args!("Greeting: {greeting}"));
            greeting.expect(Phase::Greeting, 220)?;
            wire.again = greeting.raw;
        }
        let hello = ClientId::Domain(settings.hello.clone());
        let smtp = limit
            .step(Phase::Hello, async {
                AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello)
                    .await
                    .map_err(what)
            })
            .await?;
        let mut connection = Connection { smtp, used: 0, idle_since: Instant::now() };
        let server = connection.smtp.server_info();
        let offers = [
            ("8BITMIME", Extension::EightBitMime),
            ("SMTPUTF8", Extension::SmtpUtfEight),
            ("AUTH PLAIN", Extension::Authentication(Mechanism::Plain)),
            ("AUTH LOGIN", Extension::Authentication(Mechanism::Login)),
        ];
        let offers = offers.iter().filter(|(_, offer)| server.supports_feature(*offer));
        let offers = offers.map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let (hello, name) = (&settings.hello, plain(server.name()));
        steps(format_args!("EHLO {hello}: {name} offers of what matters here: {offers}."));
        if let Some(login) = &settings.login {
            if connection.smtp.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                let why = "the relay offers no way to log in with a password (AUTH PLAIN or LOGIN). Is this its \
                           port for sending mail?";
                return Err(Failure { phase: Phase::Login, what: What::Unfit(why.into()) });
            }
            let credentials = Credentials::new(login.user.clone(), login.password.clone());
            let reply = limit
                .step(Phase::Login, async {
                    connection.smtp.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(what)
                })
                .await?;
            steps(format_args!("AUTH: {}", told(&reply)));
            expect(Phase::Login, &reply, 235)?;
        } else {
            steps(format_args!("AUTH: not tried, as NTS_SMTP has no user"));
        }
        Ok(connection)
    }

    /// Hands a mail over. After a failure other than that of the relay's own words the connection is of no more use.
    pub(super) async fn send(
        &mut self,
        from: &Address,
        mail: &Formatted,
        limit: Limit,
        steps: Steps<'_>,
    ) -> Result<(), Failure> {
        self.used += 1;
        let mut options = Vec::new();
        if !mail.bytes.is_ascii() {
            // RFC 6531, section 3.1: who offers SMTPUTF8 offers 8BITMIME as well.
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "the relay does not take addresses with letters that are not ASCII before the @ (SMTPUTF8)";
                return Err(Failure {
                    phase: Phase::Sender,
                    what: What::NoSuchAddresses(why.into()),
                });
            }
            options.push(MailParameter::SmtpUtfEight);
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let sender = Mail::new(Some(from.clone()), options);
        let reply = self.command(limit, Phase::Sender, sender).await?;
        steps(format_args!("MAIL FROM:<{from}>: {}", told(&reply)));
        expect(Phase::Sender, &reply, 250)?;
        let reply =
            self.command(limit, Phase::Recipient, Rcpt::new(mail.to.clone(), Vec::new())).await?;
        steps(format_args!("RCPT TO:<{}>: {}", mail.to, told(&reply)));
        // 251: it is passed on to another address.
        if !reply.has_code(251) {
            expect(Phase::Recipient, &reply, 250)?;
        }
        let reply = self.command(limit, Phase::Text, Data).await?;
        steps(format_args!("DATA: {}", told(&reply)));
        expect(Phase::Text, &reply, 354)?;

        // The library writes the pieces that it is given, and then the end. So when it asks for one more piece,
        // all of the mail was written and the end was not.
        let ended = Arc::new(AtomicBool::new(false));
        let at_end = Arc::clone(&ended);
        let mut text = Some(mail.bytes.as_slice());
        let pieces = std::iter::from_fn(move || {
            let piece = text.take();
            at_end.store(piece.is_none(), Ordering::SeqCst);
            piece
        });
        let mut handing = std::pin::pin!(self.smtp.message_iter(pieces));
        let phase = || if ended.load(Ordering::SeqCst) { Phase::End } else { Phase::Text };
        // The reply is waited for from the end on, however long the text has taken.
        let wholly = std::future::poll_fn(|context| match handing.as_mut().poll(context) {
            Poll::Ready(reply) => Poll::Ready(Some(reply)),
            Poll::Pending if ended.load(Ordering::SeqCst) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let mut begun = Instant::now();
        let reply = match timeout_at(limit.until, wholly).await {
            Ok(Some(reply)) => Some(reply),
            Ok(None) => {
                begun = Instant::now();
                timeout(limit.patience.end, handing).await.ok()
            }
            Err(_) => None,
        };
        let reply = match reply {
            Some(reply) => reply.map_err(|error| Failure { phase: phase(), what: what(error) })?,
            None => return Err(Failure { phase: phase(), what: late(begun) }),
        };
        steps(format_args!("The mail: {}", told(&reply)));
        expect(Phase::End, &reply, 250)
    }

    /// Forgets a mail that was not taken. Whether the connection can be used for another one.
    pub(super) async fn reset(&mut self, limit: Limit) -> bool {
        let reply = self.command(limit, Phase::Sender, Rset).await;
        reply.is_ok_and(|reply| reply.has_code(250))
    }

    /// Says goodbye (RFC 5321, section 4.1.1.10) and closes.
    pub(super) async fn close(mut self) -> Option<String> {
        let reply = timeout(GOODBYE, self.smtp.command(Quit)).await;
        reply.ok()?.ok().map(|reply| told(&reply))
    }

    async fn command(
        &mut self,
        limit: Limit,
        phase: Phase,
        command: impl fmt::Display,
    ) -> Result<Response, Failure> {
        let smtp = &mut self.smtp;
        limit.step(phase, async { smtp.command(command).await.map_err(what) }).await
    }
}

fn late(since: Instant) -> What {
    What::Trouble(format!("no reply within {:.1} s", since.elapsed().as_secs_f32()))
}

fn what(error: lettre::transport::smtp::Error) -> What {
    let text = |error: &dyn std::error::Error| match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    match error.status() {
        Some(code) => What::Said(code.into(), plain(&text(&error))),
        None if error.is_response() => What::Trouble(format!(
            "the connection ended, or what came is no reply of SMTP: {}",
            plain(&text(&error))
        )),
        None => What::Trouble(plain(&text(&error))),
    }
}

/// What a relay wrote, on one line and not too much of it.
fn plain(text: &str) -> String {
    crate::text::begin(crate::text::plain(text).trim(), 500).to_owned()
}

fn told(reply: &Response) -> String {
    plain(&format!("{} {}", reply.code(), reply.message().collect::<Vec<_>>().join(" ")))
}

/// A reply that says yes to something else than was asked is no yes.
fn expect(phase: Phase, reply: &Response, code: u16) -> Result<(), Failure> {
    if reply.has_code(code) {
        return Ok(());
    }
    let what = What::Trouble(format!("{code} was expected and {} came", told(reply)));
    Err(Failure { phase, what })
}

async fn handshake(
    settings: &SmtpSettings,
    tcp: TcpStream,
    limit: Limit,
    steps: Steps<'_>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let host = settings.host.as_str();
    let tls = limit.step(Phase::Tls, async {
        let name = ServerName::try_from(host.to_owned()).map_err(|e| What::Unfit(e.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&settings.tls));
        connector.connect(name, tcp).await.map_err(|error| {
            let why = plain(&error.to_string());
            match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(rustls::Error::InvalidCertificate(_)) => What::Unfit(format!(
                    "the relay's certificate is not believed: {why}. NTS_SMTP_CA names a file of certificates that are"
                )),
                _ => What::Trouble(why),
            }
        })
    })
    .await?;
    let version = tls.get_ref().1.protocol_version().and_then(|version| version.as_str());
    steps(format_args!(
        "{}: the certificate is valid for {host}.",
        version.unwrap_or("TLS").replace('_', ".").replace("TLSv", "TLS ")
    ));
    Ok(tls)
}

/// The part of a connection with STARTTLS that is in the clear. No byte that came before TLS is taken for one
/// that came after it: somebody in between could have sent it.
async fn start_tls(
    settings: &SmtpSettings,
    tcp: TcpStream,
    limit: Limit,
    steps: Steps<'_>,
) -> Result<Wire, Failure> {
    let mut clear = Wire::new(Inner::Plain(tcp));
    let greeting = limit.step(Phase::Greeting, clear.reply()).await?;
    steps(format_args!("Greeting: {greeting}"));
    greeting.expect(Phase::Greeting, 220)?;
    let hello = format!("EHLO {}\r\n", ClientId::Domain(settings.hello.clone()));
    let reply = limit.step(Phase::Hello, clear.ask(&hello)).await?;
    steps(format_args!("EHLO {}: {reply}", settings.hello));
    reply.expect(Phase::Hello, 250)?;
    if !reply.lines.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        let why = "the relay does not offer STARTTLS, and without TLS nothing is sent to it. Use smtps:// if it \
                   has TLS from the beginning; for a relay of your own network without TLS there is ?tls=off";
        return Err(Failure { phase: Phase::Tls, what: What::Unfit(why.into()) });
    }
    let reply = limit.step(Phase::Tls, clear.ask("STARTTLS\r\n")).await?;
    steps(format_args!("STARTTLS: {reply}"));
    reply.expect(Phase::Tls, 220)?;
    let Inner::Plain(tcp) = clear.inner else { unreachable!("made above") };
    let tls = handshake(settings, tcp, limit, steps).await?;
    let mut wire = Wire::new(Inner::Tls(Box::new(tls)));
    // After STARTTLS a relay does not greet again (RFC 3207, section 4.2), and the library waits for it.
    wire.again = greeting.raw;
    Ok(wire)
}

/// A reply that was read here and not by the library.
struct Reply {
    code: u16,
    lines: Vec<String>,
    raw: Vec<u8>,
}

impl Reply {
    /// One or more lines: three digits, `-` on all but the last, text (RFC 5321, section 4.2). `None` as long as
    /// it is not whole.
    fn parse(raw: &[u8]) -> Option<Result<Reply, What>> {
        let text = raw.strip_suffix(b"\n")?;
        let text = String::from_utf8_lossy(text);
        let (mut code, mut lines) = (None, Vec::new());
        let mut last = false;
        for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
            let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            let of = digits.and_then(|digits| digits.parse::<u16>().ok());
            let same = of.is_some() && code.is_none_or(|code| Some(code) == of);
            let rest = line.get(3..).unwrap_or_default();
            if !same || last || !(rest.is_empty() || rest.starts_with([' ', '-'])) {
                let why =
                    format!("what came is no reply of SMTP: {}", crate::text::cut(&plain(&text)));
                return Some(Err(What::Trouble(why)));
            }
            last = !rest.starts_with('-');
            code = of;
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
        }
        if !last {
            return None;
        }
        Some(Ok(Reply { code: code?, lines, raw: raw.to_vec() }))
    }

    fn expect(&self, phase: Phase, code: u16) -> Result<(), Failure> {
        if self.code == code {
            return Ok(());
        }
        let text = plain(&self.lines.join(" "));
        let what = match self.code {
            400..=599 => What::Said(self.code, text),
            other => What::Trouble(format!("{code} was expected and {other} {text} came")),
        };
        Err(Failure { phase, what })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, plain(&self.lines.join(" ")))
    }
}

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The bytes of a connection. A relay that sends without end is cut off.
#[derive(Debug)]
struct Wire {
    inner: Inner,
    /// Is read before anything else.
    again: Vec<u8>,
    /// So many bytes have come since we wrote last.
    came: usize,
}

impl Wire {
    fn new(inner: Inner) -> Wire {
        Wire { inner, again: Vec::new(), came: 0 }
    }

    /// Sends a command and reads the reply to it.
    async fn ask(&mut self, command: &str) -> Result<Reply, What> {
        let trouble = |error: io::Error| What::Trouble(error.to_string());
        self.write_all(command.as_bytes()).await.map_err(trouble)?;
        self.flush().await.map_err(trouble)?;
        self.reply().await
    }

    /// Reads one reply, and not more than that: whoever sends more does not wait for its turn.
    async fn reply(&mut self) -> Result<Reply, What> {
        let mut raw = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let read = self.read(&mut piece).await.map_err(|e| What::Trouble(e.to_string()))?;
            if read == 0 {
                return Err(What::Trouble("the relay closed the connection".into()));
            }
            raw.extend_from_slice(&piece[..read]);
            if let Some(reply) = Reply::parse(&raw) {
                return reply;
            }
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.inner {
            Inner::Plain(tcp) => tcp.peer_addr(),
            Inner::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.again.is_empty() {
            let now = wire.again.len().min(buffer.remaining());
            buffer.put_slice(&wire.again[..now]);
            wire.again.drain(..now);
            return Poll::Ready(Ok(()));
        }
        if wire.came > MOST_REPLY {
            let why = "the relay's reply does not end";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        let before = buffer.filled().len();
        let read = match &mut wire.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Inner::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        };
        wire.came += buffer.filled().len() - before;
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.came = 0;
        match &mut wire.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Inner::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Inner::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Inner::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
