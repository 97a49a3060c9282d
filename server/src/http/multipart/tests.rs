//! Forms with files as browsers send them.

use super::*;
use crate::fuzz::{check, slips, spoil};
use axum::http::HeaderValue;

fn headers(kind: &'static str) -> HeaderMap {
    [(header::CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect()
}

const KIND: &str = "multipart/form-data; boundary=----x1";

fn body() -> Vec<u8> {
    let mut body =
        b"------x1\r\nContent-Disposition: form-data; name=\"alt\"\r\n\r\n A hall \r\n".to_vec();
    body.extend(
        b"------x1\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a.png\"\r\n",
    );
    body.extend(b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n--not the end\r\n------x1--\r\n");
    body
}

#[test]
fn texts_and_files_are_read() {
    let form = Multipart::read(&headers(KIND), &body()).unwrap();
    assert_eq!((form.text("alt").as_str(), form.text("none").as_str()), ("A hall", ""));
    assert_eq!(form.text("picture"), "", "a file is no text");
    assert_eq!(form.file("picture").unwrap(), b"\x89PNG\r\n\x1a\n--not the end");
}

#[test]
fn where_no_file_is_chosen_there_is_none() {
    let body = b"--x\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n\r\n--x--";
    let quoted = "multipart/form-data; charset=utf-8; boundary=\"x\"";
    let form = Multipart::read(&headers(quoted), body).unwrap();
    assert_eq!(form.file("picture"), None);
}

#[test]
fn what_is_no_such_form_is_refused() {
    assert!(Multipart::read(&headers("text/plain"), &body()).is_err());
    assert!(Multipart::read(&headers("multipart/form-data"), &body()).is_err());
    assert!(Multipart::read(&headers("multipart/form-data; boundary=y"), &body()).is_err());
    let all = body();
    for end in 0..all.len() - 4 {
        assert!(Multipart::read(&headers(KIND), &all[..end]).is_err(), "{end}");
    }
    let many = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(21);
    let many = [&many[..], b"--x--"].concat();
    assert!(Multipart::read(&headers("multipart/form-data; boundary=x"), &many).is_err());
}

#[test]
fn a_spoilt_form_is_read_or_refused() {
    check(500, &slips(1, 4), |slips| {
        _ = Multipart::read(&headers(KIND), &spoil(&body(), &slips))
            .map(|form| form.file("picture"));
        Ok(())
    });
}
