//! Lists of proxies and what proxies write.

use super::*;
use crate::fuzz::{check, slips, spoil};
use proptest::prelude::*;
use proptest::sample::select;

fn address() -> impl Strategy<Value = IpAddr> {
    let mapped =
        any::<u32>().prop_map(|v4| IpAddr::V6(std::net::Ipv4Addr::from_bits(v4).to_ipv6_mapped()));
    prop_oneof![
        any::<u32>().prop_map(|v4| IpAddr::V4(v4.into())),
        any::<u128>().prop_map(|v6| IpAddr::V6(v6.into())),
        mapped,
        select(vec!["10.0.0.1", "10.255.255.255", "127.0.0.1", "::1", "2001:db8::1", "::"])
            .prop_map(|text| text.parse().unwrap()),
    ]
}

fn prefix() -> impl Strategy<Value = String> {
    (address(), proptest::option::of(0..129u32)).prop_map(|(address, length)| match length {
        Some(length) if address.is_ipv4() => format!("{address}/{}", length % 33),
        Some(length) => format!("{address}/{length}"),
        None => address.to_string(),
    })
}

#[test]
fn a_list_of_proxies_is_printed_as_it_is_read() {
    let list = proptest::collection::vec(prefix(), 0..5);
    check(800, &(list, address(), slips(0, 3)), |(list, address, slips)| {
        let text = list.join(" , ");
        let proxies: Proxies = text.parse().map_err(TestCaseError::fail)?;
        let again: Proxies = proxies.to_string().parse().map_err(TestCaseError::fail)?;
        prop_assert_eq!(&again, &proxies, "{} is printed {}", text, proxies);
        let any = list.iter().any(|one| one.parse::<Prefix>().unwrap().contains(address));
        prop_assert_eq!(proxies.contains(address), any);
        for one in &list {
            let first = one.split('/').next().unwrap().parse().unwrap();
            prop_assert!(proxies.contains(first), "{} contains itself", one);
        }
        // A spoilt list is refused with words, or is what it is printed as.
        let spoilt = spoil(text.as_bytes(), &slips);
        let Ok(spoilt) = std::str::from_utf8(&spoilt) else { return Ok(()) };
        match spoilt.parse::<Proxies>() {
            Ok(read) => {
                let written = spoilt.split(',').map(str::trim).filter(|part| !part.is_empty());
                for part in written {
                    let plain = |c: char| c.is_ascii_hexdigit() || ".:/".contains(c);
                    prop_assert!(part.chars().all(plain), "{}", part);
                }
                prop_assert_eq!(read.to_string().parse::<Proxies>(), Ok(read));
            }
            Err(error) => prop_assert!(error.contains("is neither an address nor a network")),
        }
        Ok(())
    });
}

#[test]
fn a_prefix_contains_what_begins_as_it_does() {
    check(500, &(any::<u32>(), 0..33u32, any::<u32>()), |(bits, length, other)| {
        let (a, b) = (std::net::Ipv4Addr::from_bits(bits), std::net::Ipv4Addr::from_bits(other));
        let prefix: Prefix = format!("{a}/{length}").parse().map_err(TestCaseError::fail)?;
        let same = length == 0 || bits >> (32 - length) == other >> (32 - length);
        prop_assert_eq!(prefix.contains(IpAddr::V4(b)), same);
        prop_assert_eq!(prefix.contains(IpAddr::V6(b.to_ipv6_mapped())), same);
        Ok(())
    });
}

/// What a proxy and a client write into the header.
fn hop() -> impl Strategy<Value = String> {
    let bracketed = |address: IpAddr, port: Option<u16>| match (address, port) {
        (IpAddr::V6(v6), Some(port)) => format!("[{v6}]:{port}"),
        (IpAddr::V6(v6), None) => format!("[{v6}]"),
        (v4, Some(port)) => format!("{v4}:{port}"),
        (v4, None) => v4.to_string(),
    };
    prop_oneof![
        4 => address().prop_map(|address| address.to_string()),
        2 => (address(), any::<Option<u16>>()).prop_map(move |(a, port)| bracketed(a, port)),
        1 => "[ -~]{0,12}",
        1 => select(vec!["", "unknown", "\u{fffd}", "[", "]", "[]", "::1%eth0", "1.2.3.4:99999"])
            .prop_map(str::to_owned),
    ]
}

#[test]
fn nobody_hides_behind_what_he_writes_left_of_what_a_proxy_wrote() {
    let proxies: Proxies = "127.0.0.0/8,::1,10.0.0.0/8".parse().unwrap();
    let hops = proptest::collection::vec(hop(), 0..6);
    let peers = prop_oneof![address(), Just("127.0.0.1".parse().unwrap())];
    check(1_500, &(peers, hops, proptest::collection::vec(hop(), 0..4)), |(peer, hops, more)| {
        let client = |values: &[&str]| proxies.client(peer, values.iter().copied());
        let line = hops.join(", ");
        let named = client(&[&line]);
        // One line or many, with blanks or without.
        let lines: Vec<&str> = line.split(',').collect();
        prop_assert_eq!(client(&lines), named);
        match named {
            Named::Client(address) => {
                prop_assert!(!proxies.contains(address));
                // It is who asked, or stands in the header, and everything right of it is a proxy.
                let own = |hop: &str| hop_address(hop.trim()) == Some(address);
                prop_assert!(address == peer || line.split(',').any(own));
                if !proxies.contains(peer) {
                    prop_assert_eq!(address, peer, "nobody else is believed");
                } else {
                    let right = line.rsplit(',').map(|hop| hop_address(hop.trim()));
                    let mut right = right.take_while(|hop| *hop != Some(address));
                    let passed_on = right.all(|hop| hop.is_some_and(|hop| proxies.contains(hop)));
                    prop_assert!(passed_on, "{} of {}", address, line);
                }
                let longer = format!("{}, {line}", more.join(","));
                prop_assert_eq!(client(&[&longer]), named, "{}", longer);
            }
            Named::Unreadable(proxy) => prop_assert!(proxies.contains(proxy)),
            Named::OnlyProxies => prop_assert!(proxies.contains(peer)),
        }
        Ok(())
    });
}

/// What was found: the length of a prefix could be written with a sign.
#[test]
fn a_prefix_length_is_digits() {
    for wrong in ["10.0.0.0/+8", "::/+0", "10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.0/0x8"] {
        assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
    }
}
