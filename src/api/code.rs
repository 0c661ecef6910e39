//! Every way a request can fail.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

mod catalogue;
mod template;

#[cfg(test)]
mod tests;

pub use catalogue::Code;

impl Code {
    /// The sentence in `lang`, with the details of `members` in their places.
    ///
    /// A part that needs a detail which is not given is left out.
    pub fn sentence(self, lang: Lang, members: &Map<String, Value>) -> String {
        let entry = self.entry();
        let template = match lang {
            Lang::English => entry.en,
            Lang::French => entry.fr,
        };
        template::render(template, members)
    }

    /// What to do about it, in `lang`, with the details of `members` in their places.
    pub fn remedy(self, lang: Lang, members: &Map<String, Value>) -> String {
        let entry = self.entry();
        let template = match lang {
            Lang::English => entry.remedy_en,
            Lang::French => entry.remedy_fr,
        };
        template::render(template, members)
    }

    /// The stable word used on the wire.
    pub fn as_str(self) -> &'static str {
        self.entry().code
    }

    /// Who is at fault.
    pub fn fault(self) -> Fault {
        self.entry().fault
    }

    /// HTTP status of the answer that carries it.
    pub fn status(self) -> u16 {
        self.entry().status
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .find(|code| code.as_str() == text)
            .copied()
            .ok_or(UnknownCode)
    }
}

/// Who is at fault: whom to turn to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// The program that asked, or the person who answered for it.
    Caller,
    /// The card, or its certificate.
    Card,
    /// The settings of this workstation.
    Configuration,
    /// This software.
    Internal,
    /// The reader, or the reader service.
    Reader,
    /// A distant server.
    Server,
}

impl Fault {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Card => "card",
            Self::Configuration => "configuration",
            Self::Internal => "internal",
            Self::Reader => "reader",
            Self::Server => "server",
        }
    }
}

/// A language of the sentences.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lang {
    /// English.
    English,
    /// French.
    French,
}

impl Lang {
    /// The language of a POSIX locale (`fr_FR.UTF-8`) or language tag (`fr-CA`): French, else English.
    pub fn of_locale(locale: &str) -> Self {
        let language = locale
            .split(['_', '-', '.', '@'])
            .next()
            .unwrap_or_default();
        if language.eq_ignore_ascii_case("fr") {
            Self::French
        } else {
            Self::English
        }
    }
}

/// The word is not a code of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown problem code")]
pub struct UnknownCode;

/// One line of the catalogue.
struct Entry {
    code: &'static str,
    fault: Fault,
    status: u16,
    fr: &'static str,
    en: &'static str,
    remedy_fr: &'static str,
    remedy_en: &'static str,
}
