//! The calls of `/v1/mail`.

use super::http::{self, Method, RequestHead};
use super::{Client, Error};
use crate::types::{
    AddedMailbox, JournalVerification, MadeMailPassword, Mail, MailJournal, MailTest,
    NewMailPassword, NewMailbox,
};

impl Client {
    /// `GET /v1/mail`: where mail programs connect, and the mailboxes.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn mail(&self) -> Result<Mail, Error> {
        self.get("/v1/mail", &[])
    }

    /// `POST /v1/mail/mailboxes`: finds the operator, which may take a while; no PIN is asked. The
    /// answer holds the application password, which is never told again.
    ///
    /// # Errors
    /// See [`Error`]; those of `mail.*` among the problems.
    pub fn add_mailbox(&self, mailbox: &NewMailbox) -> Result<AddedMailbox, Error> {
        self.post("/v1/mail/mailboxes", mailbox, self.patience.human)
    }

    /// `DELETE /v1/mail/mailboxes/{address}`: its passwords end with it.
    ///
    /// # Errors
    /// See [`Error`]; `mail.mailbox_unknown` when there is none of that address.
    pub fn remove_mailbox(&self, address: &str) -> Result<(), Error> {
        self.delete(&mailbox(address, ""))
    }

    /// `POST /v1/mail/mailboxes/{address}/passwords`: one more application password, or one instead
    /// of another.
    ///
    /// # Errors
    /// See [`Error`]; `mail.mailbox_unknown` and `mail.password_unknown` when there is no such one.
    pub fn make_mail_password(
        &self,
        address: &str,
        password: &NewMailPassword,
    ) -> Result<MadeMailPassword, Error> {
        let path = mailbox(address, "/passwords");
        self.post(&path, password, self.patience.machine)
    }

    /// `DELETE /v1/mail/mailboxes/{address}/passwords/{id}`.
    ///
    /// # Errors
    /// As [`Client::make_mail_password`].
    pub fn revoke_mail_password(&self, address: &str, id: &str) -> Result<(), Error> {
        let path = format!("/passwords/{}", http::percent_encoded(id));
        self.delete(&mailbox(address, &path))
    }

    /// `POST /v1/mail/mailboxes/{address}/test`: logs in at the operator's servers; may ask for
    /// consent and for the PIN.
    ///
    /// # Errors
    /// See [`Error`]; what fails at a server is in the answer.
    pub fn test_mailbox(&self, address: &str) -> Result<MailTest, Error> {
        let head = RequestHead::new(Method::Post, &mailbox(address, "/test"), &[]);
        super::parsed(&self.exchange(&head.without_body(), self.patience.human)?)
    }

    /// `GET /v1/mail/journal`: at most `limit` entries numbered above `after`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn mail_journal(
        &self,
        after: Option<u64>,
        limit: Option<u32>,
    ) -> Result<MailJournal, Error> {
        let after = after.map(|n| n.to_string());
        let limit = limit.map(|n| n.to_string());
        let query = [("after", after.as_deref()), ("limit", limit.as_deref())];
        self.get_patiently("/v1/mail/journal", &query)
    }

    /// `GET /v1/mail/journal/verify`: checks the whole chain.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn verify_mail_journal(&self) -> Result<JournalVerification, Error> {
        self.get_patiently("/v1/mail/journal/verify", &[])
    }
}

/// The path of a mailbox, and what follows it.
fn mailbox(address: &str, rest: &str) -> String {
    format!(
        "/v1/mail/mailboxes/{}{rest}",
        http::percent_encoded(address)
    )
}
