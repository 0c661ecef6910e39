//! What a server says it can do.

use super::Settings;
use super::reply::Reply;

/// The service extensions in an answer to `EHLO` (RFC 5321 §4.1.1.1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extensions(Vec<String>);

impl Extensions {
    pub(super) fn of(answer: &Reply) -> Self {
        Self(answer.texts.iter().skip(1).cloned().collect())
    }

    /// Whether the extension of this name is offered.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether this SASL mechanism is offered (RFC 4954 §3), also in the way of older servers
    /// (`AUTH=`).
    pub fn has_mechanism(&self, mechanism: &str) -> bool {
        self.0
            .iter()
            .flat_map(|line| {
                line.strip_prefix("AUTH=")
                    .or_else(|| line.strip_prefix("AUTH "))
            })
            .flat_map(str::split_whitespace)
            .any(|offered| offered.eq_ignore_ascii_case(mechanism))
    }

    /// The largest message, if there is a bound (RFC 1870: 0 says that there is none).
    pub fn size(&self) -> Option<u64> {
        self.find("SIZE")?.parse().ok().filter(|size| *size > 0)
    }

    /// What clients are offered after their login: this, with our own bound, and without what the
    /// relay does not carry.
    pub(super) fn offered(&self, settings: &Settings) -> Reply {
        let mut texts = vec![
            settings.host_name.clone(),
            format!("SIZE {}", self.bound(settings)),
        ];
        // The relay takes commands in groups, whatever the operator does.
        texts.push("PIPELINING".to_owned());
        texts.extend(self.0.iter().filter(|line| is_carried(line)).cloned());
        Reply { code: 250, texts }
    }

    /// The smaller of our bound and the operator's.
    fn bound(&self, settings: &Settings) -> u64 {
        self.size()
            .map_or(settings.size, |size| size.min(settings.size))
    }

    /// The parameters of an extension.
    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| {
            let (keyword, parameters) = line.split_once(' ').unwrap_or((line, ""));
            keyword.eq_ignore_ascii_case(name).then_some(parameters)
        })
    }
}

/// Not what we say ourselves, nor what changes who is at the other end or how messages go over.
fn is_carried(line: &str) -> bool {
    let keyword = line.split([' ', '=']).next().unwrap_or_default();
    !NOT_CARRIED
        .iter()
        .any(|name| keyword.eq_ignore_ascii_case(name))
}

const NOT_CARRIED: [&str; 11] = [
    "ATRN",
    "AUTH",
    "BINARYMIME",
    "BURL",
    "CHUNKING",
    "ETRN",
    "PIPELINING",
    "SIZE",
    "STARTTLS",
    "XCLIENT",
    "XFORWARD",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Language;

    fn extensions(lines: &[&str]) -> Extensions {
        Extensions(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    #[test]
    fn names_have_no_case_and_are_whole() {
        let offered = extensions(&["STARTTLS", "size 26214400", "AUTH EXTERNAL xoauth2"]);
        assert!(offered.has("starttls"));
        assert!(!offered.has("START"));
        assert_eq!(offered.size(), Some(26_214_400));
        assert!(offered.has_mechanism("EXTERNAL") && offered.has_mechanism("XOAUTH2"));
        assert!(!offered.has_mechanism("PLAIN"));
        assert!(extensions(&["AUTH=LOGIN EXTERNAL"]).has_mechanism("EXTERNAL"));
        assert_eq!(extensions(&["SIZE 0"]).size(), None);
        assert_eq!(extensions(&["SIZE"]).size(), None);
    }

    #[test]
    fn clients_are_offered_what_is_carried() {
        let settings = Settings {
            host_name: "cpsd.localhost".to_owned(),
            size: 1000,
            language: Language::French,
            product: None,
        };
        let operator = extensions(&[
            "PIPELINING",
            "SIZE 500",
            "STARTTLS",
            "AUTH EXTERNAL",
            "AUTH=EXTERNAL",
            "8BITMIME",
            "DSN",
            "CHUNKING",
            "BINARYMIME",
            "XCLIENT NAME ADDR",
            "VRFY",
        ]);
        assert_eq!(
            operator.offered(&settings).texts,
            [
                "cpsd.localhost",
                "SIZE 500",
                "PIPELINING",
                "8BITMIME",
                "DSN",
                "VRFY"
            ]
        );
        assert_eq!(
            extensions(&["SIZE 2000"]).offered(&settings).texts,
            ["cpsd.localhost", "SIZE 1000", "PIPELINING"]
        );
    }
}
