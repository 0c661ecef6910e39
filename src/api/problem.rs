//! The RFC 9457 document that tells a failure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::code::{Code, Fault, Lang};

#[cfg(test)]
mod tests;

/// A problem document (RFC 9457), media type [`Problem::MEDIA_TYPE`].
///
/// Details (`tries_left`, `serials`, `host`…) are extension members beside the named ones; giving one
/// also writes it in the sentences that have a place for it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// `urn:cpsd:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The English sentence without the details: the same for every occurrence.
    pub title: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// What happened this time, in English, for whoever looks into it; the sentence when there is
    /// nothing to add. Never a secret.
    #[serde(default)]
    pub detail: String,
    /// The stable code; text, because a newer daemon may send one that this version does not know.
    pub code: String,
    /// Who is at fault: a word of [`Fault`].
    pub fault: String,
    /// The sentence in French.
    pub fr: String,
    /// The sentence in English.
    pub en: String,
    /// What to do, in French.
    pub remedy_fr: String,
    /// What to do, in English.
    pub remedy_en: String,
    /// The details.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// Media type of a problem document.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The document of `code`, without details.
    pub fn new(code: Code) -> Self {
        let members = Map::new();
        let en = code.sentence(Lang::English, &members);
        Self {
            kind: format!("urn:cpsd:problem:{code}"),
            title: en.clone(),
            status: code.status(),
            detail: en.clone(),
            code: code.as_str().to_owned(),
            fault: code.fault().as_str().to_owned(),
            fr: code.sentence(Lang::French, &members),
            en,
            remedy_fr: code.remedy(Lang::French, &members),
            remedy_en: code.remedy(Lang::English, &members),
            members,
        }
    }

    /// Adds what happened this time, in English.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds a detail, and writes it in the sentences.
    ///
    /// A name that RFC 9457 or this document already uses is ignored: it would be sent twice.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if Self::NAMED.contains(&name) {
            return self;
        }
        let detail_is_sentence = self.detail == self.en;
        self.members.insert(name.to_owned(), value.into());
        if let Some(code) = self.code() {
            self.fr = code.sentence(Lang::French, &self.members);
            self.en = code.sentence(Lang::English, &self.members);
            self.remedy_fr = code.remedy(Lang::French, &self.members);
            self.remedy_en = code.remedy(Lang::English, &self.members);
        }
        if detail_is_sentence {
            self.detail = self.en.clone();
        }
        self
    }

    /// The code, when this version knows it.
    pub fn code(&self) -> Option<Code> {
        self.code.parse().ok()
    }

    /// Who is at fault, when this version knows the code.
    pub fn fault(&self) -> Option<Fault> {
        self.code().map(Code::fault)
    }

    /// The sentence in `lang`.
    pub fn sentence(&self, lang: Lang) -> &str {
        match lang {
            Lang::English => &self.en,
            Lang::French => &self.fr,
        }
    }

    /// What to do, in `lang`.
    pub fn remedy(&self, lang: Lang) -> &str {
        match lang {
            Lang::English => &self.remedy_en,
            Lang::French => &self.remedy_fr,
        }
    }

    const NAMED: [&'static str; 11] = [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "fault",
        "fr",
        "en",
        "remedy_fr",
        "remedy_en",
    ];
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}
