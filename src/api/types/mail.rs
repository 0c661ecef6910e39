//! `/v1/mail`: the MSSanté gateway, its mailboxes and their application passwords.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/mail`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mail {
    /// `address:port` where programs read; null while nothing listens there.
    pub imap: Option<String>,
    /// Where they send; as `imap`, and so on below.
    pub smtp: Option<String>,
    /// Where they find these settings by themselves, over HTTP.
    pub autoconfig: Option<String>,
    /// Where programs that insist on TLS read.
    pub imaps: Option<String>,
    /// Where programs that insist on TLS send.
    pub smtps: Option<String>,
    /// Path of the Unix socket that speaks IMAP; null while nothing listens there.
    pub imap_socket: Option<String>,
    /// Path of the Unix socket that speaks SMTP.
    pub smtp_socket: Option<String>,
    /// Path of the certificate of the authority behind `imaps` and `smtps`; null without them.
    pub authority: Option<String>,
    /// Every mailbox.
    pub mailboxes: Vec<Mailbox>,
    /// How many sessions of mail programs are open.
    pub sessions: u32,
}

/// A mailbox that the gateway opens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mailbox {
    /// Its address.
    pub address: String,
    /// What its operator is called.
    pub operator: String,
    /// Where its operator was found.
    pub source: OperatorSource,
    /// Where mail is read at the operator.
    pub imap: MailServer,
    /// Where mail is sent.
    pub smtp: MailServer,
    /// How one logs in.
    pub login: MailLogin,
    /// How one logs in to send.
    pub smtp_login: MailLogin,
    /// Whether a team shares it: the operator is told its address beside the holder's identity.
    pub shared: bool,
    /// National identifier of the person whose card opens it.
    pub national_id: String,
    /// That person's name, as on the card when the mailbox was added.
    pub holder: String,
    /// When it was added, RFC 3339.
    pub created_at: String,
    /// The application passwords, without what they are.
    pub passwords: Vec<MailPassword>,
}

/// Where an operator was found.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorSource {
    /// The settings that the operator publishes.
    Autoconfig,
    /// The configuration of this workstation.
    Configuration,
    /// DNS SRV records.
    Dns,
    /// The configuration no longer allows what it was before: the mailbox does not open.
    Withdrawn,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// A server of an operator.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailServer {
    /// DNS name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS begins.
    pub tls: MailTls,
}

/// When TLS begins on a connection with an operator.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// With the first byte.
    Implicit,
    /// After the `STARTTLS` command.
    Starttls,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// How one logs in at an operator.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailLogin {
    /// The card, without a login.
    Certificate,
    /// The card, then SASL EXTERNAL.
    External,
    /// An access token, SASL OAUTHBEARER.
    Oauthbearer,
    /// An access token, SASL XOAUTH2.
    Xoauth2,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// An application password, without what it is: the daemon keeps no more than a hash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailPassword {
    /// Its name, to revoke it.
    pub id: String,
    /// The mail program it was made for, in the words of whoever asked.
    pub client: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When a program last logged in with it, RFC 3339; null for never. Now and then written down,
    /// so that a daemon that was killed may know a little less.
    pub last_used_at: Option<String>,
}

/// Body of `POST /v1/mail/mailboxes`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NewMailbox {
    /// Address of the mailbox.
    pub address: String,
    /// The mail program its first application password is for.
    pub client: String,
    /// Whether a team shares the mailbox.
    #[serde(default)]
    pub shared: bool,
    /// Serial number of the card of the person whose mailbox it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
}

/// Answer of `POST /v1/mail/mailboxes`.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct AddedMailbox {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Its application password: this is the only time it is told.
    pub password: String,
}

/// Body of `POST /v1/mail/mailboxes/{address}/passwords`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NewMailPassword {
    /// The mail program it is for.
    pub client: String,
    /// Identifier of a password, or a program's name whose passwords, to revoke in the same step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<String>,
}

/// Answer of `POST /v1/mail/mailboxes/{address}/passwords`.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct MadeMailPassword {
    /// Its name, to revoke it.
    pub id: String,
    /// The mail program it is for.
    pub client: String,
    /// The application password: this is the only time it is told.
    pub password: String,
}

// A password that is printed by mistake is one that is lost.
impl fmt::Debug for AddedMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddedMailbox")
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MadeMailPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeMailPassword")
            .field("id", &self.id)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Answer of `POST /v1/mail/mailboxes/{address}/test`: how the operator's two servers answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailTest {
    /// Where mail is read.
    pub imap: MailTrial,
    /// Where mail is sent.
    pub smtp: MailTrial,
}

/// How an operator's server answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailTrial {
    /// Whether the mailbox opened.
    pub ok: bool,
    /// Otherwise a code of the catalogue: what failed, and what to do.
    pub code: Option<String>,
    /// What happened this time, in English, in the words of the operator or of this computer.
    pub detail: Option<String>,
    /// The answer that a mail program gets in this situation.
    pub answer: Option<String>,
}

/// Answer of `GET /v1/mail/journal?after=&limit=`: entries in the order in which they were written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailJournal {
    /// At most `limit` entries, the first ones numbered above `after` (0 when absent).
    pub entries: Vec<MailJournalEntry>,
    /// Whether the hash chain of the entries given is whole.
    pub verified: bool,
}

/// One action on a mailbox through the gateway, or a remark of the journal itself. Never content, nor
/// a subject.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailJournalEntry {
    /// Number of the entry, without holes; the first that is kept may be any.
    pub sequence: u64,
    /// When, on the clock of this computer, RFC 3339.
    pub at: String,
    /// National identifier of the person on whose behalf it was done; null for a remark.
    pub author: Option<String>,
    /// Address of the mailbox; null for a remark.
    pub mailbox: Option<String>,
    /// `imap` or `smtp`; null for a remark.
    pub protocol: Option<String>,
    /// What was done, or what the journal says of itself: one of [`MAIL_ACTIONS`], or one of a newer
    /// daemon.
    pub action: String,
    /// Command and arguments, without content; the text of a remark.
    pub request: String,
    /// What the server answered, if it did.
    pub answer: Option<String>,
    /// The mail program; null for a remark.
    pub program: Option<String>,
    /// Hash that chains this entry to the one before, lower-case hexadecimal.
    pub hash: String,
}

/// The actions of the journal of mail. The last three are remarks of the journal itself: actions could
/// not be written, entries came of age, its end was damaged.
pub const MAIL_ACTIONS: [&str; 10] = [
    "append",
    "compress",
    "copy",
    "delete",
    "login",
    "move",
    "send",
    "lost",
    "pruned",
    "recovered",
];
