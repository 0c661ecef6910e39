//! Who is at the other end of a TCP connection on the loopback interface.
//!
//! TCP carries no credentials, but both ends of such a connection are sockets of this kernel, and
//! its tables tell the owner and the inode of the other one (proc(5), `/proc/net/tcp`). The process
//! is the one that has this inode among its open files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, PidfdFlags};

use super::{Caller, CallerError, proc};

/// The socket at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerSocket {
    /// The user that made it.
    pub uid: u32,
    inode: u64,
}

impl PeerSocket {
    /// The other end of the connection that was accepted at `local` from `peer`.
    ///
    /// # Errors
    ///
    /// [`CallerError::AnotherUser`]; [`CallerError::Unreadable`] when the kernel shows no such
    /// socket: it is closed already, or belongs to another network namespace.
    pub fn of(local: SocketAddr, peer: SocketAddr) -> Result<Self, CallerError> {
        let (local, peer) = (plain(local), plain(peer));
        // An IPv4 connection may have been made with an IPv6 socket.
        let tables: &[&str] = match peer.ip() {
            IpAddr::V4(_) => &["/proc/net/tcp", "/proc/net/tcp6"],
            IpAddr::V6(_) => &["/proc/net/tcp6"],
        };
        for table in tables {
            // Without IPv6 there is no table of it.
            let Ok(file) = File::open(table) else {
                continue;
            };
            if let Some(found) = find(BufReader::new(file.take(TABLE)), peer, local) {
                let ours = rustix::process::geteuid().as_raw();
                return match found.uid == ours {
                    true => Ok(found),
                    false => Err(CallerError::AnotherUser {
                        theirs: found.uid,
                        ours,
                    }),
                };
            }
        }
        Err(CallerError::Unreadable {
            pid: 0,
            what: format!("no socket of this computer is connected from {peer}"),
        })
    }

    /// The process that owns the socket: of those that share it, the one that started first, since
    /// children inherit sockets. Reads the open files of all processes of this user.
    ///
    /// # Errors
    ///
    /// [`CallerError::Unreadable`] when none that we may look at has it.
    pub fn caller(&self) -> Result<Caller, CallerError> {
        let link = format!("socket:[{}]", self.inode);
        let last = *LAST.lock().unwrap_or_else(PoisonError::into_inner);
        // Clients open several connections in a row.
        let likely = last.filter(|pid| has(*pid, &link));
        let owner = likely.or_else(|| owner(&link, self.uid));
        let Some(pid) = owner else {
            return Err(CallerError::Unreadable {
                pid: 0,
                what: "no process that may be seen holds the connection".to_owned(),
            });
        };
        let unreadable = |what: String| CallerError::Unreadable { pid, what };
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| unreadable("not a process number".to_owned()))?;
        let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())
            .map_err(|error| unreadable(format!("pidfd_open: {error}")))?;
        let caller = Caller::identify(self.uid, pid, pidfd)?;
        // The process that was pinned and read is the one that holds the socket.
        if !has(pid, &link) || !caller.still_alive() {
            return Err(CallerError::Changed {
                pid,
                what: "no longer holds the connection",
            });
        }
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
        Ok(caller)
    }
}

/// The address that a mapped one stands for (RFC 4291 §2.5.5.2).
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The socket in a table of the kernel that is bound to `local` and connected to `remote`.
fn find(table: impl BufRead, local: SocketAddr, remote: SocketAddr) -> Option<PeerSocket> {
    let lines = table.lines().map_while(Result::ok);
    lines.skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let here = address(fields.next()?)?;
        let there = address(fields.next()?)?;
        if (here, there) != (local, remote) {
            return None;
        }
        // State, queues, timer and retransmissions stand before the user; its time-out after it.
        let uid = fields.nth(4)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        // A socket that no process holds any more has no inode.
        (inode != 0).then_some(PeerSocket { uid, inode })
    })
}

/// `0100007F:1F90`: the address as 32-bit words in the byte order of the machine, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = ip.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index)?);
            }
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The process of this user that has a socket open, the oldest one of several.
fn owner(link: &str, uid: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let numbers =
        processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let ours = numbers.filter(|pid| {
        std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|folder| folder.uid() == uid)
    });
    ours.filter(|pid| has(*pid, link))
        .min_by_key(|pid| proc::start_time(*pid).unwrap_or(u64::MAX))
}

/// Whether a process has a socket open.
fn has(pid: u32, link: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files.flatten().any(|file| {
        std::fs::read_link(file.path()).is_ok_and(|target| target.as_path() == Path::new(link))
    })
}

/// The process found last: looked at before all others.
static LAST: Mutex<Option<u32>> = Mutex::new(None);

/// Bound on a table of the kernel: about a hundred thousand connections.
const TABLE: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// Lines as proc(5) shows them (little-endian machine).
    const TABLE4: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0100007F:0477 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 100 1 0 100 0 0 10 0\n\
        1: 0100007F:0477 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 101 1 0 20 4 30 10 -1\n\
        2: 0100007F:C001 0100007F:0477 01 00000000:00000000 02:000005DC 00000000  1001        0 102 2 0 20 4 30 10 -1\n";
    const TABLE6: &str = "  sl  local_address remote_address st\n\
        0: 0000000000000000FFFF00000100007F:C002 0000000000000000FFFF00000100007F:0477 01 00000000:00000000 00:00000000 00000000  1002        0 103 1\n\
        1: 00000000000000000000000001000000:C003 00000000000000000000000001000000:0477 01 00000000:00000000 00:00000000 00000000  1003        0 104 1\n";

    #[test]
    fn the_other_end_is_found_by_both_addresses() {
        let look = |table: &'static str, from, to| find(Cursor::new(table), at(from), at(to));
        let found = look(TABLE4, "127.0.0.1:49153", "127.0.0.1:1143");
        assert_eq!(
            found,
            Some(PeerSocket {
                uid: 1001,
                inode: 102
            })
        );
        assert_eq!(look(TABLE4, "127.0.0.1:49154", "127.0.0.1:1143"), None);
        let mapped = look(TABLE6, "127.0.0.1:49154", "127.0.0.1:1143");
        assert_eq!(
            mapped,
            Some(PeerSocket {
                uid: 1002,
                inode: 103
            })
        );
        let sixth = look(TABLE6, "[::1]:49155", "[::1]:1143");
        assert_eq!(
            sixth,
            Some(PeerSocket {
                uid: 1003,
                inode: 104
            })
        );
    }

    #[test]
    fn garbage_in_a_table_is_skipped() {
        for garbage in [
            "",
            "x",
            "head\n\n\u{fffd}\n1: zz\n",
            "head\n1: 0100007F:C001 0100007F:0477 01\n",
        ] {
            let found = find(
                Cursor::new(garbage),
                at("127.0.0.1:49153"),
                at("127.0.0.1:1143"),
            );
            assert_eq!(found, None);
        }
    }

    #[test]
    fn this_process_is_found_behind_its_own_connection() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert!(address.starts_with('['), "no IPv4 loopback");
                continue;
            };
            let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("joins");
            let (accepted, peer) = listener.accept().expect("accepts");
            let local = accepted.local_addr().expect("connected");
            let socket = PeerSocket::of(local, peer).expect("seen");
            assert_eq!(socket.uid, rustix::process::geteuid().as_raw());
            assert_eq!(socket.caller().expect("found").pid, std::process::id());
            drop(client);
            drop(accepted);
        }
    }

    #[test]
    fn a_connection_of_nobody_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let local = listener.local_addr().expect("bound");
        let error = PeerSocket::of(local, at("127.0.0.1:1")).expect_err("nobody");
        assert!(matches!(error, CallerError::Unreadable { .. }), "{error}");
    }
}
