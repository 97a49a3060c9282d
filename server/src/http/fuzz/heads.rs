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

/// What the server says to these bytes, after which nothing more comes.
fn said(shop: &Shop, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(shop.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // It may have been closed upon the first bytes.
    let sent = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(read) => answer.extend(&buffer[..read]),
            Err(error) => {
                let waited = error.kind() == std::io::ErrorKind::WouldBlock;
                assert!(!waited, "no end comes to {:?}", String::from_utf8_lossy(bytes));
                drop(sent);
                return answer;
            }
        }
    }
}

#[test]
fn a_spoilt_head_gets_a_clear_answer_and_hurts_nobody() {
    let shop = Shop::start("heads");
    let answered = std::cell::Cell::new(0);
    check(400, &(select(HEADS.to_vec()), slips(0, 3)), |(head, slips)| {
        let bytes = spoil(head.as_bytes(), &slips);
        let answer = said(&shop, &bytes);
        let begun = super::super::malformed::has_begun(&bytes);
        if answer.is_empty() {
            // Nothing was asked.
            prop_assert!(!begun, "no answer to {:?}", String::from_utf8_lossy(&bytes));
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
    assert!(answered.get() > 100);
    assert_eq!(shop.held("rock"), 0, "nothing of it held a place");
    let fine = said(&shop, HEADS[3].as_bytes());
    assert!(String::from_utf8_lossy(&fine).contains(" 200 "), "it serves on");
}
