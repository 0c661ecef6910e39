use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn servers_are_read() {
    let server = |host: &str, port| {
        Ok(Destination {
            host: host.to_owned(),
            port,
        })
    };
    assert_eq!(destination("dmp.example:443"), server("dmp.example", 443));
    assert_eq!(destination("[::1]:8443"), server("::1", 8443));
    for wrong in [
        "dmp.example",
        "dmp.example:",
        ":443",
        "h:0",
        "h:65536",
        "::1:443",
        "h:x",
        "[]:1",
    ] {
        assert!(destination(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn only_loopback_is_listened_to() {
    assert_eq!(loopback("0"), Ok("127.0.0.1:0".parse().unwrap()));
    assert_eq!(loopback("[::1]:80"), Ok("[::1]:80".parse().unwrap()));
    assert_eq!(
        loopback("127.1.2.3:80"),
        Ok("127.1.2.3:80".parse().unwrap())
    );
    for wrong in [
        "0.0.0.0:80",
        "[::]:80",
        "192.0.2.1:80",
        "localhost:80",
        "65536",
        "",
    ] {
        assert!(loopback(wrong).is_err(), "{wrong}");
    }
}
