//! National code tables: codes, labels, and the official dictionary file that renews them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

mod gip;

/// A code table of the national nomenclatures.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Table {
    /// Languages.
    G00,
    /// Product categories: card, security module, software; 80 and above are tests.
    G01,
    /// Card types: CPS, CPF, CDE/CPE, CDA/CPA.
    G02,
    /// Civilities.
    G03,
    /// Levels of responsibility.
    G04,
    /// Sections of the pharmacists' register.
    G05,
    /// Short civilities.
    G06,
    /// Kinds of structure identifiers.
    G07,
    /// Kinds of person identifiers.
    G08,
    /// Departments.
    G09,
    /// Natures of an ADELI qualification.
    G11,
    /// ADELI specialities.
    G12,
    /// Particular orientations.
    G13,
    /// Professions.
    G15,
    /// Professions in training.
    G16,
    /// Modes of practice.
    G17,
    /// Additional attributions.
    G18,
    /// ADELI sectors of activity.
    G19,
    /// Specialisations.
    G20,
    /// Health-insurance specialities.
    G100,
    /// Health-insurance conventions.
    G101,
    /// Tariff zones. Their labels depend on a sub-code, so none is given.
    G102,
    /// Kilometre allowances.
    G103,
    /// Agreements.
    G104,
    /// Geographic zones.
    G105,
    /// RPPS specialities.
    R01,
    /// RPPS sectors of activity.
    R02,
    /// Particular attributions.
    R03,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 28] = [
        Self::G00,
        Self::G01,
        Self::G02,
        Self::G03,
        Self::G04,
        Self::G05,
        Self::G06,
        Self::G07,
        Self::G08,
        Self::G09,
        Self::G11,
        Self::G12,
        Self::G13,
        Self::G15,
        Self::G16,
        Self::G17,
        Self::G18,
        Self::G19,
        Self::G20,
        Self::G100,
        Self::G101,
        Self::G102,
        Self::G103,
        Self::G104,
        Self::G105,
        Self::R01,
        Self::R02,
        Self::R03,
    ];

    /// Official name, such as `G15`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::G00 => "G00",
            Self::G01 => "G01",
            Self::G02 => "G02",
            Self::G03 => "G03",
            Self::G04 => "G04",
            Self::G05 => "G05",
            Self::G06 => "G06",
            Self::G07 => "G07",
            Self::G08 => "G08",
            Self::G09 => "G09",
            Self::G11 => "G11",
            Self::G12 => "G12",
            Self::G13 => "G13",
            Self::G15 => "G15",
            Self::G16 => "G16",
            Self::G17 => "G17",
            Self::G18 => "G18",
            Self::G19 => "G19",
            Self::G20 => "G20",
            Self::G100 => "G100",
            Self::G101 => "G101",
            Self::G102 => "G102",
            Self::G103 => "G103",
            Self::G104 => "G104",
            Self::G105 => "G105",
            Self::R01 => "R01",
            Self::R02 => "R02",
            Self::R03 => "R03",
        }
    }

    /// The code a card writes as one byte: its two hexadecimal digits, or the last one in the
    /// tables whose codes are a single character.
    pub fn code_of_byte(self, byte: u8) -> String {
        match self {
            Self::G07 | Self::G101 | Self::G103 | Self::G105 => format!("{byte:X}"),
            _ => format!("{byte:02X}"),
        }
    }

    /// OID of the nomenclature (NOS), where one is assigned.
    pub fn oid(self) -> Option<&'static str> {
        Some(match self {
            Self::G01 => "1.2.250.1.71.1.2.5",
            Self::G02 => "1.2.250.1.71.1.2.2",
            Self::G03 => "1.2.250.1.71.1.2.11",
            Self::G04 => "1.2.250.1.71.1.2.12",
            Self::G05 => "1.2.250.1.71.4.2.6",
            Self::G07 => "1.2.250.1.71.1.2.14",
            Self::G08 => "1.2.250.1.71.1.2.15",
            Self::G15 => "1.2.250.1.71.1.2.7",
            Self::G16 => "1.2.250.1.71.1.2.8",
            Self::G17 => "1.2.250.1.71.1.2.21",
            Self::G18 => "1.2.250.1.71.1.2.22",
            Self::R01 => "1.2.250.1.71.4.2.5",
            Self::R02 => "1.2.250.1.71.4.2.4",
            Self::R03 => "1.2.250.1.71.1.2.27",
            _ => return None,
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Table {
    type Err = UnknownTable;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|table| table.as_str() == name)
            .ok_or(UnknownTable)
    }
}

/// No table of this name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown code table")]
pub struct UnknownTable;

/// A code with its table and, where known, its French label.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Coded {
    /// Table the code belongs to.
    pub table: Table,
    /// The code in the table's own form, such as `10` or `SM26`.
    pub code: String,
    /// French label; `None` when the code is newer than the tables at hand.
    pub label_fr: Option<String>,
}

impl Coded {
    /// Looks the code up in the built-in dictionary.
    pub fn new(table: Table, code: &str) -> Self {
        Dictionary::built_in().code(table, code)
    }

    /// OID of the nomenclature, where one is assigned.
    pub fn oid(&self) -> Option<&'static str> {
        self.table.oid()
    }

    /// Takes the label of another dictionary, when it knows the code.
    pub fn relabel(&mut self, dictionary: &Dictionary) {
        if let Some(label) = dictionary.label(self.table, &self.code) {
            self.label_fr = Some(label.to_owned());
        }
    }
}

/// The label where known, else the bare code.
impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label_fr.as_deref().unwrap_or(&self.code))
    }
}

/// Labels of codes, from the built-in tables or from an official file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Dictionary {
    labels: BTreeMap<Table, BTreeMap<String, String>>,
    version: Option<String>,
}

impl Dictionary {
    /// The tables compiled into this crate.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Dictionary> = LazyLock::new(|| {
            let mut dictionary = Dictionary::default();
            for line in include_str!("tables/codes.tsv").lines() {
                let mut columns = line.split('\t');
                let (table, code, label) = (columns.next(), columns.next(), columns.next());
                let table = table.and_then(|table| table.parse().ok());
                if let (Some(table), Some(code), Some(label)) = (table, code, label) {
                    dictionary.insert(table, code, label);
                }
            }
            dictionary
        });
        &BUILT_IN
    }

    /// Reads an official `DICO-FR.GIP` file: ISO-8859-1, CRLF, six tab-separated columns (table,
    /// code, sub-code, empty, length, label), and a trailer with the SHA-1 of all that precedes.
    ///
    /// The length column is ignored (one published row has it wrong), and so are rows with a
    /// sub-code and tables this version does not know.
    ///
    /// # Errors
    ///
    /// Larger than 4 MB, a row without six columns, no checksum, or a checksum that disagrees.
    pub fn from_gip(bytes: &[u8]) -> Result<Self, InvalidDictionary> {
        gip::read(bytes)
    }

    /// What the official file says of its version; `None` for the built-in tables.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// French label of a code.
    pub fn label(&self, table: Table, code: &str) -> Option<&str> {
        self.labels.get(&table)?.get(code).map(String::as_str)
    }

    /// The code with its label, bare when unknown.
    pub fn code(&self, table: Table, code: &str) -> Coded {
        Coded {
            table,
            code: code.to_owned(),
            label_fr: self.label(table, code).map(str::to_owned),
        }
    }

    /// Codes of a table with their labels, in the order of the codes.
    pub fn codes(&self, table: Table) -> impl Iterator<Item = (&str, &str)> {
        self.labels
            .get(&table)
            .into_iter()
            .flatten()
            .map(|(code, label)| (code.as_str(), label.as_str()))
    }

    fn insert(&mut self, table: Table, code: &str, label: &str) {
        self.labels
            .entry(table)
            .or_default()
            .insert(code.to_owned(), label.to_owned());
    }
}

/// The bytes are not a readable official dictionary.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDictionary {
    /// The file was altered or cut: fetch it again.
    #[error("the dictionary's SHA-1 is {actual}, its trailer says {stated}")]
    Checksum {
        /// SHA-1 of the content, upper-case hexadecimal.
        actual: String,
        /// What the trailer says.
        stated: String,
    },
    /// A row has not six columns.
    #[error("line {line} of the dictionary has not six columns")]
    Columns {
        /// Line, counted from 1.
        line: usize,
    },
    /// The trailer is missing: cut, or not a dictionary.
    #[error("the file has no dictionary checksum")]
    NoChecksum,
    /// Larger than any dictionary.
    #[error("the file is larger than any dictionary")]
    TooLarge,
}

#[cfg(test)]
mod tests;
