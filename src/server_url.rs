//! Where the running server is, for commands that speak to it.

use clap::Args;
use nts_server::client;
use nts_server::config::parse_address;
use nts_server::text::plain;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The server that a command speaks to.
#[derive(Args)]
pub struct ServerUrl {
    /// Base URL of the server. Default: this machine, at the port of NTS_ADDRESS
    #[arg(long, env = "NTS_URL")]
    url: Option<String>,

    /// The address that the server listens on, where --url is not given
    #[arg(long, env = "NTS_ADDRESS", default_value = ":9000", value_parser = parse_address)]
    address: SocketAddr,
}

impl ServerUrl {
    /// Without a slash at its end.
    pub fn url(&self) -> String {
        match self.named() {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if reachable(self.address).ip() == Ipv4Addr::LOCALHOST => {
                format!("http://localhost:{}", self.address.port())
            }
            None => format!("http://{}", reachable(self.address)),
        }
    }

    /// Whether it is surely this machine: an address of ours that was not given as a URL.
    pub fn is_here(&self) -> bool {
        // Only an address of this machine can be bound.
        self.named().is_none() && UdpSocket::bind((reachable(self.address).ip(), 0)).is_ok()
    }

    fn named(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }
}

/// A server, and the organiser's key to it.
#[derive(Args)]
pub struct OrganiserServer {
    #[command(flatten)]
    at: ServerUrl,
    /// The organiser's key
    #[arg(long, env = "NTS_ORGANISER_KEY", hide_env_values = true)]
    organiser_key: String,
    /// Send the key without encryption to another machine: everybody on the network can read it
    #[arg(long)]
    plain_http: bool,
}

impl OrganiserServer {
    /// Its address without a slash at its end, if the key may be sent there.
    pub fn base(&self) -> Result<String, String> {
        let url = client::base(&self.at.url())?;
        if !self.plain_http && !self.at.is_here() && !client::is_private(&url) {
            return Err(format!(
                "{url} is not this machine, and http:// would show the organiser's key, and what is sent \
                 with it, to everybody on the way. Nothing was sent. Use https://, or say --plain-http if \
                 you trust the network."
            ));
        }
        Ok(url)
    }

    /// The organiser's key.
    pub fn key(&self) -> &str {
        &self.organiser_key
    }
}

/// What the server said instead of yes.
pub fn refused(status: u16, answer: &[u8]) -> String {
    let said: Value = serde_json::from_slice(answer).unwrap_or_default();
    let detail = said["detail"].as_str().unwrap_or(match status {
        404 => "that is no address of nts. Give --url as the address of the front page, without what follows it",
        _ => "the server gave no reason, so it may not be nts; look at --url",
    });
    let title = said["title"].as_str().unwrap_or("refused");
    format!("{} ({status}): {}", plain(title), plain(detail))
}

/// Who listens on all addresses is reached at the loopback address of the same family.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_where_it_listens_unless_a_url_says_otherwise() {
        for (address, url) in [
            (":9000", "http://localhost:9000"),
            ("127.0.0.1:80", "http://localhost:80"),
            ("0.0.0.0:9001", "http://localhost:9001"),
            ("[::]:9001", "http://[::1]:9001"),
            ("[::1]:9001", "http://[::1]:9001"),
            ("192.0.2.7:9000", "http://192.0.2.7:9000"),
        ] {
            let address = parse_address(address).expect(address);
            let server = ServerUrl { url: None, address };
            assert_eq!(server.url(), url);
            let server = ServerUrl { url: Some("https://tickets.example.org/".into()), address };
            assert_eq!(server.url(), "https://tickets.example.org");
            assert!(!server.is_here(), "a URL is judged by what it says");
            let server = ServerUrl { url: Some(String::new()), address };
            assert_eq!(server.url(), url, "an empty variable is as good as none");
        }
        let here = |address| {
            ServerUrl { url: None, address: parse_address(address).expect(address) }.is_here()
        };
        assert!(here(":9000") && here("0.0.0.0:9000") && !here("192.0.2.7:9000"));
    }
}
