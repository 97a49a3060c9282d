//! The edges of the special networks, and addresses as people write them.

use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The special networks once more, as first and last addresses, so that the table is not its own judge. From the IANA
/// registries (RFC 6890 and later), without those that are reachable from everywhere.
const SPECIAL: &[(&str, &str)] = &[
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "239.255.255.255"),
    ("240.0.0.0", "255.255.255.255"),
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

/// Addresses of the public internet that are beside them.
const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.1.255",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2000::",
    "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:200::",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db9::",
    "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2003::",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/// Special ones that people try.
const TRIED: &[&str] = &[
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.1.2.3",
    "::10.1.2.3",
    "64:ff9b::10.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "ff02::1",
    "100::1",
    "5f00::1",
    "2001::1",
    "2001:20::1",
    "2002:7f00:1::",
    "2002:a00:1::",
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

#[test]
fn each_edge_of_each_special_network_is_special_and_its_neighbour_is_not() {
    for (first, last) in SPECIAL {
        assert!(!is_public(ip(first)), "{first}");
        assert!(!is_public(ip(last)), "{last}");
    }
    for address in PUBLIC {
        assert!(is_public(ip(address)), "{address}");
    }
    for address in TRIED {
        assert!(!is_public(ip(address)), "{address}");
    }
}

/// Within and beside the networks, at every distance from an edge, for both families and the mapped form.
#[test]
fn what_is_special_is_what_the_registries_say() {
    let special = |address: IpAddr| {
        SPECIAL.iter().any(|(first, last)| match (address, ip(first), ip(last)) {
            (IpAddr::V4(a), IpAddr::V4(first), IpAddr::V4(last)) => first <= a && a <= last,
            (IpAddr::V6(a), IpAddr::V6(first), IpAddr::V6(last)) => first <= a && a <= last,
            _ => false,
        })
    };
    let beside = |edge: IpAddr, by: i64| -> IpAddr {
        match edge {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().wrapping_add(by as u32)).into(),
            IpAddr::V6(v6) => {
                Ipv6Addr::from_bits(v6.to_bits().wrapping_add(i128::from(by) as u128)).into()
            }
        }
    };
    // Not a host of its own, and reachable from everywhere: refused beside what the registries demand.
    let more = |address: IpAddr| {
        ["192.31.196.0/24", "192.52.193.0/24"].iter().any(|net| prefix(net).contains(address))
    };
    let edges = proptest::sample::select(SPECIAL.to_vec());
    let distance = prop_oneof![-2i64..=2, -70_000i64..=70_000, any::<i32>().prop_map(i64::from)];
    let strategy = prop_oneof![
        (edges, any::<bool>(), distance).prop_map(move |((first, last), which, by)| beside(
            ip(if which { first } else { last }),
            by
        )),
        any::<u32>().prop_map(|v4| IpAddr::V4(v4.into())),
        any::<u128>().prop_map(|v6| IpAddr::V6(v6.into())),
    ];
    crate::fuzz::check(20_000, &strategy, |address| {
        let mapped = match address {
            // Written as IPv6 it is an IPv4 address.
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Ok(()),
            IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
            v6 => v6,
        };
        let public = !special(address) && !more(address);
        prop_assert_eq!(is_public(address), public, "{}", address);
        prop_assert_eq!(is_public(mapped), public, "{}", mapped);
        // Nothing leads around it: the forms with an IPv4 address in them are never public.
        if let IpAddr::V4(v4) = address {
            let bits = u128::from(v4.to_bits());
            for form in [
                0x0064_ff9b << 96 | bits,
                0x2002 << 112 | bits << 80,
                bits,
                0x2001 << 112 | !bits & 0xffff_ffff,
            ] {
                prop_assert!(!is_public(Ipv6Addr::from_bits(form).into()));
            }
        }
        Ok(())
    });
}

fn strict() -> Guard {
    Guard::default()
}

fn sandbox() -> Guard {
    Guard { loopback: true, ..Guard::default() }
}

fn own(networks: &str) -> Guard {
    Guard { allowed: networks.parse().unwrap(), loopback: false }
}

#[test]
fn an_address_of_the_public_internet_is_taken_apart() {
    let target = strict().target("https://hooks.example.org/nts?key=1").unwrap();
    let put = (target.tls, target.host.as_str(), target.port, target.path.as_str());
    assert_eq!(put, (true, "hooks.example.org", 443, "/nts?key=1"));
    assert_eq!(strict().target("https://Example.ORG").unwrap().path, "/");
    assert_eq!(strict().target("https://example.org?key=1").unwrap().path, "/?key=1");
    assert_eq!(strict().target("https://example.org:8443/").unwrap().port, 8443);
    let v6 = strict().target("https://[2a00:1450::5]/x").unwrap();
    assert_eq!((v6.host.as_str(), v6.literal()), ("2a00:1450::5", Some(ip("2a00:1450::5"))));
    assert!(strict().target("https://1.1.1.1/").is_ok());
    assert!(strict().target("https://example.org./").is_ok());
}

#[test]
fn other_addresses_are_refused_with_a_reason() {
    for (address, why) in [
        ("", "cannot be read"),
        ("example.org", "cannot be read"),
        ("/path", "cannot be read"),
        ("https://", "cannot be read"),
        ("https:///path", "cannot be read"),
        ("https://ex ample.org/", "cannot be read"),
        ("https://example.org/#part", "cannot be read"),
        ("https://example.org\\@10.0.0.1/", "cannot be read"),
        ("https://münchen.example/", "cannot be read"),
        ("https://example.org:/", "no port that there is"),
        ("https://example.org:99999/", "no port that there is"),
        ("https://example.org:+443/", "no port that there is"),
        ("https://example.org:0/", "no port that there is"),
        ("ftp://example.org/", "does not begin with https"),
        ("http://example.org/", "must begin with https"),
        ("http://127.0.0.1/", "must begin with https"),
        ("https://user@example.org/", "user name or a password"),
        ("https://user:word@example.org/", "user name or a password"),
        ("https://example.org:80/", "port 80"),
        ("https://example.org:22/", "port 22"),
        ("https://1.1.1.1:444/", "port 444"),
        ("https://127.0.0.1/", "not of the public internet"),
        ("https://169.254.169.254/latest", "not of the public internet"),
        ("https://localhost/", "not of the public internet"),
        ("https://localhost.:9443/", "not of the public internet"),
        ("https://[::1]/", "not of the public internet"),
        ("https://[::ffff:10.0.0.1]/", "not of the public internet"),
        ("https://[64:ff9b::a00:1]/", "not of the public internet"),
        ("https://10.0.0.1/", "not of the public internet"),
        // What systems read as 127.0.0.1.
        ("https://2130706433/", "no host"),
        ("https://127.1/", "no host"),
        ("https://0x7f.1/", "no host"),
        ("https://0177.0.0.1/", "no host"),
        ("https://127.0.0.0x1/", "no host"),
        ("https://.example.org/", "no host"),
        ("https://exa..mple.org/", "no host"),
        ("https://-example.org/", "no host"),
    ] {
        let refused = strict().target(address).expect_err(address);
        assert!(refused.contains(why), "{address}: {refused}");
    }
    assert!(strict().target(&format!("https://example.org/{}", "x".repeat(500))).is_err());
}

#[test]
fn this_machine_is_named_where_no_money_moves() {
    for address in [
        "http://127.0.0.1:8080/",
        "http://localhost/x",
        "http://[::1]:9/",
        "https://localhost:9443/",
    ] {
        let target = sandbox().target(address).expect(address);
        assert!(sandbox().check(&target, ip("127.0.0.1")).is_ok());
        assert!(strict().check(&target, ip("127.0.0.1")).is_err());
        // The name leads elsewhere after all.
        assert!(sandbox().check(&target, ip("10.0.0.1")).is_err(), "{address}");
        assert!(sandbox().check(&target, ip("1.1.1.1")).is_err(), "{address}");
    }
    assert!(sandbox().target("http://example.org/").is_err());
    assert!(sandbox().target("http://10.0.0.1/").is_err());
}

#[test]
fn a_name_is_judged_by_where_it_leads() {
    let target = strict().target("https://example.org/").unwrap();
    assert!(strict().check(&target, ip("1.1.1.1")).is_ok());
    for address in TRIED {
        assert!(strict().check(&target, ip(address)).is_err(), "{address}");
    }
}

#[test]
fn networks_of_ones_own_are_named_in_the_settings() {
    let guard = own("10.0.0.0/8, fd00::/8");
    for address in ["https://10.1.2.3/", "https://10.1.2.3:9443/x", "https://[fd00::1]:444/"] {
        assert!(guard.target(address).is_ok(), "{address}");
    }
    assert!(guard.target("https://192.168.0.1/").is_err());
    assert!(guard.target("http://10.1.2.3/").is_err(), "TLS all the same");
    let named = guard.target("https://inside.example:9443/").expect("it may lead to one of them");
    assert!(guard.check(&named, ip("10.0.0.1")).is_ok());
    assert!(guard.check(&named, ip("::ffff:10.0.0.1")).is_ok());
    let elsewhere = guard.check(&named, ip("1.1.1.1")).unwrap_err();
    assert!(elsewhere.contains("port 9443"), "{elsewhere}");
    assert!(guard.check(&named, ip("11.0.0.1")).is_err());
    assert!("10.0.0.0/33".parse::<Allowed>().is_err());
    assert_eq!(
        "10.0.0.0/8,fd00::/8".parse::<Allowed>().unwrap().to_string(),
        "10.0.0.0/8,fd00::/8"
    );
    assert_eq!("".parse::<Allowed>(), Ok(Allowed::default()));
}
