//! Which addresses an operator that was looked up may have.
//!
//! DNS and published documents are anybody's who writes them: they may name a machine of this
//! network, or this computer, which would then be shown the card or given a token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether this is an address of the public Internet: not private, local, shared, reserved or of a
/// group (IANA special-purpose address registries, RFC 6890). Those of documentation lead nowhere.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = match first {
        // "This network", private (RFC 1918), loopback, multicast and reserved with broadcast.
        0 | 10 | 127 | 224.. => true,
        // Shared by carriers (RFC 6598).
        100 => (64..128).contains(&second),
        // Link-local (RFC 3927).
        169 => second == 254,
        172 => (16..32).contains(&second),
        // Private; protocol assignments (RFC 6890 §2.1).
        192 => second == 168 || (second, third) == (0, 0),
        // Benchmarks (RFC 2544).
        198 => second == 18 || second == 19,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = embedded(address) {
        return is_public_v4(inner);
    }
    let first = address.segments()[0];
    let teredo = address.segments()[..2] == [0x2001, 0];
    // Global unicast (RFC 4291 §2.4, as allocated): unspecified, loopback, unique-local, link-local,
    // site-local and multicast are elsewhere.
    first & 0xE000 == 0x2000 && !teredo
}

/// The IPv4 address in which traffic to this one ends: mapped or compatible (RFC 4291 §2.5.5),
/// translated (RFC 6052 §2.1), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => {
            Some(of(high, low))
        }
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in [
            "193.2.1.66",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "2001:660::1",
            "2a01:cb00::1",
            "64:ff9b::c102:142",
        ] {
            assert!(is_public(public.parse().expect(public)), "{public}");
        }
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "127.200.3.4",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.0.1",
            "64:ff9b::10.0.0.1",
            "2001::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().expect(special)), "{special}");
        }
    }
}
