//! Who is at the other end of a loopback connection: any user of the machine can reach a loopback
//! port, and only the one who owns the card may use it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

/// Whether the program connected from `peer` runs as the same user as this one.
pub(super) fn is_ours(stream: &TcpStream, peer: SocketAddr) -> bool {
    let Ok(local) = stream.local_addr() else {
        return false;
    };
    let own = rustix::process::geteuid().as_raw();
    // A client of an IPv4 address may hold an IPv6 socket.
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let mut found = tables.iter().filter_map(|path| {
        let table = fs::read_to_string(path).ok()?;
        owner(&table, peer, local)
    });
    found.next() == Some(own)
}

/// The user who owns the socket bound to `from` and connected to `to`, in a table of proc_net(5).
fn owner(table: &str, from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let wanted = (canonical(from), canonical(to));
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let ends = (address(fields.get(1)?)?, address(fields.get(2)?)?);
        let alive = *fields.get(3)? != TIME_WAIT;
        let uid = fields.get(7)?.parse().ok()?;
        (ends == wanted && alive).then_some(uid)
    })
}

/// An address and port in hexadecimal: the address in words of the machine's byte order.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.as_flattened().try_into().ok()?;
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}

fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// State of a socket that nobody owns any more: its user is shown as 0.
const TIME_WAIT: &str = "06";

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_connections_are_ours() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert!(address.starts_with('['), "no loopback");
                continue;
            };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            assert!(is_ours(&server, peer));
            let another = SocketAddr::new(peer.ip(), peer.port().wrapping_add(1).max(1));
            assert!(!is_ours(&server, another), "an end that does not exist");
            drop(client);
        }
    }

    #[test]
    fn the_owner_is_that_of_the_other_end() {
        // Lines of proc_net(5) on a little-endian machine.
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 11 1\n\
            1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 12 1\n\
            2: 0100007F:C002 0100007F:1F90 06 00000000:00000000 03:00000000 00000000     0        0 0 3\n\
            3: 0000000000000000FFFF00000100007F:C003 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0  1002 0 13 1\n";
        let server = "127.0.0.1:8080".parse().unwrap();
        let owner_of = |port: u16| owner(table, SocketAddr::from(([127, 0, 0, 1], port)), server);
        if cfg!(target_endian = "little") {
            assert_eq!(owner_of(0xc001), Some(1001));
            assert_eq!(owner_of(0xc002), None);
            assert_eq!(owner_of(0xc003), Some(1002));
        }
        assert_eq!(owner_of(1), None);
        assert_eq!(owner("x\n1: zz:1 2\n\n: : :\n", server, server), None);
    }
}
