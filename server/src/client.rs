//! A small HTTP client, for the command line.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// How long a call may take in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether what is sent to an address stays secret: it is encrypted, or does not leave this machine.
pub fn is_private(url: &str) -> bool {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    uri.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The address of a server as it is put before a path: without a slash at its end.
pub fn base(url: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!(
            "{url:?} is no address of a server: {why}. Write https://HOST or http://HOST:PORT. \
             Nothing was sent."
        )
    };
    if url.contains(['?', '#', '@', '\\', '%']) {
        return Err(wrong("it has a character that is no part of one"));
    }
    let uri: hyper::Uri = url.parse().map_err(|_| wrong("it cannot be read"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it does not begin with http:// or https://"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong("it has no host"));
    }
    if uri.path().contains("//") || uri.path().split('/').any(|part| matches!(part, "." | "..")) {
        return Err(wrong("its path leads elsewhere"));
    }
    Ok(url.trim_end_matches('/').into())
}

/// Sends a request with a body of JSON; gives the status and the body of the answer. `method` is in
/// capitals.
pub fn ask(method: &str, url: &str, bearer: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
    send(method, url, bearer, "application/json", body)
}

/// The same with a body of this media type.
pub fn send(
    method: &str,
    url: &str,
    bearer: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Result<(u16, Vec<u8>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start: {e}"))?;
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {bearer}"))
        .header("content-type", media_type)
        .body(Full::new(bytes::Bytes::from(body)))
        .map_err(|e| format!("{url} is not an address that can be asked: {e}"))?;
    runtime.block_on(async {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| e.to_string())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let call = async {
            let response = client.request(request).await.map_err(|e| {
                let e = cause(&e);
                format!("no answer from {url}: {e}. Is nts serving there? Nothing was changed if it never got the request; asking again is safe.")
            })?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(|e| e.to_string())?;
            Ok((status, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(PATIENCE, call)
            .await
            .unwrap_or_else(|_| Err(format!("no answer from {url} within 30 seconds; asking again is safe")))
    })
}

/// What lies at the bottom of an error: the system's own words, such as that a connection was refused.
fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_address_without_a_query() {
        for (url, put) in [
            ("http://localhost:9000", "http://localhost:9000"),
            ("https://tickets.example.org/", "https://tickets.example.org"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("https://example.org/tickets", "https://example.org/tickets"),
        ] {
            assert_eq!(base(url).as_deref(), Ok(put));
        }
        for url in [
            "",
            "localhost:9000",
            "tickets.example.org",
            "ftp://example.org",
            "http://",
            "http:///events",
            "http://example.org?x=1",
            "http://example.org/#x",
            "http://example.org/../x",
            "http://example.org//",
            "http://user@example.org",
            "http://example.org/%2e%2e",
            "http://exam ple.org",
        ] {
            assert!(base(url).unwrap_err().contains("is no address"), "{url}");
        }
    }

    #[test]
    fn only_this_machine_and_https_keep_a_key_secret() {
        for url in [
            "https://tickets.example.org",
            "http://localhost:9000",
            "http://LOCALHOST",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000",
            "HTTPS://tickets.example.org",
        ] {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://tickets.example.org",
            "http://192.0.2.1:9000",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://localhost@example.org",
            "http://[2001:db8::1]:9000",
            "ftp://tickets.example.org",
            "",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }
}
