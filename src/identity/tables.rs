//! National code tables.

/// A code table of the national nomenclatures.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Table {
    G01,
    G02,
    G03,
    G04,
    G05,
    G07,
    G08,
    G11,
    G15,
    G16,
    G17,
    R01,
    R02,
}

/// A code with its table and, where known, its French label.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coded {
    /// Table.
    pub table: Table,
    /// The code as the source carries it.
    pub code: String,
    /// French label; `None` when the code is not known here (newer than our tables).
    pub label_fr: Option<String>,
}

impl Coded {
    /// Looks the code up in the built-in dictionary.
    pub fn new(_table: Table, _code: &str) -> Self {
        todo!()
    }
    /// OID of the nomenclature, where one is assigned.
    pub fn oid(&self) -> Option<&'static str> {
        todo!()
    }
}

/// Labels of codes.
#[derive(Clone, Debug)]
pub struct Dictionary {}

impl Dictionary {
    /// The tables compiled into this crate.
    pub fn built_in() -> &'static Self {
        todo!()
    }
    /// Reads an official `DICO-FR.GIP`.
    pub fn from_gip(_bytes: &[u8]) -> Result<Self, InvalidDictionary> {
        todo!()
    }
    /// French label of a code.
    pub fn label(&self, _table: Table, _code: &str) -> Option<&str> {
        todo!()
    }
}

/// The bytes are not a readable dictionary.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed dictionary")]
pub struct InvalidDictionary;
