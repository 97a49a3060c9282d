//! Bytes on a connection that are no request, or nearly one.

use super::shop::Shop;
use crate::fuzz::{check, slips, spoil};
use proptest::prelude::*;
use proptest::sample::select;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const HEADS: [&str; 7] = [
    "GET /events/rock HTTP/1.1\r\nHost: a.example:9000\r\nAccept: text/html\r\n\r\n",
    "POST /events/rock/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "POST /api/v1/events/rock/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/healthz HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
];

/// What the server says to these bytes. If it says nothing, nothing more is sent: then it says what it has
/// to say of the beginning of a request. (Who closes its side of a connection in the middle of a request is
/// gone, and is not answered.)
fn said(shop: &Shop, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(shop.address()).unwrap();
    // It may be closed upon the first bytes.
    _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    for wait_ms in [30, 10_000] {
        stream.set_read_timeout(Some(Duration::from_millis(wait_ms))).unwrap();
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return answer,
                Ok(read) => answer.extend(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return answer,
            }
            // Of several answers the first one is enough.
            if answer.windows(4).any(|end| end == b"\r\n\r\n") {
                return answer;
            }
        }
        _ = stream.shutdown(Shutdown::Write);
    }
    panic!("no end comes to {:?}", String::from_utf8_lossy(bytes));
}

/// Whether a request has begun, and its head has not ended.
fn in_the_middle_of_a_head(bytes: &[u8]) -> bool {
    let begun = crate::http::connection::malformed::has_begun(bytes);
    let ends = |end: &[u8]| bytes.windows(end.len()).any(|window| window == end);
    begun && !ends(b"\n\r\n") && !ends(b"\n\n")
}

#[test]
fn a_spoilt_head_gets_a_clear_answer_and_hurts_nobody() {
    let shop = Shop::start("heads");
    let answered = std::cell::Cell::new(0);
    check(150, &(select(HEADS.to_vec()), slips(0, 3)), |(head, slips)| {
        let bytes = spoil(head.as_bytes(), &slips);
        let answer = said(&shop, &bytes);
        if answer.is_empty() {
            let middle = in_the_middle_of_a_head(&bytes);
            prop_assert!(!middle, "no answer to {:?}", String::from_utf8_lossy(&bytes));
            return Ok(());
        }
        answered.set(answered.get() + 1);
        let text = String::from_utf8_lossy(&answer);
        let status = text.strip_prefix("HTTP/1.1 ").or(text.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest[..3].parse::<u16>().ok());
        prop_assert!(status.is_some_and(|status| status < 500 || status == 505), "{text}");
        if slips.is_empty() && head.starts_with("GET") {
            prop_assert_eq!(status, Some(200), "{}", text);
        }
        Ok(())
    });
    assert!(answered.get() > 50);
    assert_eq!(shop.held("rock"), 0, "nothing of it held a place");
    let fine = said(&shop, HEADS[3].as_bytes());
    assert!(String::from_utf8_lossy(&fine).contains(" 200 "), "it serves on");
}
