//! The PKCS#11 face of the daemon: a thin shell over its socket.
