//! Where messages of webhooks may go. Whoever manages webhooks names an address, and the server connects to it from
//! within its own network, so addresses that are not of the public internet are refused (server-side request forgery).
//!
//! An address is checked when it is named, and again each time before it is connected to: a name may lead elsewhere by
//! then. What is connected to is the network address that was checked, never the name.

use crate::admission::network::Prefix;
use hyper::Uri;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The ports that receivers use.
const PORTS: [u16; 2] = [443, 8443];
/// An address has so many bytes at most.
const MOST_BYTES: usize = 500;

/// Networks of IPv4 that are not of the public internet, or not meant for single hosts: the IANA registry of
/// special-purpose addresses (RFC 6890) without those that are reachable from everywhere, multicast (RFC 5771), and
/// what is reserved (RFC 1112).
const SPECIAL_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

/// The global unicast addresses of IPv6 (RFC 4291): all others are special. The translation of IPv4 (`64:ff9b::/96`,
/// RFC 6052) is among those, so nobody reaches a private IPv4 address through it.
const GLOBAL_V6: &str = "2000::/3";
/// Networks among them that are special all the same: protocol assignments with Teredo and benchmarks, documentation,
/// and 6to4, whose addresses lead to an IPv4 address of anybody's choice.
const SPECIAL_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

fn prefix(text: &str) -> Prefix {
    text.parse().expect("the networks above are written correctly")
}

/// Whether an address is one of a single host of the public internet. An IPv4 address that is written as IPv6 is an
/// IPv4 address.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|net| prefix(net).contains(v4.into())),
        IpAddr::V6(v6) => {
            let special = SPECIAL_V6.iter().any(|net| prefix(net).contains(v6.into()));
            prefix(GLOBAL_V6).contains(v6.into()) && !special
        }
    }
}

/// Networks of one's own to which messages may go: addresses or networks, separated by commas.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowed(Vec<Prefix>);

impl Allowed {
    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|prefix| prefix.contains(address))
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Allowed, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Allowed)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(Prefix::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

/// What is allowed here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Guard {
    /// Networks of one's own.
    pub allowed: Allowed,
    /// Whether this machine itself may be named, without TLS as well: where no real money moves.
    pub loopback: bool,
}

/// An address, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Whether it is `https`.
    pub tls: bool,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path with its query.
    pub path: String,
    /// As the header `Host` has it.
    pub authority: String,
}

impl Target {
    /// The network address, if the host is none that has to be looked up.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl Guard {
    /// Takes an address apart. The error is a sentence that says what is wrong with it.
    pub fn target(&self, address: &str) -> Result<Target, String> {
        if address.len() > MOST_BYTES {
            return Err(format!("The address has more than {MOST_BYTES} bytes."));
        }
        let plain = address.bytes().all(|b| b.is_ascii_graphic() && !b"\\#\"<>".contains(&b));
        let unreadable = || {
            "The address cannot be read. Write it as https://host/path, with letters of ASCII only."
                .to_owned()
        };
        let uri: Uri = address.parse().map_err(|_| unreadable())?;
        let (Some(scheme), Some(authority), true) = (uri.scheme_str(), uri.authority(), plain)
        else {
            return Err(unreadable());
        };
        if authority.as_str().contains('@') {
            return Err("The address has a user name or a password, which are not sent. Put a secret into its \
                        path, or check the signature."
                .into());
        }
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err("The address does not begin with https://.".into()),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
        let behind = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match behind.strip_prefix(':').map(str::parse::<u16>) {
            None if !behind.is_empty() => return Err(unreadable()),
            None if tls => 443,
            None => 80,
            Some(Ok(port)) if port > 0 && !behind.contains('+') => port,
            Some(_) => return Err("The address has no port that there is.".into()),
        };
        let literal = host.parse::<IpAddr>().ok();
        // What systems read as an IPv4 address although it is written in another way.
        let last = host.rsplit('.').next().unwrap_or_default();
        let number = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
        if host.is_empty() || literal.is_none() && (number || !is_name(&host)) {
            return Err("The address has no host that can be read.".into());
        }
        let here = host == "localhost" || literal.is_some_and(|ip| ip.to_canonical().is_loopback());
        if !(tls || self.loopback && here) {
            return Err(match self.loopback {
                true => {
                    "The address must begin with https://. Without TLS only this machine can be \
                         named, such as http://localhost:8080/."
                        .into()
                }
                false => "The address must begin with https://.".to_owned(),
            });
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // Of `https://host?query` it is the query alone.
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}");
        let authority = authority.as_str().to_owned();
        let target = Target { tls, host, port, path, authority };
        if let Some(literal) = literal {
            self.check(&target, literal)?;
        } else if here && !self.loopback {
            // Where else it leads is not asked: that it leads here is known.
            self.check(&target, Ipv4Addr::LOCALHOST.into())?;
        } else if !PORTS.contains(&port) && !here && self.allowed == Allowed::default() {
            return Err(wrong_port(port));
        }
        Ok(target)
    }

    /// Whether this network address, to which the host of a target leads, may be connected to. The error is a
    /// sentence.
    pub fn check(&self, target: &Target, address: IpAddr) -> Result<(), String> {
        let here = address.to_canonical().is_loopback();
        if self.loopback && here {
            return Ok(());
        }
        if !target.tls {
            return Err("Without TLS messages go to this machine only.".into());
        }
        if self.allowed.has(address) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(format!(
                "The address leads to {address}, which is not of the public internet. A receiver in a network of \
                 one's own is allowed with NTS_WEBHOOK_ALLOW."
            ));
        }
        if !PORTS.contains(&target.port) {
            return Err(wrong_port(target.port));
        }
        Ok(())
    }
}

fn wrong_port(port: u16) -> String {
    format!(
        "The address has port {port}. Messages go to ports 443 and 8443; to others only in networks that \
         NTS_WEBHOOK_ALLOW names."
    )
}

/// Whether a host is written as a name of the DNS (RFC 1123, and the underscore that some use).
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests;
