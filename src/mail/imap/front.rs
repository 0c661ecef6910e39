//! What a mail client meets before it is logged in.

use zeroize::Zeroizing;

use super::command::Command;
use super::input::{COMMAND_LIMIT, Input, Piece};
use crate::hello::{TLS_ALERT, is_tls};
use crate::sasl::{Credentials, Exchange};
use crate::{Language, Reaction, Trouble};

/// The gateway's side of an IMAP connection until its login.
///
/// It speaks for itself: nothing of what the operator's server offers before a login is shown, and
/// nothing but a login, and what clients ask before it, is answered.
pub struct Front {
    language: Language,
    input: Input,
    state: State,
    /// Of the command that is being answered.
    tag: String,
    commands: u32,
    wrong_passwords: u32,
}

enum State {
    /// Nothing has been received: it may be TLS.
    First,
    Command,
    Exchange(Exchange),
    /// A login is being looked into.
    Login,
    Closed,
}

impl Front {
    /// A connection just accepted, whose client is told of troubles in this language.
    pub fn new(language: Language) -> Self {
        Self {
            language,
            input: Input::new(),
            state: State::First,
            tag: String::new(),
            commands: 0,
            wrong_passwords: 0,
        }
    }

    /// Takes what the client sent, cut anywhere. While a login is being looked into, it is kept for
    /// what comes after; a client that sends more than 64 kB then is sent away.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        if !matches!(self.state, State::Closed) {
            self.input.push(bytes);
            self.work(&mut reactions);
        }
        reactions
    }

    /// Answers a [`Reaction::Login`] that failed, and goes on with what the client sent behind it.
    /// The connection is kept, so that the client asks for the password again, until the third
    /// wrong one.
    pub fn refuse(&mut self, trouble: &Trouble) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        if !matches!(self.state, State::Login) {
            return reactions;
        }
        self.state = State::Command;
        reactions.push(self.answer(trouble));
        if trouble.is_credentials() {
            self.wrong_passwords += 1;
        }
        if self.wrong_passwords >= WRONG_PASSWORDS {
            self.bye(&mut reactions, Notice::TooManyPasswords);
        }
        self.work(&mut reactions);
        reactions
    }

    /// What the client is greeted with.
    pub fn greeting(&self) -> Vec<u8> {
        format!("* OK [CAPABILITY {CAPABILITY}] cpsd\r\n").into_bytes()
    }

    /// The tag of the login that is being looked into: the operator's server is given the same one,
    /// so that its answer is the client's.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What the client has sent behind its login.
    pub fn into_rest(self) -> Vec<u8> {
        self.input.as_bytes().to_vec()
    }

    fn work(&mut self, reactions: &mut Vec<Reaction>) {
        loop {
            let goes_on = match self.state {
                State::First => self.first(reactions),
                State::Command => self.command(reactions),
                State::Exchange(_) => self.exchange(reactions),
                State::Login if self.input.as_bytes().len() > COMMAND_LIMIT => {
                    self.bye(reactions, Notice::TooLong);
                    None
                }
                State::Login | State::Closed => None,
            };
            if goes_on.is_none() {
                return;
            }
        }
    }

    fn first(&mut self, reactions: &mut Vec<Reaction>) -> Option<()> {
        if is_tls(self.input.as_bytes())? {
            self.state = State::Closed;
            reactions.extend([
                Reaction::TlsHello,
                Reaction::Send(TLS_ALERT.to_vec()),
                Reaction::Close,
            ]);
        } else {
            self.state = State::Command;
        }
        Some(())
    }

    fn command(&mut self, reactions: &mut Vec<Reaction>) -> Option<()> {
        let bytes = match self.input.command()? {
            Piece::Command(bytes) => bytes,
            Piece::Literal => {
                reactions.push(Reaction::Send(b"+ OK\r\n".to_vec()));
                return Some(());
            }
            Piece::RefusedLiteral(bytes) => {
                let tag = Command::parse(&bytes).map_or_else(|error| error.tag, |it| Some(it.tag));
                reactions.push(self.bad(tag, Notice::TooLong));
                self.count(reactions);
                return Some(());
            }
            Piece::TooLong => {
                self.bye(reactions, Notice::TooLong);
                return None;
            }
        };
        match Command::parse(&bytes) {
            Ok(command) => self.obey(command, reactions),
            Err(malformed) => reactions.push(self.bad(malformed.tag, Notice::Malformed)),
        }
        self.count(reactions);
        Some(())
    }

    fn obey(&mut self, mut command: Command<'_>, reactions: &mut Vec<Reaction>) {
        command.tag.clone_into(&mut self.tag);
        let tag = command.tag;
        let ok = |before: &str| Reaction::Send(format!("{before}{tag} OK\r\n").into_bytes());
        match command.name.as_str() {
            "CAPABILITY" => reactions.push(ok(&format!("* CAPABILITY {CAPABILITY}\r\n"))),
            "NOOP" => reactions.push(ok("")),
            "ID" => reactions.push(ok("* ID (\"name\" \"cpsd\")\r\n")),
            "LOGOUT" => {
                self.state = State::Closed;
                reactions.extend([ok("* BYE cpsd\r\n"), Reaction::Close]);
            }
            "STARTTLS" => reactions.push(self.bad(Some(tag), Notice::NoStartTls)),
            "LOGIN" => {
                let user = command.arguments.astring();
                let password = command.arguments.astring();
                let credentials = user
                    .zip(password)
                    .filter(|_| command.arguments.is_empty())
                    .and_then(|(user, password)| Credentials::new(&user, &password))
                    .ok_or(Trouble::MalformedAuthentication);
                self.attempt(credentials.map(Some), reactions);
            }
            "AUTHENTICATE" => {
                let begun = self.authenticate(command);
                self.attempt(begun, reactions);
            }
            _ => reactions.push(self.answer(&Trouble::NotLoggedIn)),
        }
    }

    fn authenticate(&mut self, mut command: Command<'_>) -> Result<Option<Credentials>, Trouble> {
        let mechanism = command.arguments.atom();
        let mechanism = mechanism
            .and_then(|name| str::from_utf8(name).ok())
            .ok_or(Trouble::MalformedAuthentication)?;
        let mut exchange = Exchange::begin(mechanism)?;
        let credentials = match command.arguments.is_empty() {
            true => None,
            false => {
                let response = command.arguments.atom();
                let response = response.filter(|_| command.arguments.is_empty());
                exchange.initial(response.ok_or(Trouble::MalformedAuthentication)?)?
            }
        };
        self.state = State::Exchange(exchange);
        Ok(credentials)
    }

    fn exchange(&mut self, reactions: &mut Vec<Reaction>) -> Option<()> {
        let line: Zeroizing<Vec<u8>> = match self.input.line()? {
            Ok(line) => line,
            Err(_) => {
                self.bye(reactions, Notice::TooLong);
                return None;
            }
        };
        if let State::Exchange(exchange) = &mut self.state {
            let answered = exchange.answer(&line);
            self.attempt(answered, reactions);
        }
        Some(())
    }

    /// Goes on after a step of an authentication: with its end, or with the next challenge.
    fn attempt(
        &mut self,
        step: Result<Option<Credentials>, Trouble>,
        reactions: &mut Vec<Reaction>,
    ) {
        match step {
            Ok(Some(credentials)) => {
                self.state = State::Login;
                reactions.push(Reaction::Login(credentials));
            }
            Ok(None) => {
                if let State::Exchange(exchange) = &self.state {
                    let line = format!("+ {}\r\n", exchange.challenge());
                    reactions.push(Reaction::Send(line.into_bytes()));
                }
            }
            Err(trouble) => {
                self.state = State::Command;
                reactions.push(self.answer(&trouble));
            }
        }
    }

    /// Counts a command; a client that never logs in is sent away.
    fn count(&mut self, reactions: &mut Vec<Reaction>) {
        self.commands += 1;
        if self.commands >= COMMANDS && matches!(self.state, State::Command) {
            self.bye(reactions, Notice::TooManyCommands);
        }
    }

    fn bye(&mut self, reactions: &mut Vec<Reaction>, notice: Notice) {
        self.state = State::Closed;
        self.input = Input::new();
        let line = format!("* BYE {}\r\n", notice.text(self.language));
        reactions.extend([Reaction::Send(line.into_bytes()), Reaction::Close]);
    }

    fn answer(&self, trouble: &Trouble) -> Reaction {
        Reaction::Send(trouble.imap(&self.tag, self.language))
    }

    fn bad(&self, tag: Option<&str>, notice: Notice) -> Reaction {
        let line = format!(
            "{} BAD {}\r\n",
            tag.unwrap_or("*"),
            notice.text(self.language)
        );
        Reaction::Send(line.into_bytes())
    }
}

/// What a client does wrong before it can be in trouble.
#[derive(Clone, Copy)]
enum Notice {
    Malformed,
    NoStartTls,
    TooLong,
    TooManyCommands,
    TooManyPasswords,
}

impl Notice {
    fn text(self, language: Language) -> &'static str {
        let [french, english] = match self {
            Self::Malformed => ["Commande mal formee", "Malformed command"],
            Self::NoStartTls => [
                "STARTTLS n'est pas propose sur ce port",
                "STARTTLS is not offered on this port",
            ],
            Self::TooLong => ["Commande trop longue", "Command too long"],
            Self::TooManyCommands => [
                "Trop de commandes sans authentification",
                "Too many commands without authentication",
            ],
            Self::TooManyPasswords => [
                "Trop de mots de passe incorrects",
                "Too many wrong passwords",
            ],
        };
        match language {
            Language::French => french,
            Language::English => english,
        }
    }
}

/// Our own capabilities, whatever the operator's are.
const CAPABILITY: &str = "IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN AUTH=LOGIN";

/// How many commands a client may send before it is logged in.
const COMMANDS: u32 = 50;

/// How many wrong passwords it may try.
const WRONG_PASSWORDS: u32 = 3;

#[cfg(test)]
mod tests;
