//! One desktop entry: what a program is called, which icon it has, how it is started.
//!
//! Desktop Entry Specification 1.5 (freedesktop.org). Read here and not by a crate: the two
//! published ones (`freedesktop-desktop-entry`, `freedesktop_entry_parser`) are under the MPL, which
//! this project's licence list leaves out, and the first links GNU gettext.

use crate::purpose::Language;

/// What an application's entry says that matters here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct DesktopEntry {
    name: String,
    french: Option<String>,
    english: Option<String>,
    /// Name in the icon theme, or path of a picture.
    pub(super) icon: Option<String>,
    /// What it starts.
    pub(super) command: Option<Command>,
    /// The program whose presence it asks for.
    pub(super) try_exec: Option<String>,
    /// Whether it is kept out of menus.
    pub(super) no_display: bool,
}

/// The command line of an entry, as far as it says whose entry it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Command {
    /// First word: a path, or a name to look for in the system's folders.
    pub(super) program: String,
    /// Number of options with it: the entry with the fewest is the program's own.
    pub(super) options: usize,
    /// Whether the program is told to run, or to open, something fixed (`wine setup.exe`,
    /// `pkexec editor`, `java -jar x.jar`): the entry is then that thing's and not the program's.
    pub(super) runs_another: bool,
}

/// A file that is read as an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Parsed {
    /// An application.
    Application(DesktopEntry),
    /// `Hidden=true`: as if there were no entry of that name, here and in folders after this one.
    Hidden,
    /// No application, or not understood.
    Other,
}

impl DesktopEntry {
    /// Reads the `[Desktop Entry]` group.
    pub(super) fn parse(text: &str) -> Parsed {
        let mut entry = Self::default();
        let (mut application, mut hidden) = (false, false);
        let lines = text
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != GROUP)
            .skip(1)
            .take_while(|line| !line.starts_with('['));
        for line in lines.filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = unescaped(value.trim_start());
            match key.trim_end() {
                "Type" => application = value == "Application",
                "Hidden" => hidden = value == "true",
                "NoDisplay" => entry.no_display = value == "true",
                "Name" => entry.name = value,
                "Name[fr]" | "Name[fr_FR]" => entry.french = Some(value),
                "Name[en]" => entry.english = Some(value),
                "Icon" => entry.icon = Some(value).filter(|icon| !icon.is_empty()),
                "TryExec" => entry.try_exec = Some(value),
                "Exec" => entry.command = Command::parse(&value),
                _ => {}
            }
        }
        match (hidden, application && !entry.name.trim().is_empty()) {
            (true, _) => Parsed::Hidden,
            (false, true) => Parsed::Application(entry),
            (false, false) => Parsed::Other,
        }
    }

    /// The name in a language, or else the untranslated one.
    pub(super) fn name(&self, language: Language) -> &str {
        let translated = match language {
            Language::En => &self.english,
            Language::Fr => &self.french,
        };
        let said = |name: &&String| !name.trim().is_empty();
        translated.as_ref().filter(said).unwrap_or(&self.name)
    }

    /// Every name it goes by.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let translated = self.french.iter().chain(&self.english);
        translated.chain([&self.name]).map(String::as_str)
    }
}

impl Command {
    /// Reads the value of `Exec`; nothing when its quoting is broken.
    fn parse(value: &str) -> Option<Self> {
        let mut words = words(value)?.into_iter().peekable();
        if words
            .peek()
            .is_some_and(|first| first.rsplit('/').next() == Some("env"))
        {
            words.next();
            while words.peek().is_some_and(|word| word.contains('=')) {
                words.next();
            }
        }
        let program = words.next().filter(|word| !word.starts_with('-'))?;
        let arguments: Vec<String> = words.filter(|word| !field_code(word)).collect();
        let options = arguments
            .iter()
            .filter(|word| word.starts_with('-'))
            .count();
        Some(Self {
            program,
            options,
            runs_another: options < arguments.len(),
        })
    }
}

/// `%u`, `%F`…: replaced by what the user opens.
fn field_code(word: &str) -> bool {
    word.len() == 2 && word.starts_with('%') && word != "%%"
}

/// The words of a command line; double quotes hold a word together, a backslash in them takes the
/// next character as it is.
fn words(value: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('"', _) => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ('\\', true) => word.get_or_insert_default().push(characters.next()?),
            (' ' | '\t', false) => words.extend(word.take()),
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

/// A value of type string: `\s`, `\n`, `\t`, `\r` and `\\`.
fn unescaped(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('s') => plain.push(' '),
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some('\\') => plain.push('\\'),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

const GROUP: &str = "[Desktop Entry]";

#[cfg(test)]
mod tests;
