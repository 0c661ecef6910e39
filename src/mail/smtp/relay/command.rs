//! Commands of a client that is logged in.

use super::super::extensions::Extensions;
use crate::Address;

/// A command (RFC 5321 §4.1.1). What is passed on is written anew, so that the operator reads what
/// was understood here.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Command {
    /// `BDAT` (RFC 3030), which is not offered.
    Chunk,
    Data,
    ExtendedHello,
    Hello,
    Help,
    Mail(Mail),
    Noop,
    Quit,
    Recipient(Path),
    Reset,
    Verify(String),
}

impl Command {
    /// Reads a line without its end.
    ///
    /// # Errors
    ///
    /// The reply to give.
    pub(super) fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let line = str::from_utf8(line).map_err(|_| NOT_A_COMMAND)?.trim_end();
        if line.chars().any(char::is_control) {
            return Err(NOT_A_COMMAND);
        }
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim_start();
        match (verb.to_ascii_uppercase().as_str(), argument) {
            ("MAIL", _) => Mail::parse(argument).map(Self::Mail),
            ("RCPT", _) => Path::parse(argument).map(Self::Recipient),
            ("DATA", "") => Ok(Self::Data),
            ("RSET", "") => Ok(Self::Reset),
            ("QUIT", "") => Ok(Self::Quit),
            ("EHLO" | "HELO" | "VRFY", "") | ("DATA" | "RSET" | "QUIT", _) => Err(BAD_ARGUMENT),
            ("EHLO", _) => Ok(Self::ExtendedHello),
            ("HELO", _) => Ok(Self::Hello),
            ("NOOP", _) => Ok(Self::Noop),
            ("HELP", _) => Ok(Self::Help),
            ("VRFY", name) => Ok(Self::Verify(name.to_owned())),
            ("BDAT", _) => Ok(Self::Chunk),
            ("AUTH", _) => Err("503 5.5.1 Already logged in\r\n"),
            ("STARTTLS" | "EXPN" | "ETRN" | "TURN" | "ATRN" | "BURL", _) => {
                Err("502 5.5.1 Not provided\r\n")
            }
            _ => Err(NOT_A_COMMAND),
        }
    }
}

/// `MAIL FROM:<…> …`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Mail {
    /// `None` is the null sender.
    pub(super) from: Option<Address>,
    /// The declared size (RFC 1870).
    pub(super) size: Option<u64>,
    parameters: Vec<String>,
}

impl Mail {
    fn parse(argument: &str) -> Result<Self, &'static str> {
        let (path, parameters) = path(argument, "FROM:")?;
        let from = match path {
            "" => None,
            path => Some(Address::parse(path).map_err(|_| "553 5.1.7 Not an address\r\n")?),
        };
        let size = match parameters
            .iter()
            .find_map(|parameter| value(parameter, "SIZE"))
        {
            Some(size) => Some(size.parse().map_err(|_| BAD_ARGUMENT)?),
            None => None,
        };
        Ok(Self {
            from,
            size,
            parameters,
        })
    }

    /// The command for a server with these extensions. Before its login the client was told of
    /// ours: what the operator would not understand is left out, where that changes nothing. The
    /// author is who the operator knows (`AUTH`, RFC 4954 §5).
    pub(super) fn command(&self, extensions: &Extensions) -> String {
        let from = self.from.as_ref().map(ToString::to_string);
        let mut command = format!("MAIL FROM:<{}>", from.unwrap_or_default());
        for parameter in &self.parameters {
            let dropped = value(parameter, "AUTH").is_some()
                || (value(parameter, "SIZE").is_some() && !extensions.has("SIZE"));
            if !dropped {
                command.push(' ');
                command.push_str(parameter);
            }
        }
        command
    }
}

/// `RCPT TO:<…> …`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Path {
    pub(super) to: Address,
    parameters: Vec<String>,
}

impl Path {
    fn parse(argument: &str) -> Result<Self, &'static str> {
        let (path, parameters) = path(argument, "TO:")?;
        let to = Address::parse(path).map_err(|_| "553 5.1.3 Not an address\r\n")?;
        Ok(Self { to, parameters })
    }

    pub(super) fn command(&self) -> String {
        let mut command = format!("RCPT TO:<{}>", self.to);
        for parameter in &self.parameters {
            command.push(' ');
            command.push_str(parameter);
        }
        command
    }
}

/// `FROM:<path> parameters`, with blanks before the path as some clients write them.
fn path<'a>(argument: &'a str, word: &str) -> Result<(&'a str, Vec<String>), &'static str> {
    let (found, rest) = argument.split_at_checked(word.len()).ok_or(BAD_ARGUMENT)?;
    let path = rest.trim_start().strip_prefix('<');
    let (path, parameters) = path
        .filter(|_| found.eq_ignore_ascii_case(word))
        .and_then(|path| path.split_once('>'))
        .ok_or(BAD_ARGUMENT)?;
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(BAD_ARGUMENT);
    }
    let parameters = parameters.split_ascii_whitespace().map(str::to_owned);
    Ok((path, parameters.collect()))
}

/// The value of a parameter of this name.
fn value<'a>(parameter: &'a str, name: &str) -> Option<&'a str> {
    let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    keyword.eq_ignore_ascii_case(name).then_some(value)
}

const NOT_A_COMMAND: &str = "500 5.5.2 Not a command\r\n";
const BAD_ARGUMENT: &str = "501 5.5.4 Not an argument of this command\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(line: &str) -> Mail {
        match Command::parse(line.as_bytes()) {
            Ok(Command::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_sender_is_read_and_written_anew() {
        let read =
            mail("mail from: <Jean@Medecin.test.mssante.fr>  size=500 BODY=8BITMIME auth=<>");
        assert_eq!(read.size, Some(500));
        assert_eq!(
            read.command(&Extensions::default()),
            "MAIL FROM:<Jean@medecin.test.mssante.fr> BODY=8BITMIME"
        );
        let able = Extensions::of(&super::super::Reply {
            code: 250,
            texts: vec![String::new(), "SIZE 1000".to_owned()],
        });
        assert_eq!(
            read.command(&able),
            "MAIL FROM:<Jean@medecin.test.mssante.fr> size=500 BODY=8BITMIME"
        );
        assert_eq!(mail("MAIL FROM:<>").from, None);
    }

    #[test]
    fn commands_have_no_case_and_no_trailing_blanks() {
        assert_eq!(Command::parse(b"dAtA  "), Ok(Command::Data));
        assert_eq!(Command::parse(b"noop whatever"), Ok(Command::Noop));
        assert_eq!(
            Command::parse(b"rcpt to:<a@b.fr> NOTIFY=NEVER").map(|command| match command {
                Command::Recipient(path) => path.command(),
                other => panic!("{other:?}"),
            }),
            Ok("RCPT TO:<a@b.fr> NOTIFY=NEVER".to_owned())
        );
    }

    #[test]
    fn what_is_no_command_has_its_answer() {
        for (line, code) in [
            (&b""[..], "500"),
            (b"HELLO x", "500"),
            (b"MAIL FROM:<a@b.fr>\0", "500"),
            (b"RCPT TO:<a@b.fr>\rRCPT TO:<c@d.fr>", "500"),
            (b"NOOP \xFF", "500"),
            (b"MAIL FROM:a@b.fr", "501"),
            (b"MAIL FROM <a@b.fr>", "501"),
            (b"MAIL FROM:<a@b.fr", "501"),
            (b"MAIL FROM:<a@b.fr>SIZE=1", "501"),
            (b"MAIL FROM:<a@b.fr> SIZE=-1", "501"),
            (b"MAIL", "501"),
            (b"RCPT FROM:<a@b.fr>", "501"),
            (b"DATA now", "501"),
            (b"EHLO", "501"),
            (b"MAIL FROM:<@relais.fr:a@b.fr>", "553"),
            (b"RCPT TO:<>", "553"),
            (b"RCPT TO:<a@b@c.fr>", "553"),
            (b"AUTH PLAIN AAAA", "503"),
            (b"STARTTLS", "502"),
            (b"EXPN staff", "502"),
        ] {
            let answer = Command::parse(line).expect_err("no command");
            assert_eq!(answer.get(..3), Some(code), "{line:?}");
        }
    }
}
