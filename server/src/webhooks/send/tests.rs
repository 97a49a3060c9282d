//! Over real sockets.

use super::*;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(30);

/// A receiver on this machine that says these bytes to everybody and then closes, or keeps still.
struct Receiver {
    port: u16,
    /// How many connections there were.
    connections: Arc<AtomicUsize>,
    requests: Arc<std::sync::Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    async fn new(says: &'static [u8], closes: bool) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, requests): (Arc<AtomicUsize>, Arc<std::sync::Mutex<Vec<String>>>) =
            Default::default();
        let (count, heard) = (Arc::clone(&connections), Arc::clone(&requests));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut text = Vec::new();
                let mut buffer = [0; 4_096];
                while !String::from_utf8_lossy(&text).ends_with('}') {
                    match stream.read(&mut buffer).await {
                        Ok(n) if n > 0 => text.extend_from_slice(&buffer[..n]),
                        _ => break,
                    }
                }
                heard.lock().unwrap().push(String::from_utf8_lossy(&text).into_owned());
                _ = stream.write_all(says).await;
                if !closes {
                    kept.push(stream);
                }
            }
        });
        Receiver { port, connections, requests, _tasks: tasks }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}/hook?a=1", self.port)
    }
}

fn post(address: String) -> Post {
    Post {
        address,
        id: "msg_1".into(),
        timestamp: "1614265330".into(),
        signature: "v1,abc".into(),
        body: "{\"a\":1}".into(),
    }
}

fn sandbox() -> Guard {
    Guard { loopback: true, ..Guard::default() }
}

fn tls() -> ClientConfig {
    crate::trust::client(crate::trust::public())
}

fn net(patience: Duration) -> Net {
    Net::new(sandbox(), tls(), system as LookUp, patience)
}

#[tokio::test]
async fn a_message_is_a_signed_post() {
    let says = b"HTTP/1.1 200 OK\r\nretry-after: 7\r\ncontent-length: 5\r\n\r\ndone\0";
    let receiver = Receiver::new(says, true).await;
    let answered = net(LONG).carry(post(receiver.address())).await.unwrap();
    let wanted = Answered { status: 200, retry_after: Some("7".into()), body: "done".into() };
    assert_eq!(answered, wanted);
    let request = receiver.requests.lock().unwrap().remove(0);
    assert!(request.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{request}");
    for line in [
        format!("host: 127.0.0.1:{}", receiver.port),
        "content-type: application/json".into(),
        "webhook-id: msg_1".into(),
        "webhook-timestamp: 1614265330".into(),
        "webhook-signature: v1,abc".into(),
        "content-length: 7".into(),
    ] {
        assert!(request.contains(&format!("{line}\r\n")), "{line}: {request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Receiver::new(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true).await;
    let says =
        format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.address());
    let receiver = Receiver::new(Box::leak(says.into_bytes().into_boxed_slice()), true).await;
    let answered = net(LONG).carry(post(receiver.address())).await.unwrap();
    assert_eq!(answered.status, 302);
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_that_says_nothing_is_waited_for_no_longer_than_allowed() {
    let receiver = Receiver::new(b"", false).await;
    let begun = Instant::now();
    let why = net(SHORT).carry(post(receiver.address())).await.unwrap_err();
    assert!(why.contains("in time"), "{why}");
    assert!(begun.elapsed() >= SHORT);
    // The head of an answer is an answer, whatever becomes of its body.
    let slow = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nbegins";
    let receiver = Receiver::new(slow, false).await;
    let answered = net(SHORT).carry(post(receiver.address())).await.unwrap();
    assert_eq!((answered.status, answered.body.as_str()), (200, "begins"));
}

#[tokio::test]
async fn one_that_closes_or_is_not_there_has_not_answered() {
    let receiver = Receiver::new(b"", true).await;
    let why = net(LONG).carry(post(receiver.address())).await.unwrap_err();
    assert!(why.contains("The connection ended"), "{why}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let why = net(LONG).carry(post(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(why.contains("no connection"), "{why}");
    // No HTTP at all.
    let receiver = Receiver::new(b"220 mail.example ESMTP\r\n", true).await;
    let why = net(LONG).carry(post(receiver.address())).await.unwrap_err();
    assert!(why.contains("The connection ended"), "{why}");
    // And one without TLS where TLS is asked for.
    let address = format!("https://127.0.0.1:{}/", receiver.port);
    let why = net(LONG).carry(post(address)).await.unwrap_err();
    assert!(why.contains("no TLS connection"), "{why}");
}

#[tokio::test]
async fn of_a_long_answer_a_kilobyte_is_kept() {
    let mut says = b"HTTP/1.1 500 Oops\r\ncontent-length: 100000\r\n\r\n".to_vec();
    says.extend("é".repeat(50_000).bytes());
    let receiver = Receiver::new(Box::leak(says.into_boxed_slice()), true).await;
    let answered = net(LONG).carry(post(receiver.address())).await.unwrap();
    assert_eq!((answered.status, answered.body.len()), (500, MOST_ANSWER));
}

fn addresses(port: u16, of: &[&str]) -> Vec<SocketAddr> {
    let ip = |text: &&str| text.parse::<IpAddr>().unwrap();
    of.iter().map(|text| SocketAddr::new(ip(text), port)).collect()
}

/// A name that leads somewhere else each time that it is looked up: it is looked up once, and what was checked is what
/// is connected to.
#[tokio::test]
async fn a_name_that_changes_its_address_between_check_and_connection_gains_nothing() {
    let receiver = Receiver::new(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true).await;
    let port = receiver.port;
    let looked_up = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked_up);
    // First an address of the public internet, where nobody answers, then this machine.
    let changes = move |_: String, _: u16| -> LookingUp {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        let of: &[&str] = if nth == 0 { &["192.0.9.1"] } else { &["127.0.0.1"] };
        let found = addresses(port, of);
        Box::pin(async move { Ok(found) })
    };
    let own: Guard = Guard { allowed: "192.0.9.0/24".parse().unwrap(), loopback: false };
    let address = format!("https://changes.example:{port}/");
    let first = Net::new(own.clone(), tls(), changes, SHORT);
    let why = first.carry(post(address.clone())).await.unwrap_err();
    assert_eq!(looked_up.load(Ordering::SeqCst), 1, "{why}");
    // The second time it leads to this machine, and is refused.
    let why = first.carry(post(address)).await.unwrap_err();
    assert!(why.contains("not of the public internet"), "{why}");
    assert_eq!(looked_up.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0, "nobody has come to it");
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_allowed_are_connected_to() {
    let receiver = Receiver::new(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true).await;
    let port = receiver.port;
    let several = move |_: String, _: u16| -> LookingUp {
        // With another port, as a look-up may say: that of the address counts.
        let found = addresses(1, &["169.254.169.254", "10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1"]);
        Box::pin(async move { Ok(found) })
    };
    let address = format!("http://localhost:{port}/");
    let answered = Net::new(sandbox(), tls(), several, LONG).carry(post(address)).await;
    assert_eq!(answered.unwrap().status, 200);
    let address = format!("https://localhost.example:{port}/");
    let why = Net::new(Guard::default(), tls(), several, LONG).carry(post(address)).await;
    assert!(why.is_err());
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 1);
    let nowhere = |_: String, _: u16| -> LookingUp { Box::pin(async { Ok(vec![]) }) };
    let why = Net::new(Guard::default(), tls(), nowhere, LONG);
    let why = why.carry(post("https://nowhere.example/".into())).await.unwrap_err();
    assert!(why.contains("no network address"), "{why}");
}
