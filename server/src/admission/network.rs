//! The network that a request comes from: the unit that limits per client are counted by.
//!
//! A client is one IPv4 address or one IPv6 /64. Providers hand out at least a /64 to each
//! subscriber (RFC 6177), so a single IPv6 address says nothing: its owner has 2^64 of them.

#[cfg(test)]
mod fuzz;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The network of one client: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Network {
    /// An IPv4 address.
    V4(u32),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

impl Network {
    /// The network that `address` belongs to. An IPv4 address that is written as IPv6
    /// (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) is an IPv4 address.
    pub fn of(address: IpAddr) -> Network {
        match address.to_canonical() {
            IpAddr::V4(v4) => Network::V4(v4.to_bits()),
            IpAddr::V6(v6) => Network::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// A prefix that a client belongs to. Who owns a large IPv6 prefix has very many networks, so each of
/// its prefixes has a budget as well, which grows with its size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Level {
    /// An IPv4 address.
    V4(u32),
    /// An IPv6 /64: a client.
    V6(u64),
    /// An IPv6 /56: what a household gets.
    Home(u64),
    /// An IPv6 /48: what a site gets, or the households of one street.
    Site(u64),
    /// An IPv6 /32: what a provider gets.
    Provider(u64),
}

impl Level {
    /// How many times the budget of one client it has.
    pub fn factor(self) -> u64 {
        match self {
            Level::V4(_) | Level::V6(_) => 1,
            // A quarter of the site's, so that one household leaves something to its neighbours.
            Level::Home(_) => 2,
            Level::Site(_) => 8,
            Level::Provider(_) => 64,
        }
    }
}

impl Network {
    /// The prefixes that it belongs to, itself first.
    pub fn levels(self) -> impl Iterator<Item = Level> + Clone {
        let (first, larger) = match self {
            Network::V4(bits) => (Level::V4(bits), [None; 3]),
            Network::V6(bits) => {
                let home = Level::Home(bits >> 8);
                let larger = [home, Level::Site(bits >> 16), Level::Provider(bits >> 32)];
                (Level::V6(bits), larger.map(Some))
            }
        };
        std::iter::once(first).chain(larger.into_iter().flatten())
    }
}

/// The address that a connection comes from: a client's or a proxy's. Each request carries it as an
/// extension; a request that did not come through a socket has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

/// Addresses with a common prefix, such as `10.0.0.0/8`, `2001:db8::/32` or one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// As IPv6 bits; IPv4 addresses as their IPv4-mapped form.
    bits: u128,
    /// How many of the upper bits must agree, 0 to 128.
    length: u32,
}

/// How many bits precede an IPv4 address in its IPv4-mapped IPv6 form.
const MAPPED: u32 = 96;

fn mapped(address: IpAddr) -> u128 {
    let v6: Ipv6Addr = match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    v6.to_bits()
}

impl Prefix {
    /// Whether `address` is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = mapped(address) ^ self.bits;
        self.length == 0 || differing >> (128 - self.length) == 0
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Prefix, String> {
        let wrong = || format!("{text:?} is neither an address nor a network such as 10.0.0.0/8");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let own = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 = match length {
            Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => {
                length.parse().ok().filter(|l| *l <= own).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
            None => own,
        };
        let length = if own == 32 { length + MAPPED } else { length };
        let prefix = Prefix { bits: mapped(address), length };
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Ok(Prefix { bits: prefix.bits & mask, ..prefix })
    }
}

/// The proxies whose `X-Forwarded-For` is believed: networks, separated by commas.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Proxies(Vec<Prefix>);

impl Proxies {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is one of these proxies.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|prefix| prefix.contains(address))
    }

    /// The client whose request arrived from `peer` with these `X-Forwarded-For` values, in the order in
    /// which they were received. Each proxy appends the address that it was asked from, so the list is
    /// read from the right, one address at a time: the first that is no trusted proxy is the client.
    /// Whatever stands left of it was written by the client itself and is not looked at.
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Named {
        let mut client = peer;
        for hop in forwarded_for.rev().flat_map(|value| value.rsplit(',')) {
            if !self.contains(client) {
                break;
            }
            match hop_address(hop.trim()) {
                Some(address) => client = address,
                None => return Named::Unreadable(client),
            }
        }
        if self.contains(client) { Named::OnlyProxies } else { Named::Client(client) }
    }
}

/// Whom a request names as its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// This address.
    Client(IpAddr),
    /// What this proxy wrote, or passed on, is no address.
    Unreadable(IpAddr),
    /// Nobody but proxies.
    OnlyProxies,
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn hop_address(hop: &str) -> Option<IpAddr> {
    if let Ok(address) = hop.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = hop.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Proxies, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Proxies)
    }
}

impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, prefix) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{prefix}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = IpAddr::V6(Ipv6Addr::from_bits(self.bits)).to_canonical();
        let length =
            if address.is_ipv4() { self.length.saturating_sub(MAPPED) } else { self.length };
        write!(f, "{address}/{length}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        let same = |a, b| Network::of(ip(a)) == Network::of(ip(b));
        assert!(same("192.0.2.1", "192.0.2.1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8:1:2::3", "2001:db8:1:2:ffff::"));
        assert!(!same("2001:db8:1:2::3", "2001:db8:1:3::3"));
    }

    #[test]
    fn prefixes_contain_what_they_say() {
        let contains =
            |prefix: &str, address| prefix.parse::<Prefix>().unwrap().contains(ip(address));
        for (prefix, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.0.0.1", "11.0.0.1"),
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("127.0.0.1/32", "127.0.0.1", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            assert!(contains(prefix, inside), "{prefix} {inside}");
            assert!(!contains(prefix, outside), "{prefix} {outside}");
        }
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "203.0.113.9"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "::1/-1", "proxy", "10.0.0.0/"] {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong:?}");
        }
        let proxies: Proxies = " 10.1.0.0/16, ::1,192.0.2.7 ".parse().unwrap();
        assert_eq!(proxies.to_string(), "10.1.0.0/16,::1/128,192.0.2.7/32");
        assert!("".parse::<Proxies>().unwrap().is_empty());
        assert!("10.0.0.0/8 ::1".parse::<Proxies>().is_err());
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
        let proxies: Proxies = "127.0.0.0/8,::1,10.0.0.0/8".parse().unwrap();
        let named = |peer, values: &[&str]| proxies.client(ip(peer), values.iter().copied());
        let client = |peer, values: &[&str]| match named(peer, values) {
            Named::Client(address) => address,
            other => panic!("{other:?}"),
        };
        // Nobody else is believed.
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), ip("203.0.113.9"));
        assert_eq!(client("127.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        // What the client wrote itself stands left of what the proxy appended.
        assert_eq!(client("127.0.0.1", &["192.0.2.1, 198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["192.0.2.1", "198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(client("::1", &["192.0.2.1,198.51.100.1, 10.2.3.4"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["198.51.100.1:4711"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:4711"]), ip("2001:db8::1"));
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]"]), ip("2001:db8::1"));
        // Whatever it wrote, also what is no text.
        for own in ["\u{fffd}", "\u{fffd}, 192.0.2.1", "", ",,", "unknown", "10.0.0.9, 127.0.0.1"] {
            let line = format!("{own}, 198.51.100.1");
            assert_eq!(client("127.0.0.1", &[&line]), ip("198.51.100.1"), "{own:?}");
            assert_eq!(client("127.0.0.1", &[own, "198.51.100.1"]), ip("198.51.100.1"), "{own:?}");
        }
        // What a proxy wrote is no address: the nearest proxy that is known.
        for wrong in ["unknown", "", "\u{fffd}", "198.51.100.1,", "198.51.100.1, unknown"] {
            assert_eq!(
                named("127.0.0.1", &[wrong]),
                Named::Unreadable(ip("127.0.0.1")),
                "{wrong:?}"
            );
        }
        assert_eq!(named("127.0.0.1", &["x, 10.0.0.1"]), Named::Unreadable(ip("10.0.0.1")));
        // Only proxies.
        assert_eq!(named("127.0.0.1", &[]), Named::OnlyProxies);
        assert_eq!(named("127.0.0.1", &["10.0.0.1"]), Named::OnlyProxies);
    }
}
