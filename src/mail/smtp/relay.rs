//! The session after the login, between a client and its operator.

mod command;
mod content;
mod heading;
mod note;

pub use self::note::Note;

use self::command::{Command, Mail, Path};
use self::content::{Content, End};
use self::note::Transaction;
use super::Settings;
use super::extensions::Extensions;
use super::line::Lines;
use super::reply::{Replies, Reply};
use super::upstream::{Session, names_certificate};
use crate::{Address, Language, Trouble};

/// What may be sent, and to whom. The answers are the client's.
pub trait Rules {
    /// A message begins: its sender (`<>`, the null sender of receipts and bounces, is `None`), and
    /// its size if the client declares one (RFC 1870).
    ///
    /// # Errors
    ///
    /// The message is not sent.
    fn sender(&mut self, from: Option<&Address>, size: Option<u64>) -> Result<(), Trouble>;

    /// A recipient of the message that began last.
    ///
    /// # Errors
    ///
    /// It is not sent to this one.
    fn recipient(&mut self, to: &Address) -> Result<(), Trouble>;

    /// So many octets of the message have come.
    ///
    /// # Errors
    ///
    /// The message is not sent.
    fn size(&mut self, so_far: u64) -> Result<(), Trouble>;
}

/// One thing to do, in the order given.
#[derive(Debug, Eq, PartialEq)]
pub enum Event {
    /// Send these bytes to the client.
    ToClient(Vec<u8>),
    /// Send these bytes to the operator's server.
    ToServer(Vec<u8>),
    /// Close the connection with the operator's server now, whatever it still sends. The client's
    /// goes on.
    Abort,
    /// Close both connections, once all that was to be sent is sent.
    Close,
    /// Something for the mail journal.
    Note(Note),
}

/// A relay of commands and replies that knows where a message begins and ends.
///
/// The operator is asked one command at a time, whatever the client sends ahead: so every reply
/// answers the command it is taken for, whoever gave it, and the rules see what the operator sees.
/// A message streams through: its octets are the client's, and its last line (the dot) is sent when
/// it has come whole and nothing speaks against the message. The client hears that a message was
/// accepted only in the operator's own words.
pub struct Relay {
    settings: Settings,
    extensions: Extensions,
    certificate_only: bool,
    /// What the client sent and was not looked at.
    lines: Lines,
    replies: Replies,
    state: State,
    transaction: Option<Transaction>,
    faults: usize,
}

impl Relay {
    /// A session that has just been opened.
    pub fn new(session: Session, settings: Settings) -> Self {
        Self {
            settings,
            extensions: session.extensions,
            certificate_only: session.certificate_only,
            lines: Lines::new(LONGEST_LINE),
            replies: Replies::new(),
            state: State::Ready,
            transaction: None,
            faults: 0,
        }
    }

    /// Whether the client's bytes are wanted now. While they are not, it is left waiting: what it
    /// sends ahead is bounded. Pieces are of at most 64 KiB.
    pub fn wants_client(&self) -> bool {
        self.lines.len() < ENOUGH_AHEAD
    }

    /// Takes what the client sent, cut anywhere.
    pub fn client(&mut self, bytes: &[u8], rules: &mut impl Rules) -> Vec<Event> {
        let mut events = Vec::new();
        if !matches!(self.state, State::Over) {
            self.lines.push(bytes);
            self.go_on(rules, &mut events);
        }
        events
    }

    /// Takes what the operator's server sent, cut anywhere.
    pub fn server(&mut self, bytes: &[u8], rules: &mut impl Rules) -> Vec<Event> {
        let mut events = Vec::new();
        self.replies.push(bytes);
        // All replies first: one that comes before its command was sent answers nothing.
        while self.hears_server() {
            match self.replies.next() {
                Ok(Some(reply)) => self.reply(reply, &mut events),
                Ok(None) => break,
                Err(_) => self.lost(&mut events),
            }
        }
        if !self.hears_server() {
            self.replies = Replies::new();
        }
        self.go_on(rules, &mut events);
        events
    }

    /// The client has closed its connection. A message that it did not end is not sent; one that it
    /// ended is waited for, so that the journal knows.
    pub fn client_closed(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        match self.state {
            State::Waiting(Pending::Verdict) => {
                self.state = State::Waiting(Pending::VerdictForNobody);
            }
            State::Waiting(Pending::VerdictForNobody) | State::Over => {}
            State::Ready => {
                self.forget(&mut events);
                events.push(Event::ToServer(b"QUIT\r\n".to_vec()));
                self.end(&mut events);
            }
            State::Content(_) => {
                self.note("the client left before the end", &mut events);
                self.end(&mut events);
            }
            State::Waiting(_) | State::Dropping { .. } | State::Alone => {
                self.forget(&mut events);
                self.end(&mut events);
            }
        }
        events
    }

    /// The operator's server has closed its connection.
    pub fn server_closed(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.hears_server() {
            self.lost(&mut events);
        }
        events
    }

    /// Whether the operator has a message whole and has not said what becomes of it: better wait for
    /// that before [`Relay::close`].
    pub fn awaits_verdict(&self) -> bool {
        matches!(
            self.state,
            State::Waiting(Pending::Verdict | Pending::VerdictForNobody)
        )
    }

    /// The session must end, for this reason. A message on its way is not sent; of one whose end was
    /// sent, the client hears that nothing is known.
    pub fn close(&mut self, trouble: &Trouble) -> Vec<Event> {
        let mut events = Vec::new();
        if self.awaits_verdict() {
            self.lost(&mut events);
        }
        if matches!(self.state, State::Over) {
            return events;
        }
        let closing = trouble.smtp_closing(self.settings.language);
        self.note(&String::from_utf8_lossy(&closing), &mut events);
        self.say(&closing, &mut events);
        self.end(&mut events);
        events
    }

    fn go_on(&mut self, rules: &mut impl Rules, events: &mut Vec<Event>) {
        loop {
            match self.state {
                State::Ready if self.replies.is_empty() => match self.lines.next() {
                    Ok(Some(line)) => self.command(&line, rules, events),
                    Ok(None) => return,
                    Err(_) => self.close_with(b"500 5.5.6 Line too long\r\n", events),
                },
                State::Content(_) => {
                    let bytes = self.lines.take_rest();
                    if bytes.is_empty() {
                        return;
                    }
                    self.content(&bytes, rules, events);
                }
                State::Dropping { .. } => {
                    let bytes = self.lines.take_rest();
                    if bytes.is_empty() {
                        return;
                    }
                    self.drop_content(&bytes, events);
                }
                State::Alone => match self.lines.next() {
                    Ok(Some(line)) => self.command_alone(&line, events),
                    Ok(None) => return,
                    Err(_) => self.close_with(b"500 5.5.6 Line too long\r\n", events),
                },
                State::Ready | State::Waiting(_) => {
                    if self.lines.len() > MOST_AHEAD {
                        self.close_with(b"421 4.7.0 Too much at once\r\n", events);
                    }
                    return;
                }
                State::Over => return,
            }
        }
    }

    fn command(&mut self, line: &[u8], rules: &mut impl Rules, events: &mut Vec<Event>) {
        match Command::parse(line) {
            Ok(Command::Mail(mail)) => self.mail(&mail, rules, events),
            Ok(Command::Recipient(path)) => self.recipient(&path, rules, events),
            Ok(Command::Data) => match &self.transaction {
                None => self.say(NO_MAIL, events),
                Some(transaction) if transaction.accepted == 0 => {
                    self.say(b"554 5.5.1 No valid recipients\r\n", events);
                }
                Some(_) => self.ask("DATA", Pending::Data, events),
            },
            Ok(Command::Hello) => {
                let answer = Reply::new(250, &self.settings.host_name).to_bytes();
                self.clean(answer, events);
            }
            Ok(Command::ExtendedHello) => {
                let answer = self.extensions.offered(&self.settings).to_bytes();
                self.clean(answer, events);
            }
            Ok(Command::Reset) => {
                self.forget(events);
                self.ask("RSET", Pending::Reset, events);
            }
            Ok(Command::Noop) => self.ask("NOOP", Pending::Other, events),
            Ok(Command::Verify(name)) => self.ask(&format!("VRFY {name}"), Pending::Other, events),
            Ok(Command::Help) => {
                self.say(
                    b"214 2.0.0 DATA EHLO HELP MAIL NOOP QUIT RCPT RSET VRFY\r\n",
                    events,
                );
            }
            Ok(Command::Quit) => {
                self.forget(events);
                events.push(Event::ToServer(b"QUIT\r\n".to_vec()));
                self.close_with(b"221 2.0.0 Bye\r\n", events);
            }
            // What follows it would be octets of a message.
            Ok(Command::Chunk) => self.close_with(b"502 5.5.1 Not provided\r\n", events),
            Err(answer) => self.fault(answer.as_bytes(), events),
        }
    }

    fn mail(&mut self, mail: &Mail, rules: &mut impl Rules, events: &mut Vec<Event>) {
        if self.transaction.is_some() {
            return self.say(b"503 5.5.1 A message has begun already\r\n", events);
        }
        self.transaction = Some(Transaction::new(mail.from.clone()));
        match rules.sender(mail.from.as_ref(), mail.size) {
            Ok(()) => self.ask(&mail.command(&self.extensions), Pending::Mail, events),
            Err(trouble) => {
                let answer = trouble.smtp(self.settings.language);
                self.note(&String::from_utf8_lossy(&answer), events);
                self.fault(&answer, events);
            }
        }
    }

    fn recipient(&mut self, path: &Path, rules: &mut impl Rules, events: &mut Vec<Event>) {
        let Some(transaction) = &mut self.transaction else {
            return self.say(NO_MAIL, events);
        };
        transaction.recipient(path.to.domain());
        match rules.recipient(&path.to) {
            Ok(()) => self.ask(&path.command(), Pending::Recipient, events),
            Err(trouble) => {
                let answer = trouble.smtp(self.settings.language);
                transaction.refused(&String::from_utf8_lossy(&answer));
                self.say(&answer, events);
            }
        }
    }

    fn content(&mut self, bytes: &[u8], rules: &mut impl Rules, events: &mut Vec<Event>) {
        let State::Content(content) = &mut self.state else {
            return;
        };
        let taken = content.take(bytes);
        if let Err(trouble) = rules.size(content.size()) {
            let answer = trouble.smtp(self.settings.language);
            return self.give_up(answer, taken.end, bytes.get(taken.used..), events);
        }
        if taken.end == Some(End::Ambiguous) {
            // The client may take this for the end, and wait.
            let answer = self.word(
                "554 5.6.0 Message refuse : sa fin est ambigue",
                "554 5.6.0 Message refused: its end is ambiguous",
            );
            events.push(Event::Abort);
            self.note(&String::from_utf8_lossy(&answer), events);
            return self.close_with(&answer, events);
        }
        if !taken.forward.is_empty() {
            events.push(Event::ToServer(taken.forward));
        }
        if taken.end == Some(End::Dot) {
            self.state = State::Waiting(Pending::Verdict);
            self.lines.push(bytes.get(taken.used..).unwrap_or_default());
        }
    }

    /// The message is not sent: the operator's server never gets its end, and the client hears why
    /// when it has sent its own.
    fn give_up(
        &mut self,
        answer: Vec<u8>,
        end: Option<End>,
        rest: Option<&[u8]>,
        events: &mut Vec<Event>,
    ) {
        events.push(Event::Abort);
        self.note(&String::from_utf8_lossy(&answer), events);
        self.lines.push(rest.unwrap_or_default());
        let content = match std::mem::replace(&mut self.state, State::Over) {
            State::Content(content) => content.without_heading(),
            _ => Content::new(None),
        };
        if end == Some(End::Dot) {
            self.state = State::Alone;
            self.say(&answer, events);
        } else {
            self.state = State::Dropping {
                content,
                answer,
                dropped: 0,
            };
        }
    }

    fn drop_content(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let State::Dropping {
            content,
            answer,
            dropped,
        } = &mut self.state
        else {
            return;
        };
        let taken = content.take(bytes);
        *dropped += taken.used as u64;
        let answer = answer.clone();
        if *dropped > self.settings.size.saturating_mul(4) || taken.end == Some(End::Ambiguous) {
            self.close_with(&answer, events);
        } else if taken.end == Some(End::Dot) {
            self.state = State::Alone;
            self.lines.push(bytes.get(taken.used..).unwrap_or_default());
            self.say(&answer, events);
        } else {
            self.lines.push(bytes.get(taken.used..).unwrap_or_default());
        }
    }

    /// A command after the connection with the operator was given up.
    fn command_alone(&mut self, line: &[u8], events: &mut Vec<Event>) {
        match Command::parse(line) {
            Ok(Command::Quit) => self.close_with(b"221 2.0.0 Bye\r\n", events),
            _ => {
                let closing = Trouble::Closing.smtp_closing(self.settings.language);
                self.close_with(&closing, events);
            }
        }
    }

    fn reply(&mut self, reply: Reply, events: &mut Vec<Event>) {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Ready if reply.code == 421 => {
                self.note(&reply.line(), events);
                self.close_with(&reply.to_bytes(), events);
            }
            State::Waiting(pending) => self.answer(pending, reply, events),
            State::Content(content) => {
                self.state = State::Content(content);
                match reply.code {
                    // It wants no more of this message, and says why.
                    400..=599 => self.give_up(reply.to_bytes(), None, None, events),
                    _ => self.lost(events),
                }
            }
            state => {
                self.state = state;
                self.lost(events);
            }
        }
    }

    fn answer(&mut self, pending: Pending, reply: Reply, events: &mut Vec<Event>) {
        let expected = match pending {
            Pending::Data => reply.code == 354 || reply.code >= 400,
            Pending::Clean(_) | Pending::Reset => reply.is_success() || reply.code == 421,
            _ => reply.is_success() || reply.code >= 400,
        };
        if !expected {
            self.state = State::Waiting(pending);
            return self.lost(events);
        }
        let answer = self.worded(&pending, &reply);
        match pending {
            Pending::Mail if reply.is_success() => {}
            Pending::Mail => self.note(&reply.line(), events),
            Pending::Recipient => {
                if let Some(transaction) = &mut self.transaction {
                    match reply.is_success() {
                        true => transaction.accepted += 1,
                        false => transaction.refused(&reply.line()),
                    }
                }
            }
            Pending::Data if reply.code == 354 => {
                self.state = State::Content(Content::new(self.settings.product.as_deref()));
            }
            Pending::Data if reply.code != 421 => {
                // Servers do not agree on whether the message that began is over.
                self.note(&reply.line(), events);
                self.state = State::Waiting(Pending::Clean(answer));
                return events.push(Event::ToServer(b"RSET\r\n".to_vec()));
            }
            Pending::Clean(answer) if reply.code != 421 => return self.say(&answer, events),
            Pending::Data => {}
            Pending::Verdict => self.note_end(&reply.line(), reply.is_success(), events),
            Pending::VerdictForNobody => {
                self.note_end(&reply.line(), reply.is_success(), events);
                return self.end(events);
            }
            Pending::Clean(_) | Pending::Other | Pending::Reset => {}
        }
        if reply.code == 421 {
            self.note(&reply.line(), events);
            self.close_with(&answer, events);
        } else {
            self.say(&answer, events);
        }
    }

    /// The operator's reply, unless it says that the card is not accepted (domain page "mssante",
    /// section 4.2): where the certificate alone opens the session, that is heard this late.
    fn worded(&self, pending: &Pending, reply: &Reply) -> Vec<u8> {
        let text = reply.text();
        let begins = matches!(pending, Pending::Mail | Pending::Recipient);
        let refused = match reply.code {
            421 => text.starts_with("4.7.1 ") || names_certificate(reply),
            554 => {
                text.starts_with("5.7.1 ") && text.to_ascii_lowercase().contains("access denied")
            }
            _ => false,
        };
        if self.certificate_only && begins && refused {
            Trouble::CardNotAccepted(text).smtp(self.settings.language)
        } else {
            reply.to_bytes()
        }
    }

    /// The operator's server is gone, or is not to be believed any more.
    fn lost(&mut self, events: &mut Vec<Event>) {
        match self.state {
            State::Content(_) => {
                let answer = self.word(
                    "451 4.4.2 Connexion a l'operateur perdue : message non envoye",
                    "451 4.4.2 Connection to the operator lost: message not sent",
                );
                self.give_up(answer, None, None, events);
            }
            State::Waiting(Pending::Verdict | Pending::VerdictForNobody) => {
                let answer = self.word(
                    "451 4.4.2 L'operateur n'a pas confirme l'envoi : verifiez avant de recommencer",
                    "451 4.4.2 The operator did not confirm the message: check before sending again",
                );
                self.note(&String::from_utf8_lossy(&answer), events);
                self.close_with(&answer, events);
            }
            _ => {
                let closing = Trouble::Unreachable.smtp_closing(self.settings.language);
                self.note(&String::from_utf8_lossy(&closing), events);
                self.close_with(&closing, events);
            }
        }
    }

    /// Ends what the operator knows of a message, if one has begun, before this is answered.
    fn clean(&mut self, answer: Vec<u8>, events: &mut Vec<Event>) {
        if self.transaction.is_some() {
            self.forget(events);
            self.ask("RSET", Pending::Clean(answer), events);
        } else {
            self.say(&answer, events);
        }
    }

    fn ask(&mut self, command: &str, pending: Pending, events: &mut Vec<Event>) {
        events.push(Event::ToServer(format!("{command}\r\n").into_bytes()));
        self.state = State::Waiting(pending);
    }

    fn fault(&mut self, answer: &[u8], events: &mut Vec<Event>) {
        self.faults += 1;
        self.say(answer, events);
        if self.faults >= MOST_FAULTS {
            self.close_with(b"421 4.7.0 Too many errors\r\n", events);
        }
    }

    fn say(&self, answer: &[u8], events: &mut Vec<Event>) {
        events.push(Event::ToClient(answer.to_vec()));
    }

    fn close_with(&mut self, answer: &[u8], events: &mut Vec<Event>) {
        self.say(answer, events);
        self.end(events);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        events.push(Event::Close);
        self.state = State::Over;
        drop(self.lines.take_rest());
    }

    /// Ends the message in the journal with this answer: it was not sent.
    fn note(&mut self, answer: &str, events: &mut Vec<Event>) {
        self.note_end(answer, false, events);
    }

    fn note_end(&mut self, answer: &str, sent: bool, events: &mut Vec<Event>) {
        if let Some(transaction) = self.transaction.take() {
            events.push(Event::Note(transaction.end(answer, sent)));
        }
    }

    /// Ends a message that was never handed over: nothing to note, unless something was refused.
    fn forget(&mut self, events: &mut Vec<Event>) {
        if let Some(note) = self
            .transaction
            .take()
            .and_then(Transaction::end_if_refused)
        {
            events.push(Event::Note(note));
        }
    }

    fn hears_server(&self) -> bool {
        !matches!(
            self.state,
            State::Dropping { .. } | State::Alone | State::Over
        )
    }

    fn word(&self, french: &str, english: &str) -> Vec<u8> {
        let text = match self.settings.language {
            Language::French => french,
            Language::English => english,
        };
        format!("{text}\r\n").into_bytes()
    }
}

enum State {
    /// The client's next command is awaited.
    Ready,
    /// The operator's reply is awaited.
    Waiting(Pending),
    /// A message streams.
    Content(Content),
    /// The rest of a message that was given up is dropped, then this is answered.
    Dropping {
        content: Content,
        answer: Vec<u8>,
        dropped: u64,
    },
    /// The operator's connection was given up: the client's next command ends the session.
    Alone,
    Over,
}

/// What the operator's next reply answers.
enum Pending {
    /// `RSET` of ours; then the client is answered this.
    Clean(Vec<u8>),
    Data,
    Mail,
    Other,
    Recipient,
    Reset,
    /// A message sent whole.
    Verdict,
    /// The same, and the client is gone.
    VerdictForNobody,
}

const NO_MAIL: &[u8] = b"503 5.5.1 MAIL first\r\n";

/// Commands with their parameters: RFC 5321 §4.5.3.1.4 allows 512 octets, extensions some more.
const LONGEST_LINE: usize = 8192;
const ENOUGH_AHEAD: usize = 16 * 1024;
const MOST_AHEAD: usize = 128 * 1024;
/// Commands that are none, or senders that are not allowed.
const MOST_FAULTS: usize = 50;

#[cfg(test)]
mod tests;
