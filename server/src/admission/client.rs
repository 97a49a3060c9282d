//! The client that a request is counted for, if it is counted at all.

use super::network::{Named, Network, Peer, Proxies};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who sends a request, as far as limits are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// It cannot be told from others, so no limit per client holds for it.
    Unlimited,
    /// This network.
    Network(Network),
}

impl Client {
    /// The network in words: an IPv4 address, or the part of an IPv6 address that a home has. Empty where it is
    /// not known.
    pub fn told(self) -> String {
        match self {
            Client::Unlimited => String::new(),
            Client::Network(Network::V4(bits)) => std::net::Ipv4Addr::from_bits(bits).to_string(),
            Client::Network(Network::V6(bits)) => {
                format!("{}/64", std::net::Ipv6Addr::from_bits(u128::from(bits) << 64))
            }
        }
    }
}

/// Tells clients apart.
pub struct Clients {
    proxies: Proxies,
    /// Each warning is given once.
    warned: [AtomicBool; 4],
}

/// What seems to be wrong with the proxies that are named.
#[derive(Clone, Copy)]
enum Doubt {
    /// Requests come from a private address that is not named: from a proxy, most likely.
    UnnamedProxy,
    /// A public address that is not named passes addresses on.
    Stranger,
    /// A proxy that is named passes none on.
    Silent,
    /// A proxy that is named passes on what is no address.
    Unreadable,
}

impl Clients {
    /// Believes these proxies.
    pub fn new(proxies: Proxies) -> Clients {
        Clients { proxies, warned: Default::default() }
    }

    /// The client of a request that came from `peer` with these `X-Forwarded-For` values.
    ///
    /// It is without limits where its network is not known: if it came through no socket, from this
    /// machine, or from a private address that is a proxy or a gateway, most likely: it passes addresses
    /// on, or nobody has named a proxy at all (a container's published port and many load balancers
    /// show one private address for all buyers, without a header). A limit there would count all
    /// buyers as one. So would one where a named proxy sends no header. If it sends one that ends with
    /// no address, all of those requests count for the proxy. Whoever is on a private network with this server can thus get rid of the limits
    /// by sending the header; nobody on the Internet can.
    pub fn client<'a>(
        &self,
        peer: Option<Peer>,
        forwarded_for: impl DoubleEndedIterator<Item = &'a str> + Clone,
    ) -> Client {
        let Some(Peer(peer)) = peer else { return Client::Unlimited };
        let peer = peer.to_canonical();
        if self.proxies.contains(peer) {
            return match self.proxies.client(peer, forwarded_for) {
                Named::Client(address) => Client::Network(Network::of(address)),
                // Without limits whoever can write that would be without limits.
                Named::Unreadable(proxy) => {
                    self.warn(Doubt::Unreadable, proxy);
                    Client::Network(Network::of(proxy))
                }
                Named::OnlyProxies => {
                    self.warn(Doubt::Silent, peer);
                    Client::Unlimited
                }
            };
        }
        if peer.is_loopback() {
            return Client::Unlimited;
        }
        let passes_on = forwarded_for.clone().next().is_some();
        if is_private(peer) && (passes_on || self.proxies.is_empty()) {
            self.warn(Doubt::UnnamedProxy, peer);
            return Client::Unlimited;
        }
        if passes_on {
            self.warn(Doubt::Stranger, peer);
        }
        Client::Network(Network::of(peer))
    }

    fn warn(&self, doubt: Doubt, peer: IpAddr) {
        let warned = &self.warned[doubt as usize];
        if warned.load(Ordering::Relaxed) || warned.swap(true, Ordering::Relaxed) {
            return;
        }
        match doubt {
            Doubt::UnnamedProxy => tracing::error!(
                "NO LIMITS PER CLIENT for requests from {peer}, a private address that is not named in \
                 NTS_TRUSTED_PROXIES: all buyers may come through it. If it is your proxy, let it add \
                 X-Forwarded-For and set NTS_TRUSTED_PROXIES={peer}; if buyers really have private \
                 addresses, set NTS_TRUSTED_PROXIES=127.0.0.1"
            ),
            Doubt::Stranger => tracing::warn!(
                "{peer} sends X-Forwarded-For and is not named in NTS_TRUSTED_PROXIES: all who come through \
                 it count as one client. If it is your proxy, set NTS_TRUSTED_PROXIES={peer}"
            ),
            Doubt::Silent => tracing::error!(
                "NO LIMITS PER CLIENT for requests through {peer}: it is named in NTS_TRUSTED_PROXIES, and \
                 its X-Forwarded-For is missing or names no client, only proxies. Let it add the address \
                 that it was asked from, and name nothing but proxies"
            ),
            Doubt::Unreadable => tracing::error!(
                "{peer} is named in NTS_TRUSTED_PROXIES, and its X-Forwarded-For ends with something that is \
                 no address: all such requests count as one client. Let it add the address that it was \
                 asked from"
            ),
        }
    }

    /// One line for who starts the server: for whom limits hold. `listens` is the server's address.
    pub fn describe(&self, listens: IpAddr) -> String {
        match (self.proxies.is_empty(), listens.is_loopback()) {
            (false, _) => format!(
                "Limits per client: on; behind the proxies {} it is the address that they name.",
                self.proxies
            ),
            (true, true) => {
                "Limits per client: off, all requests come from this machine. Behind a proxy \
                             here, name it: NTS_TRUSTED_PROXIES=127.0.0.1."
                    .into()
            }
            (true, false) => {
                "Limits per client: on, by the address of the connection, but not for private \
                 addresses. Behind a proxy, name it in NTS_TRUSTED_PROXIES."
                    .into()
            }
        }
    }
}

/// Whether only machines on the same site have such an address (RFC 1918, RFC 6598, RFC 4193, and
/// link-local ones).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Client {
        Client::Network(Network::of(text.parse().unwrap()))
    }

    #[test]
    fn a_client_is_told_from_others_or_not_limited() {
        let client = |proxies: &str, peer: &str, forwarded: &[&str]| {
            let clients = Clients::new(proxies.parse().unwrap());
            let peer = Some(Peer(peer.parse().unwrap()));
            clients.client(peer, forwarded.iter().copied())
        };
        let none = Client::Unlimited;
        // Without proxies: the address of the connection, unless it is this machine.
        assert_eq!(client("", "203.0.113.9", &[]), network("203.0.113.9"));
        assert_eq!(client("", "::ffff:203.0.113.9", &[]), network("203.0.113.9"));
        assert_eq!(client("", "2001:db8::9", &[]), network("2001:db8::1"));
        assert_eq!(client("127.0.0.1", "192.168.1.9", &[]), network("192.168.1.9"));
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(client("", here, &[]), none, "{here}");
            assert_eq!(client("", here, &["198.51.100.1"]), none, "{here}");
        }
        // A proxy that nobody named.
        for site in ["10.1.2.3", "172.17.0.1", "192.168.1.9", "fd00::1", "fe80::1", "100.64.0.1"] {
            assert_eq!(client("", site, &["198.51.100.1"]), none, "{site}");
            assert_eq!(client("", site, &[]), none, "{site}: a gateway");
            assert_eq!(client("127.0.0.1", site, &["198.51.100.1"]), none, "{site}");
        }
        // Nobody on the Internet gets rid of the limits, nor of others' budgets, by a header.
        assert_eq!(client("", "203.0.113.9", &["198.51.100.1"]), network("203.0.113.9"));
        assert_eq!(client("10.0.0.0/8", "203.0.113.9", &["10.0.0.1"]), network("203.0.113.9"));
        assert_eq!(client("10.0.0.0/8", "172.32.0.1", &["127.0.0.1"]), network("172.32.0.1"));
        // A proxy that is named.
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["198.51.100.1"]), network("198.51.100.1"));
        assert_eq!(
            client("10.0.0.0/8", "10.0.0.1", &["192.0.2.1, 198.51.100.1, 10.0.0.2"]),
            network("198.51.100.1")
        );
        // It names this machine or a private client: that is a client like others.
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["10.0.0.9"]), network("10.0.0.9"));
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["::1"]), network("::1"));
        // It names nobody.
        assert_eq!(client("127.0.0.1", "127.0.0.1", &[]), none);
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["10.0.0.2"]), none);
        // It passes on what is no address: nobody gets rid of the limits by that.
        for wrong in ["unknown", "", "\u{fffd}", "198.51.100.1, x", "198.51.100.1,"] {
            let one = network("127.0.0.1");
            assert_eq!(client("127.0.0.1", "127.0.0.1", &[wrong]), one, "{wrong:?}");
        }
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["x, 10.0.0.2"]), network("10.0.0.2"));
        assert_eq!(Clients::new(Proxies::default()).client(None, ["192.0.2.1"].into_iter()), none);
    }

    #[test]
    fn the_start_says_for_whom_limits_hold() {
        let says = |proxies: &str, listens: &str| {
            Clients::new(proxies.parse().unwrap()).describe(listens.parse().unwrap())
        };
        assert!(says("", "127.0.0.1").starts_with("Limits per client: off"));
        assert!(says("", "0.0.0.0").starts_with("Limits per client: on, by the address"));
        assert!(says("10.0.0.0/8", "0.0.0.0").contains("10.0.0.0/8"));
    }
}
