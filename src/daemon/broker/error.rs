//! Why the broker did not do what was asked, and the code each reason has in the API.

use cps_api::{Code, Problem};

use crate::caller::CallerError;
use crate::cards::CardsError;
use crate::grants::GrantsError;
use crate::journal::JournalError;
use crate::login::LoginError;
use crate::modules::HostError;
use crate::prompt::PromptError;
use crate::token::TokenError;

/// A request was refused or failed. Never holds a secret.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The calling process is not (or no longer) who it was.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The card service or the card.
    #[error(transparent)]
    Cards(#[from] CardsError),
    /// The card's certificate must not be used.
    #[error(transparent)]
    Certificate(#[from] TrustRefusal),
    /// The practitioner said no.
    #[error("the practitioner denied this use")]
    Denied,
    /// The server is not in the configuration.
    #[error("{destination} is not a configured destination; add a [[destination]] for it")]
    DestinationNotAllowed {
        /// `host:port`.
        destination: String,
    },
    /// No grant has this name.
    #[error("no grant is named {id}")]
    GrantUnknown {
        /// The name.
        id: String,
    },
    /// Grants could not be kept.
    #[error(transparent)]
    Grants(#[from] GrantsError),
    /// The journal cannot be written, so the result is not released.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The card is not unlocked, and why.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The consent dialog gave no answer.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A task of ours ended before its time.
    #[error("internal error: {what}")]
    Internal {
        /// Which one.
        what: &'static str,
    },
}

/// The verdict on a certificate forbids its use.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct TrustRefusal {
    /// The code of the verdict (`certificate.expired`, …).
    pub code: Code,
    /// What the check found, in English.
    pub detail: String,
}

impl BrokerError {
    /// The stable code of the API. The one place where a refusal gets its code.
    pub fn code(&self) -> Code {
        match self {
            Self::Caller(CallerError::AnotherUser { .. }) => Code::CallerDenied,
            Self::Caller(_) => Code::CallerUnknown,
            Self::Cards(error) => cards(error),
            Self::Certificate(refusal) => refusal.code,
            Self::Denied => Code::GrantDenied,
            Self::DestinationNotAllowed { .. } => Code::TlsDestinationNotAllowed,
            Self::GrantUnknown { .. } => Code::GrantUnknown,
            Self::Grants(GrantsError::Caller(_)) => Code::CallerUnknown,
            Self::Grants(GrantsError::Full) => Code::CallerTooMany,
            Self::Grants(GrantsError::Io { .. }) | Self::Internal { .. } => Code::Internal,
            Self::Journal(_) => Code::JournalUnavailable,
            Self::Login(error) => login(error),
            Self::Prompt(error) => match error {
                PromptError::Cancelled => Code::GrantDenied,
                other => prompt(other),
            },
        }
    }

    /// The problem document, with the details that the sentences have a place for.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(self.code()).detail(self.to_string());
        match self {
            Self::Cards(CardsError::Ambiguous(serials)) => problem.with("serials", serials.clone()),
            Self::Cards(CardsError::Token(error)) => token_details(problem, error),
            Self::DestinationNotAllowed { destination } => {
                problem.with("destination", destination.as_str())
            }
            Self::Login(error) => match error {
                LoginError::AlreadyRefused { left } => tries(problem, *left),
                LoginError::Form { min, max } => problem.with("min", *min).with("max", *max),
                LoginError::Cards(CardsError::Token(error)) => token_details(problem, error),
                LoginError::Prompt(error) => held_off(problem, error),
                LoginError::Incorrect { left } | LoginError::PukIncorrect { left } => {
                    tries(problem, *left)
                }
                _ => problem,
            },
            Self::Prompt(error) => held_off(problem, error),
            _ => problem,
        }
    }
}

/// The code of a card service error.
pub fn cards(error: &CardsError) -> Code {
    match error {
        CardsError::Absent => Code::CardAbsent,
        CardsError::Ambiguous(_) => Code::CardAmbiguous,
        CardsError::Busy => Code::CardBusy,
        CardsError::Deadline { .. } => Code::QueueDeadline,
        CardsError::Mute => Code::CardMute,
        CardsError::QueueFull => Code::QueueFull,
        CardsError::Removed => Code::CardRemoved,
        CardsError::ServiceStopped => Code::ReaderServiceAbsent,
        CardsError::ShuttingDown => Code::DaemonStopping,
        CardsError::Token(error) => token(error),
    }
}

/// The code of a card's own refusal.
pub fn token(error: &TokenError) -> Code {
    match error {
        TokenError::Exclusive => Code::CardBusy,
        TokenError::Malformed(_) | TokenError::SignatureMismatch => Code::CardMalformed,
        TokenError::Module(error) => match error {
            HostError::Crashed { .. } => Code::ModuleCrashed,
            HostError::Garbage { .. } => Code::ModuleMalformed,
            HostError::Refused { .. } => Code::ModuleRefused,
            HostError::TimedOut { .. } => Code::ModuleTimeout,
            HostError::Unavailable { .. } => Code::ModuleUnavailable,
        },
        TokenError::Mute => Code::CardMute,
        TokenError::NoKey(_) => Code::CardNoKey,
        TokenError::NotPresent(_) | TokenError::Unsupported(_) => Code::CardUnsupported,
        TokenError::PinBlocked => Code::PinBlocked,
        TokenError::PinCancelled => Code::PinCancelled,
        TokenError::PinFormat(_) => Code::PinFormat,
        TokenError::PinIncorrect { .. } => Code::PinIncorrect,
        TokenError::PinRequired => Code::PinRequired,
        TokenError::PukBlocked => Code::PukBlocked,
        TokenError::PukIncorrect { .. } => Code::PukIncorrect,
        TokenError::Reader(_) => Code::ReaderError,
        TokenError::Refused { .. } => Code::CardRefused,
        TokenError::Removed => Code::CardRemoved,
        TokenError::Reset => Code::CardReset,
        TokenError::TechnicalOnly => Code::CardTechnicalOnly,
        TokenError::Undecryptable => Code::ObjectUndecryptable,
        TokenError::UnknownCard(_) | TokenError::Unrecognised => Code::CardUnknown,
    }
}

fn login(error: &LoginError) -> Code {
    match error {
        LoginError::AlreadyRefused { .. } => Code::PinAlreadyRefused,
        LoginError::Blocked => Code::PinBlocked,
        LoginError::Cards(error) => cards(error),
        LoginError::Form { .. } => Code::PinFormat,
        LoginError::Incorrect { .. } => Code::PinIncorrect,
        LoginError::LastTryDeclined => Code::PinLastTryDeclined,
        LoginError::Prompt(error) => prompt(error),
        LoginError::PukBlocked => Code::PukBlocked,
        LoginError::PukIncorrect { .. } => Code::PukIncorrect,
    }
}

fn prompt(error: &PromptError) -> Code {
    match error {
        PromptError::Cancelled => Code::PinCancelled,
        PromptError::HeldOff { .. } => Code::PromptHeldOff,
        PromptError::TimedOut => Code::PromptTimeout,
        PromptError::Misbehaved { .. } | PromptError::Unavailable { .. } => Code::PromptUnavailable,
    }
}

fn held_off(problem: Problem, error: &PromptError) -> Problem {
    match error {
        PromptError::HeldOff { seconds } => problem.with("seconds", *seconds),
        _ => problem,
    }
}

fn token_details(problem: Problem, error: &TokenError) -> Problem {
    match error {
        TokenError::PinFormat(rules) => problem.with("min", rules.min).with("max", rules.max),
        TokenError::PinIncorrect { left } | TokenError::PukIncorrect { left } => {
            tries(problem, *left)
        }
        TokenError::Malformed(reason) | TokenError::Reader(reason) => {
            problem.with("reason", reason.as_str())
        }
        TokenError::Module(error) => {
            let problem = problem.with("module", error.module());
            match error {
                HostError::Crashed { how: reason, .. }
                | HostError::Garbage { what: reason, .. }
                | HostError::Refused { text: reason, .. }
                | HostError::Unavailable { why: reason, .. } => {
                    problem.with("reason", reason.as_str())
                }
                HostError::TimedOut { .. } => problem,
            }
        }
        _ => problem,
    }
}

fn tries(problem: Problem, left: Option<u8>) -> Problem {
    match left {
        Some(left) => problem.with("tries_left", left),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_another_program_keeps_is_busy() {
        for error in [CardsError::Busy, CardsError::Token(TokenError::Exclusive)] {
            let asked = BrokerError::Cards(error.clone());
            let login = BrokerError::Login(LoginError::Cards(error));
            for refusal in [asked, login] {
                assert_eq!(refusal.problem().code, "card.busy", "{refusal}");
            }
        }
    }
}
