//! Dialogs with the practitioner: the only place where a PIN is typed and a use is allowed.
//!
//! [`Prompter`] is the seam. The daemon uses [`Pinentry`]; tests use a scripted one.

pub mod assuan;
mod locked;
mod pinentry;
mod text;
mod turns;

pub use self::locked::LockedBuffer;
pub use self::pinentry::Pinentry;
pub use self::turns::Turns;

use futures_util::future::{BoxFuture, Shared};

use crate::caller::{Application, Caller, PromptEnvironment};
use crate::purpose::{Language, Purpose};

/// Shows dialogs. Dropping the future closes the dialog; one dialog is open at a time.
pub trait Prompter: Send + Sync {
    /// Asks for a PIN, a new PIN or an unblocking code. It is not checked here.
    fn pin(&self, request: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>>;
    /// Asks whether something may be done.
    fn confirm(&self, request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>>;
    /// Tells something that must not go unseen; answered by closing it.
    fn inform(&self, request: InformRequest) -> BoxFuture<'_, Result<(), PromptError>>;
}

/// What every dialog says: who asks, for what, with which card.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Language of the dialog.
    pub language: Language,
    /// Where to show it.
    pub environment: PromptEnvironment,
    /// What the program is called, see [`Caller::title`].
    pub program: String,
    /// Path of its executable, so that a look-alike in another place is seen.
    pub path: String,
    /// Sandboxed application, see [`Caller::app_id`].
    pub app_id: Option<String>,
    /// What it wants.
    pub purpose: Purpose,
    /// Serial number of the card.
    pub card: String,
    /// Name on the card's certificate, when it has been read.
    pub holder: Option<String>,
}

/// A subject that is put together when the first dialog needs it: finding out what the program is
/// called reads files.
pub type PendingSubject = Shared<BoxFuture<'static, Subject>>;

/// Asks for a secret.
#[derive(Clone, Debug)]
pub struct PinRequest {
    /// Who, what and which card.
    pub subject: Subject,
    /// Which secret.
    pub secret: Secret,
    /// Tries left before the card blocks this secret, when the card tells.
    pub tries_left: Option<u8>,
    /// Shortest and longest length the card accepts.
    pub length: (usize, usize),
    /// Why the same question is asked again.
    pub note: Option<PinNote>,
}

/// Which secret is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Secret {
    /// The PIN the card has now ("code porteur").
    Current,
    /// A new PIN, first time.
    New,
    /// The new PIN once more.
    Repeated,
    /// The unblocking code ("code de déblocage", PUK).
    Unblocking,
}

/// Why the same question is asked again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinNote {
    /// It is the one the card refused a moment ago.
    AlreadyRefused,
    /// The card has just refused it.
    Incorrect,
    /// The two entries of the new PIN differ.
    Mismatch,
    /// Length or characters do not fit the card's rules.
    WrongForm,
}

/// Asks for a decision.
#[derive(Clone, Debug)]
pub struct ConfirmRequest {
    /// Who, what and which card.
    pub subject: Subject,
    /// The question.
    pub question: Question,
}

/// What is to be decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Question {
    /// May the program do this, once or for longer? `days` = 0: longer means until the card is
    /// removed.
    Allow {
        /// Days that "longer" means.
        days: u16,
    },
    /// May the program do exactly this, this once?
    AllowOnce,
    /// One try is left before the card blocks: go on?
    LastTry,
    /// A wrong PIN was given before and the token does not tell how many tries are left: go on?
    PerhapsLastTry,
    /// Ready to type the PIN at the pad of the reader?
    PinPad,
}

/// What is told.
#[derive(Clone, Debug)]
pub struct InformRequest {
    /// Who, what and which card.
    pub subject: Subject,
    /// The message.
    pub message: Message,
}

/// A message with a single button.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Message {
    /// The PIN has just been blocked; says how to unblock it.
    PinBlocked,
}

/// The answer to a [`ConfirmRequest`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Yes, for this number of days.
    Days(u16),
    /// No.
    Deny,
    /// Yes, until the card is removed or locked.
    ForSession,
    /// Yes, this time.
    Once,
}

/// A dialog gave no answer.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PromptError {
    /// The person closed it.
    #[error("the dialog was cancelled")]
    Cancelled,
    /// The program's dialogs were refused a moment ago; none was shown.
    #[error("dialogs of this program were refused; it may ask again in {seconds} s")]
    HeldOff {
        /// When it may ask again, in seconds.
        seconds: u64,
    },
    /// The pinentry program did not follow the protocol.
    #[error("the dialog program misbehaved: {what}")]
    Misbehaved {
        /// What it did.
        what: String,
    },
    /// Nobody answered in time.
    #[error("nobody answered the dialog in time")]
    TimedOut,
    /// No dialog can be shown: program missing, no display, no terminal, no lockable memory.
    #[error("no dialog can be shown: {what}")]
    Unavailable {
        /// What failed.
        what: String,
    },
}

impl Subject {
    /// The subject for a caller, in the configured language or else in the caller's own.
    pub fn new(
        caller: &Caller,
        application: Option<&Application>,
        purpose: Purpose,
        card: String,
        holder: Option<String>,
        language: Option<Language>,
    ) -> Self {
        Self {
            language: Self::language(caller, language),
            environment: caller.environment.clone(),
            program: caller.title(application),
            path: caller.program().path.display().to_string(),
            app_id: caller.app_id.clone(),
            purpose,
            card,
            holder,
        }
    }

    /// The configured language, or else the caller's own.
    pub(crate) fn language(caller: &Caller, configured: Option<Language>) -> Language {
        let locale = caller.environment.lang.as_deref();
        configured
            .or_else(|| Language::of_locale(locale?))
            .unwrap_or_default()
    }
}
