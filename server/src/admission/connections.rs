//! How many of something one client's network may have at the same time: connections, or streams of
//! live counts.
//!
//! The share applies while others have some as well. If all come from one network there is nobody to
//! protect, and it may be a proxy that was not named in NTS_TRUSTED_PROXIES, behind which is everybody.

use super::network::{Network, Proxies};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The shares of all networks that have something.
pub struct Shares {
    most: u32,
    /// Has an entry for each network that holds something, so never more than there are guards.
    taken: Mutex<BTreeMap<Network, u32>>,
}

/// One of what is shared, given back when it is dropped.
pub struct Share {
    shares: Arc<Shares>,
    network: Network,
}

/// The network of which an address is a client. None for this machine and for trusted proxies: behind
/// either may be everybody.
pub fn client(proxies: &Proxies, address: IpAddr) -> Option<Network> {
    let address = address.to_canonical();
    (!address.is_loopback() && !proxies.contains(address)).then(|| Network::of(address))
}

impl Shares {
    /// Each network may have `most`, and one at least.
    pub fn new(most: u32) -> Arc<Shares> {
        Arc::new(Shares { most: most.max(1), taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<Network, u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one for a network, unless it has its share and others have some as well.
    pub fn take(self: &Arc<Shares>, network: Network) -> Option<Share> {
        let mut taken = self.taken();
        let own = taken.get(&network).copied().unwrap_or(0);
        let alone = taken.len() == usize::from(own > 0);
        if own >= self.most && !alone {
            return None;
        }
        taken.insert(network, own + 1);
        Some(Share { shares: Arc::clone(self), network })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        match taken.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            _ => _ = taken.remove(&self.network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_leaves_the_rest_to_others() {
        let shares = Shares::new(2);
        let [a, b] = [Network::V4(1), Network::V4(2)];
        // Alone it may have everything: perhaps it is a proxy.
        let mut of_a: Vec<Share> = (0..5).map(|_| shares.take(a).expect("it is alone")).collect();
        let of_b = [shares.take(b).expect("one"), shares.take(b).expect("two")];
        assert!(shares.take(b).is_none(), "it has its share");
        assert!(shares.take(a).is_none(), "it has more than its share");
        of_a.truncate(1);
        of_a.push(shares.take(a).expect("two"));
        assert!(shares.take(a).is_none());
        drop(of_b);
        of_a.push(shares.take(a).expect("it is alone again"));
        drop(of_a);
        assert!(shares.taken().is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn this_machine_and_named_proxies_are_no_clients() {
        let proxies: Proxies = "10.0.0.0/8".parse().expect("a network");
        let is_client =
            |address: &str| client(&proxies, address.parse().expect("an address")).is_some();
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
            assert!(is_client(address), "{address}");
        }
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
            assert!(!is_client(address), "{address}");
        }
    }
}
