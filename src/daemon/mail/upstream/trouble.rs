//! What a mail client is told of each obstacle: the one place where our own reasons become rows of
//! the error mapping (domain page "mssante", section 11).

use cps_api::Code;
use cps_mail::Trouble;

use crate::mail::conversation::Failed;
use crate::tls::TlsError;
use crate::tls::client::Obstacle;

impl From<Obstacle> for Trouble {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Broker(error) => of_code(error.code()),
            Obstacle::Tls(error) => of_tls(error),
        }
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refused) => refused.into(),
            // In TLS 1.3 the server judges our certificate after the handshake.
            Failed::Broken(error) => of_tls(TlsError::from_io(&error)),
            Failed::TimedOut => Self::Unreachable,
        }
    }
}

fn of_tls(error: TlsError) -> Trouble {
    let words = error.to_string();
    match error {
        TlsError::Prelude(refused) => refused.into(),
        TlsError::CertificateRefused(_)
        | TlsError::IssuerNotAccepted { .. }
        | TlsError::NoClientAuth => Trouble::CardNotAccepted(words),
        TlsError::Handshake(_) => Trouble::Insecure,
        TlsError::Lost(_) | TlsError::TimedOut(_) => Trouble::Unreachable,
        TlsError::NoCommonScheme { .. } => Trouble::NoCommonScheme,
        error => of_code(error.code()),
    }
}

/// The row of a code. What no mail client can cause, or only we, is an internal failure.
pub(super) fn of_code(code: Code) -> Trouble {
    match code {
        Code::ReaderAbsent | Code::ReaderError | Code::ReaderServiceAbsent => Trouble::NoReader,
        Code::CardAbsent
        | Code::CardMute
        | Code::CardRemoved
        | Code::CardTechnicalOnly
        | Code::CardUnknown => Trouble::NoCard,
        Code::CardBusy
        | Code::CardReading
        | Code::CardReset
        | Code::ModuleTimeout
        | Code::QueueDeadline
        | Code::QueueFull => Trouble::CardBusy,
        Code::PinAlreadyRefused
        | Code::PinCancelled
        | Code::PinFormat
        | Code::PinIncorrect
        | Code::PinLastTryDeclined
        | Code::PinRequired
        | Code::PromptHeldOff
        | Code::PromptTimeout => Trouble::PinCancelled,
        Code::PinBlocked | Code::PukBlocked => Trouble::PinBlocked,
        Code::CertificateClockSkew
        | Code::CertificateExpired
        | Code::CertificateKeyPeriodOver
        | Code::CertificateNotYetValid
        | Code::CertificateObsolete
        | Code::CertificateRevoked
        | Code::CertificateTestInProduction
        | Code::CertificateUntrusted => Trouble::CardCertificate,
        Code::CallerDenied => Trouble::OtherUser,
        Code::CallerTooMany
        | Code::CallerUnknown
        | Code::GrantDenied
        | Code::GrantMissing
        | Code::TlsDestinationNotAllowed => Trouble::NotAllowed,
        Code::TlsNeedsPss | Code::TlsNeedsTls13 => Trouble::NoCommonScheme,
        Code::TlsServerExpired
        | Code::TlsServerName
        | Code::TlsServerRevoked
        | Code::TlsServerUntrusted => Trouble::ServerCertificate,
        Code::TlsRevocationUnknown => Trouble::NoRevocationList,
        Code::TlsUnreachable => Trouble::Unreachable,
        Code::DaemonStopping => Trouble::Closing,
        _ => Trouble::Internal,
    }
}

#[cfg(test)]
mod tests;
