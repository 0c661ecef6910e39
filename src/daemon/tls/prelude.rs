//! What a mail server is told before TLS begins: nothing but STARTTLS.

use cps_mail::{Dialogue, Protocol, imap, smtp};
use tokio::net::TcpStream;

use super::TlsError;
use crate::mail::conversation::{Failed, client_name, hold};

/// Brings a fresh connection to where the handshake begins. Whatever the server said until then
/// is forgotten.
pub(super) async fn start_tls(socket: &mut TcpStream, protocol: Protocol) -> Result<(), TlsError> {
    match protocol {
        Protocol::Imap => speak(socket, imap::StartTls::new()).await,
        Protocol::Smtp => {
            let name = client_name(socket);
            speak(socket, smtp::StartTls::new(name)).await
        }
    }
}

async fn speak(socket: &mut TcpStream, dialogue: impl Dialogue<Done = ()>) -> Result<(), TlsError> {
    hold(socket, dialogue).await.map_err(|failed| match failed {
        Failed::Refused(refused) => TlsError::Prelude(refused),
        Failed::Broken(_) | Failed::TimedOut => TlsError::Lost(failed.to_string()),
    })
}
