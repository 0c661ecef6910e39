//! One operator of each kind that a mail client can meet.

use cps_emulator::{Holder, Profile};

use super::{Dovecot, Login, Office, Operator, Postfix, Token, Tokens, address};
use crate::{Sandbox, TlsVersions};

/// Operators of every kind, each with a domain of its own.
#[derive(Debug)]
pub struct Operators {
    card: Dovecot,
    two_steps: Dovecot,
    tls_1_3: Postfix,
    /// With the domain that each is for.
    tokens: [(&'static str, Tokens); 2],
    /// Judged by what goes through them, not by their logs.
    _others: (Dovecot, Postfix),
}

impl Operators {
    /// A practice with mailboxes at all of them.
    ///
    /// # Panics
    ///
    /// When something does not start.
    pub fn office() -> Office<Self> {
        Office::new(|ground| {
            let tokens = [("xoauth2", XOAUTH2), ("oauthbearer", OAUTHBEARER)]
                .map(|(name, domain)| (domain, Tokens::named(ground.sandbox, name, ground.pki)));
            let card = ground.dovecot("card", Login::Card);
            let two_steps = ground.dovecot("two-steps", Login::CardInTwoSteps);
            // Both programs use the same key.
            let token = ground.dovecot("token", Login::Token(&tokens[0].1));
            let tls_1_2 = ground.postfix("tls-1.2", TlsVersions::Tls12);
            let tls_1_3 = ground.postfix("tls-1.3", TlsVersions::Tls13);
            let [(_, xoauth2), (_, oauthbearer)] = &tokens;
            let operators = vec![
                Operator::dovecot(STARTTLS, &card),
                Operator::dovecot(TWO_STEPS, &two_steps),
                Operator::dovecot_in_tls(TLS, &card),
                Operator::dovecot(XOAUTH2, &token).by_token("xoauth2", xoauth2),
                Operator::dovecot(OAUTHBEARER, &token).by_token("oauthbearer", oauthbearer),
                Operator::dovecot(CERTIFICATE, &card).sending_to(&tls_1_2),
                Operator::dovecot(CERTIFICATE_TLS_1_3, &card).sending_to(&tls_1_3),
            ];
            let servers = Self {
                card,
                two_steps,
                tls_1_3,
                tokens,
                _others: (token, tls_1_2),
            };
            (servers, operators)
        })
    }

    /// The mailboxes that the holder of [`Holder::CpsMedecin`] has at those operators that a card of
    /// this profile can open: signatures in PKCS#1 only are no good for TLS 1.3.
    pub fn mailboxes(profile: Profile) -> impl Iterator<Item = String> {
        let domains = DOMAINS.into_iter();
        domains
            .filter(move |domain| profile != Profile::Cps3 || *domain != CERTIFICATE_TLS_1_3)
            .map(|domain| format!("alix.exemple@{domain}"))
    }

    /// Prepares the operator of one of these mailboxes for it, with a token if it wants one. Returns
    /// the address whose messages it shows: those who log in with the card open the mailbox that it
    /// belongs to.
    pub fn prepare<'a>(&self, sandbox: &Sandbox, mailbox: &'a str) -> &'a str {
        let mut tokens = self.tokens.iter();
        match tokens.find(|(domain, _)| mailbox.ends_with(domain)) {
            Some((_, tokens)) => {
                tokens.hand_out(&[tokens.mint(sandbox, mailbox, Token::Good)]);
                mailbox
            }
            None => address(Holder::CpsMedecin),
        }
    }

    /// There were logins with a card of this profile, each over the newest TLS that it can do: 1.3
    /// takes PSS, which a CPS3 has not.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub fn assert_newest_tls(&self, profile: Profile) {
        let version = match profile {
            Profile::Cps3 => "TLSv1.2",
            _ => "TLSv1.3",
        };
        for server in [&self.card, &self.two_steps] {
            let logins = server.logins();
            assert!(!logins.is_empty());
            for login in logins {
                assert!(login.contains(version), "{login}");
            }
        }
        let log = self.tls_1_3.log();
        let sent = log.contains("connection established from localhost[127.0.0.1]: TLSv1.3");
        assert_eq!(sent, version == "TLSv1.3", "{log}");
    }
}

const STARTTLS: &str = "starttls.test.mssante.fr";
const TWO_STEPS: &str = "two-steps.test.mssante.fr";
const TLS: &str = "tls.test.mssante.fr";
const XOAUTH2: &str = "xoauth2.test.mssante.fr";
const OAUTHBEARER: &str = "oauthbearer.test.mssante.fr";
const CERTIFICATE: &str = "certificate.test.mssante.fr";
const CERTIFICATE_TLS_1_3: &str = "certificate-tls13.test.mssante.fr";

const DOMAINS: [&str; 7] = [
    STARTTLS,
    TWO_STEPS,
    TLS,
    XOAUTH2,
    OAUTHBEARER,
    CERTIFICATE,
    CERTIFICATE_TLS_1_3,
];
