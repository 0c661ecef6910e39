//! Mail operators as a practice meets them, and the clients that its people use.
//!
//! - [`Mailboxes`]: the maildirs of an operator; [`Sink`] delivers into them.
//! - [`Dovecot`]: an operator that knows people by their card ([`Login::Card`]) or by a token
//!   ([`Login::Token`]), both with IMAP and submission, behind STARTTLS and under TLS at once.
//! - [`Postfix`]: an operator that takes mail from whoever shows a known certificate, without a login.
//! - [`Tokens`]: tokens, and the program that hands them out.
//! - [`Impostor`]: an operator that does what none should; [`Wire`]: the network, which may be slow
//!   or break.
//! - [`Saboteur`]: an operator that keeps to the protocols up to a point.
//! - [`Office`]: a practice with such operators, and mailboxes at them; [`Operators`]: one of each
//!   kind.
//! - [`clients`]: curl, mbsync, neomutt, msmtp, swaks; [`Talk`]: a bare connection.
//!
//! All of them run as an ordinary user on loopback ports of their own.

pub mod clients;
mod dovecot;
mod impostor;
mod mailboxes;
mod office;
mod operators;
mod postfix;
mod saboteur;
mod sink;
mod talk;
mod tokens;
mod wire;

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cps_emulator::{Authority, CrlVariant, Holder, Pki, certificate_pem};

use crate::Sandbox;

pub use self::dovecot::{Dovecot, Login, Port};
pub use self::impostor::{Impostor, Manner};
pub use self::mailboxes::Mailboxes;
pub use self::office::{Access, Ground, Office, Operator, settings};
pub use self::operators::Operators;
pub use self::postfix::Postfix;
pub use self::saboteur::{Deed, Point, Saboteur};
pub use self::sink::Sink;
pub use self::talk::Talk;
pub use self::tokens::{Token, Tokens};
pub use self::wire::Wire;

/// The mailbox of a holder; nobody's.
pub fn address(holder: Holder) -> &'static str {
    match holder {
        Holder::CpsInfirmier => "camille.modele@infirmier.test.mssante.fr",
        Holder::CpsMulti => "sacha.pluriel@medecin.test.mssante.fr",
        // The same person, with other cards.
        _ => "alix.exemple@medecin.test.mssante.fr",
    }
}

/// A mailbox that belongs to no person: it is opened by those whom the operator allows to.
pub const SHARED: &str = "secretariat@cabinet.test.mssante.fr";

/// Who has a mailbox.
const HOLDERS: [Holder; 3] = [Holder::CpsMedecin, Holder::CpsInfirmier, Holder::CpsMulti];

/// Certificate and key of a holder as files, which no card gives away: to prove an operator without
/// a card.
pub fn card_files(sandbox: &Sandbox, pki: &Pki, holder: Holder) -> [PathBuf; 2] {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/keys");
    let key = fs::read(format!("{keys}/{holder}-authentication.pem")).unwrap();
    let chain = [
        pki.authentication_der(holder),
        pki.authority_der(Pki::issuer_of(holder)),
    ];
    let chain: String = chain.iter().map(|der| certificate_pem(der)).collect();
    [
        sandbox.write(&format!("files/{holder}.pem"), chain),
        sandbox.write(&format!("files/{holder}.key"), key),
    ]
}

/// Every authority with its revocation list (PEM), as Dovecot wants them: one list for each
/// authority of a chain.
fn authorities_with_lists(pki: &Pki, variant: CrlVariant) -> String {
    let authorities = Authority::ALL.into_iter();
    let authorities = authorities.filter(|authority| *authority != Authority::Legacy);
    authorities
        .map(|authority| {
            let list = STANDARD.encode(pki.crl_der(authority, variant));
            format!(
                "{}-----BEGIN X509 CRL-----\n{list}\n-----END X509 CRL-----\n",
                certificate_pem(&pki.authority_der(authority))
            )
        })
        .collect()
}
