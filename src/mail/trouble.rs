//! Everything that can go wrong between a mail client and its mailbox, and what the client is told.
//!
//! A client that is told of an authentication failure forgets its password or asks for it, so only
//! a wrong application password is answered so (RFC 5530 `AUTHENTICATIONFAILED`, RFC 4954 `535`);
//! all else is a passing state. Texts are US-ASCII: neither protocol carries more in a reply
//! before it is agreed (RFC 3501 §9 `TEXT-CHAR`, RFC 5321 §4.2).

/// The protocol that a client speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// IMAP4rev1 (RFC 3501).
    Imap,
    /// Message submission (RFC 6409).
    Smtp,
}

/// The language of the texts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Language {
    /// English.
    English,
    /// French, without its accents.
    #[default]
    French,
}

/// What stands between a client and its mailbox: the rows of the error mapping (domain page
/// "mssante", section 11).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// 1: the application password is wrong.
    WrongPassword,
    /// 2: the application password belongs to another mailbox.
    OtherMailbox,
    /// 3: the client runs as another user of this computer.
    OtherUser,
    /// 4: an unknown SASL mechanism.
    UnknownMechanism,
    /// 4: a malformed authentication.
    MalformedAuthentication,
    /// 4: the client cancelled its authentication.
    Cancelled,
    /// 6: a command that needs a login before it.
    NotLoggedIn,
    /// 7: no reader, or the reader service is not running.
    NoReader,
    /// 8: no card.
    NoCard,
    /// 9: the card of somebody else.
    OtherCard,
    /// 10: the PIN dialog is open.
    PinPending,
    /// 11: the person closed the dialog, or did not answer it.
    PinCancelled,
    /// 13: the PIN is blocked.
    PinBlocked,
    /// 14: the card's certificate is over, not begun, or revoked.
    CardCertificate,
    /// 15: the card is busy.
    CardBusy,
    /// 16: card and server have no signature in common.
    NoCommonScheme,
    /// 17: the card was taken out.
    CardRemoved,
    /// 18: the telephone (e-CPS) is being asked.
    PhonePending,
    /// 19: the request on the telephone was refused, or not answered.
    PhoneRefused,
    /// 20: the Pro Santé Connect session is over.
    SessionOver,
    /// 21: the operator refuses the token.
    TokenRefused,
    /// 22: nothing gives a token.
    NoToken,
    /// 23: the operator cannot be reached.
    Unreachable,
    /// 24: the connection to the operator cannot be secured.
    Insecure,
    /// 25: the operator's certificate is refused.
    ServerCertificate,
    /// 26: no current revocation list.
    NoRevocationList,
    /// 27: the operator did not accept the card; its words.
    CardNotAccepted(String),
    /// 28: the operator does not open this mailbox to this card; its words.
    NotYourMailbox(String),
    /// 29: the operator has a failure of its own; its words.
    Operator(String),
    /// 30: the sender's address is not one of this identity.
    Sender,
    /// 31: a recipient outside the trust space.
    Recipient,
    /// 32: the message is larger than the limit, in MiB.
    TooLarge(u32),
    /// 33: suspend, shutdown, network change, lock.
    Closing,
    /// 34: too many connections.
    TooMany,
    /// The person has not allowed this program to use the card.
    NotAllowed,
    /// Our own failure.
    Internal,
}
