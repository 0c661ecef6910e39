//! When this computer gets other addresses (rtnetlink(7)): connections made from an address that is
//! gone never end by themselves.

use std::io;
use std::net::{IpAddr, UdpSocket};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UnixDatagram;

/// Tells changes of addresses.
pub(super) struct Changes(Option<UnixDatagram>);

impl Changes {
    /// Changes from now on. Where the kernel does not tell them, there are none.
    pub(super) fn watch() -> Self {
        Self(
            subscribe()
                .inspect_err(|error| tracing::warn!(%error, "network changes are not noticed"))
                .ok(),
        )
    }

    /// Returns after a change.
    pub(super) async fn next(&mut self) {
        let Some(socket) = &self.0 else {
            return std::future::pending().await;
        };
        if let Err(error) = heard(socket).await {
            tracing::warn!(%error, "network changes are not noticed any more");
            self.0 = None;
        }
    }
}

/// Waits for a change. What it was is looked for elsewhere: all that was told counts as one.
async fn heard(socket: &UnixDatagram) -> io::Result<()> {
    socket.readable().await?;
    let mut message = [0; 4096];
    loop {
        match socket.try_recv(&mut message) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // More was told than the socket holds.
            Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The runtime knows no sockets of this family: to it, it is one more socket of messages.
fn subscribe() -> io::Result<UnixDatagram> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        // NETLINK_ROUTE is the first of them.
        None,
    )?;
    let groups = SocketAddrNetlink::new(0, IPV4_ADDRESSES | IPV6_ADDRESSES);
    rustix::net::bind(&socket, &groups)?;
    UnixDatagram::from_std(socket.into())
}

/// Whether this computer still has an address.
pub(super) fn is_ours(address: IpAddr) -> bool {
    match UdpSocket::bind((address, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::AddrNotAvailable,
    }
}

/// `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const IPV4_ADDRESSES: u32 = 0x10;
const IPV6_ADDRESSES: u32 = 0x100;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_takes_the_subscription() {
        assert!(subscribe().is_ok());
    }

    #[test]
    fn addresses_of_others_are_told_apart() {
        assert!(is_ours("127.0.0.1".parse().expect("an address")));
        // TEST-NET-1 (RFC 5737): nobody's.
        assert!(!is_ours("192.0.2.1".parse().expect("an address")));
    }
}
