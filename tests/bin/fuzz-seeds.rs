//! Writes well-formed inputs for the fuzz targets, so that mutation starts from something that a
//! parser accepts: `fuzz-seeds FOLDER`, one folder below it for each target.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use std::{env, fs, io};

use cps_card::{Card, PinRole, Transmit, TransmitError};
use cps_emulator::{
    Authority, CrlVariant, Domain, Gamme, Holder, Outcome, Pki, Profile, VirtualCard,
};
use cps_identity::Certificate;
use cps_verify::Hash;
use cpsd::journal::{Journal, Record};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds FOLDER");
        return ExitCode::from(2);
    };
    match seeds(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-seeds: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// The answers of a whole dialogue, in the form the target `card` reads: the choice of the ATR, then
/// each answer after its length.
fn dialogue(choice: u8, mut card: VirtualCard) -> Vec<u8> {
    let (atr, protocol) = (card.atr().to_vec(), card.protocol());
    card.power_on();
    let mut recorder = Recorder {
        card,
        answers: vec![choice],
    };
    // What the reading gives does not matter here: only what the card said.
    if let Ok(mut card) = Card::open(&atr, protocol, &mut recorder) {
        let _ = card.update_state(&mut recorder);
        for entry in card.certificates(&mut recorder).unwrap_or_default() {
            let _ = card.read_certificate(&mut recorder, &entry);
        }
        let _ = card.data_objects(&mut recorder);
        let _ = card.pin_rules(&mut recorder, PinRole::Pin);
        let _ = card.tries(&mut recorder, PinRole::Pin);
        let _ = card.keys(&mut recorder);
    }
    recorder.answers
}

struct Recorder {
    card: VirtualCard,
    answers: Vec<u8>,
}

impl Transmit for Recorder {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        let Outcome::Answer(answer, _) = self.card.command(command) else {
            return Err(TransmitError::TimedOut);
        };
        self.answers.extend((answer.len() as u16).to_be_bytes());
        self.answers.extend(&answer);
        Ok(answer)
    }
}

/// The head and the entries of a real journal.
fn journal() -> io::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let journal = Journal::open(folder.path(), 1 << 20).map_err(io::Error::other)?;
    for operation in ["lock", "recovered"] {
        let record = Record::own(operation);
        journal.append(record).map_err(io::Error::other)?;
    }
    let mut seed = Vec::new();
    for file in ["head", "000000000001.jsonl"] {
        seed.extend(fs::read(folder.path().join(file))?);
    }
    Ok(seed)
}

/// The same lines without their hashes.
fn unsealed(journal: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(journal);
    let (head, entries) = text.split_once('\n').unwrap_or_default();
    let mut lines = format!("{head}\n");
    for entry in entries.lines() {
        let (covered, _) = entry.rsplit_once(",\"hash\"").unwrap_or_default();
        lines.push_str(covered);
        lines.push('\n');
    }
    lines.into_bytes()
}

/// One answer for each request of the target `answer`, in its order: a length, the end of the
/// connection, events in chunks, a refusal, an upgrade, tokens.
const ANSWERS: [(&str, &[u8]); 6] = [
    (
        "status",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    ),
    (
        "identity",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n\r\n{\"family_name\":null}",
    ),
    (
        "events",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
          2b\r\nevent: card.inserted\ndata: {\"reader\":\"a\"}\n\n\r\n0\r\n\r\n",
    ),
    (
        "problem",
        b"HTTP/1.1 409 Conflict\r\ncontent-type: application/problem+json\r\ncontent-length: 23\r\n\r\n\
          {\"code\":\"card.absent\"}\n",
    ),
    (
        "tunnel",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: cpsd-tunnel\r\n\r\nbytes",
    ),
    (
        "objects",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\
          {\"module\":{\"login\":\"none\",\"program_pin\":\"refuse\",\"wait_seconds\":60},\"tokens\":[]}",
    ),
];

/// One answer of each kind that the process of a PKCS#11 module gives.
const MODULE_REPLIES: [(&str, &[u8]); 7] = [
    ("ready", br#"{"id":0,"result":{"Ok":{"ready":{"landlock":7}}}}"#),
    ("done", br#"{"id":1,"result":{"Ok":"done"},"secret":true}"#),
    (
        "refused",
        br#"{"id":2,"result":{"Err":{"reason":"pin_incorrect","text":"C_Login: PinIncorrect"}}}"#,
    ),
    (
        "tokens",
        br#"{"id":3,"result":{"Ok":{"tokens":[{"id":{"slot":1,"serial":"1"},"label":"a","manufacturer":"b",
        "model":"c","slot_description":"d","login_required":true,"protected_path":false,"pin_min":4,
        "pin_max":8,"count_low":false,"final_try":false,"locked":false}]}}}"#,
    ),
    (
        "certificates",
        br#"{"id":4,"result":{"Ok":{"certificates":[{"id":"01","label":"a","der":"MAA="}]}}}"#,
    ),
    (
        "keys",
        br#"{"id":5,"result":{"Ok":{"keys":[{"id":"01","kind":"rsa","schemes":["pkcs1_sha256"],
        "decrypts":true,"always_authenticate":false}]}}}"#,
    ),
    ("signature", br#"{"id":6,"result":{"Ok":{"signature":"MAA="}}}"#),
];

/// A part of a session for the targets `imap_observer` and `smtp_relay`, after its side and length.
fn part(side: u8, text: &str) -> Vec<u8> {
    [&[side | text.len() as u8], text.as_bytes()].concat()
}

/// What clients say over IMAP before they are logged in, for the target `imap_front`.
const IMAP_CLIENTS: [(&str, &str); 4] = [
    (
        "login",
        "1 CAPABILITY\r\n2 ID (\"name\" \"x\")\r\n3 LOGIN \"a@b.fr\" \"secret\"\r\n4 NOOP\r\n5 LOGOUT\r\n",
    ),
    (
        "literals",
        "a LOGIN {6}\r\na@b.fr {6+}\r\nsecret\r\nb LOGIN {9999}\r\nc SELECT {5+}\r\nINBOX\r\n",
    ),
    (
        "sasl",
        "a AUTHENTICATE PLAIN\r\nAHVAeC5mcgBzZWNyZXQ=\r\nb AUTHENTICATE LOGIN dUB4LmZy\r\n*\r\n\
         c AUTHENTICATE LOGIN\r\ndUB4LmZy\r\nc2VjcmV0\r\nd AUTHENTICATE PLAIN AHVAeC5mcgBzZWNyZXQ=\r\n",
    ),
    ("tls", "\x16\x03\x01\x02\0\x01\0\x01\u{7c}"),
];

/// What operators' servers say, for the target `imap_upstream`: the choice of the dialogue first.
const IMAP_SERVERS: [(&str, u8, &str); 6] = [
    (
        "starttls",
        0,
        "* OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\ng1 OK Begin\r\n",
    ),
    (
        "external",
        4,
        "* CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL\r\ng1 OK x\r\na1 OK [CAPABILITY IDLE] in\r\n* 1 EXISTS",
    ),
    (
        "two-steps",
        5,
        "* OK [CAPABILITY AUTH=EXTERNAL] x\r\n+ \r\na1 NO [ALERT] no SSL certificate\r\n",
    ),
    (
        "xoauth2",
        7,
        "* OK [CAPABILITY SASL-IR AUTH=XOAUTH2] x\r\n+ eyJzdGF0dXMi\r\na1 NO [AUTHENTICATIONFAILED] x\r\n",
    ),
    (
        "oauthbearer",
        8,
        "* CAPABILITY AUTH=OAUTHBEARER\r\ng1 OK x\r\n+ \r\n+ eyJz\r\n* BYE x\r\n",
    ),
    ("preauth", 3, "* PREAUTH [CAPABILITY IMAP4rev1] x\r\n"),
];

/// What clients say over SMTP before they are logged in, for the target `smtp_front`.
const SMTP_CLIENTS: [(&str, &str); 3] = [
    (
        "plain",
        "EHLO [127.0.0.1]\r\nAUTH PLAIN AHVAeC5mcgBzZWNyZXQ=\r\nMAIL FROM:<u@x.fr>\r\nQUIT\r\n",
    ),
    (
        "login",
        "HELO x\r\nAUTH LOGIN\r\ndUB4LmZy\r\nc2VjcmV0\r\nAUTH LOGIN dUB4LmZy\r\n*\r\nNOOP\r\n",
    ),
    ("tls", "\u{16}\u{3}\u{1}\u{2}\0\u{1}"),
];

/// What operators' servers say, for the target `smtp_upstream`: the choice of the dialogue first.
const SMTP_SERVERS: [(&str, u8, &str); 4] = [
    (
        "starttls",
        0,
        "220 x ESMTP\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n",
    ),
    (
        "external",
        4,
        "250-x\r\n250 AUTH EXTERNAL\r\n501 no\r\n334 \r\n235 in\r\n",
    ),
    (
        "token",
        6,
        "250-x\r\n250 AUTH XOAUTH2\r\n334 e30=\r\n535 5.7.8 no\r\n",
    ),
    (
        "certificate",
        3,
        "220 x\r\n421 4.7.1 No client certificate\r\n",
    ),
];

/// What servers (0) and clients (0x80) say in a session, for the target `smtp_relay`.
const SMTP_SESSIONS: [(&str, &[(u8, &str)]); 2] = [
    (
        "message",
        &[
            (
                0x80,
                "MAIL FROM:<a@b.fr> SIZE=9\r\nRCPT TO:<c@d.fr>\r\nDATA\r\n",
            ),
            (0, "250 ok\r\n"),
            (0, "250 ok\r\n"),
            (0, "354 go\r\n"),
            (0x80, "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"),
            (0, "250 queued\r\n"),
        ],
    ),
    (
        "lost",
        &[
            (
                0x80,
                "EHLO x\r\nMAIL FROM:<a@b.fr>\r\nRCPT TO:<c@d.fr>\r\nDATA\r\n",
            ),
            (0, "250 ok\r\n"),
            (0, "250 ok\r\n"),
            (0, "354 go\r\n"),
            (0x80, "x\r\n"),
            (0, "421 bye\r\n"),
            (0x80, "y\r\n.\r\nQUIT\r\n"),
        ],
    ),
];

/// What clients (0) and servers (0x80) say in a session, for the target `imap_observer`.
const IMAP_SESSIONS: [(&str, &[(u8, &str)]); 3] = [
    (
        "delete",
        &[
            (0, "7 UID STORE 1:2 +FLAGS (\\Deleted)\r\n8 EXPUNGE\r\n"),
            (0x80, "7 OK done\r\n* 1 EXPUNGE\r\n8 NO no\r\n"),
        ],
    ),
    (
        "literals",
        &[
            (0, "a APPEND Sent {5}\r\n"),
            (0x80, "+ OK\r\n* 1 FETCH (BODY[] {4}\r\na OK)\r\n"),
            (0, "Hello\r\nb APPEND {4+}\r\nSent {2+}\r\nOK\r\n"),
            (0x80, "a OK done\r\nb NO [TOOBIG] {3}\r\n"),
        ],
    ),
    (
        "compress",
        &[
            (0, "a MOVE 1 x\r\nb COMPRESS DEFLATE\r\n"),
            (0x80, "a OK done\r\nb OK begins\r\n\0"),
        ],
    ),
];

fn seeds(folder: &Path) -> io::Result<()> {
    let pki = Pki::new(SystemTime::now());
    let seed = |target: &str, name: &str, content: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), content)
    };
    for holder in Holder::ALL {
        let certificate = pki.signature_der(holder);
        for target in ["certificate", "cms", "tlv"] {
            seed(target, holder.name(), &certificate)?;
        }
        seed(
            "certificate",
            &format!("{}-auth", holder.name()),
            &pki.authentication_der(holder),
        )?;
        seed(
            "certificate",
            &format!("{}-tech", holder.name()),
            &pki.technical_der(holder),
        )?;
    }
    let certificate = Certificate::from_der(&pki.signature_der(Holder::CpsMedecin));
    let certificate = certificate.map_err(io::Error::other)?;
    let spki = certificate.public_key_spki();
    let key = [&(spki.len() as u16).to_be_bytes(), spki].concat();
    let digest_info = cps_verify::digest_info(Hash::Sha256, &[0; 32]);
    let ecdsa = cps_verify::ecdsa_to_der(&[1; 64]).unwrap_or_default();
    for (name, signature) in [
        ("rsa", vec![1; 256]),
        ("info", digest_info),
        ("ecdsa", ecdsa),
    ] {
        seed("verify", name, &[&key[..], &signature].concat())?;
    }
    for (choice, profile) in Profile::ALL.into_iter().enumerate() {
        let card = VirtualCard::new(&pki, Holder::CpsMedecin, profile);
        seed("card", profile.name(), &dialogue(choice as u8, card))?;
    }
    for variant in [CrlVariant::Empty, CrlVariant::Revoked] {
        let issuer = Authority::Intermediate(Gamme::Fort, Domain::Personnes);
        seed(
            "crl",
            &format!("{variant:?}"),
            &pki.crl_der(issuer, variant),
        )?;
    }
    for (number, anchor) in pki.anchors_der().iter().enumerate() {
        seed("bundle", &number.to_string(), anchor)?;
    }
    seed(
        "bundle",
        "pem",
        pki.server(&["localhost"]).chain_pem.as_bytes(),
    )?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    seed(
        "config",
        "shipped",
        &fs::read(repository.join("packaging/cpsd.toml"))?,
    )?;
    for (number, (name, answer)) in ANSWERS.into_iter().enumerate() {
        seed("answer", name, &[&[number as u8], answer].concat())?;
    }
    seed(
        "assuan",
        "pin",
        b"OK Pleased to meet you\nS NOTE\nD 12%2534\nOK\n",
    )?;
    seed(
        "assuan",
        "cancelled",
        b"OK\n# note\nERR 83886179 Operation cancelled <Pinentry>\n",
    )?;
    for (name, reply) in MODULE_REPLIES {
        let length = (reply.len() as u32).to_be_bytes();
        let secret = b"\0\0\0\x04text";
        seed("module", name, &[&length[..], reply, secret].concat())?;
    }
    let journal = journal()?;
    seed("journal", "as-written", &[b"\0", &journal[..]].concat())?;
    seed(
        "journal",
        "to-be-sealed",
        &[b"\x01", &unsealed(&journal)[..]].concat(),
    )?;
    for (name, client) in IMAP_CLIENTS {
        seed("imap_front", name, &[b"\x07", client.as_bytes()].concat())?;
    }
    for (name, choice, server) in IMAP_SERVERS {
        let head = [choice, 0xFF];
        seed("imap_upstream", name, &[&head, server.as_bytes()].concat())?;
    }
    for (name, session) in IMAP_SESSIONS {
        let parts: Vec<u8> = session
            .iter()
            .flat_map(|(side, text)| part(*side, text))
            .collect();
        seed("imap_observer", name, &parts)?;
    }
    for (name, client) in SMTP_CLIENTS {
        seed("smtp_front", name, &[b"\x07", client.as_bytes()].concat())?;
    }
    for (name, choice, server) in SMTP_SERVERS {
        let head = [choice, 0xFF];
        seed("smtp_upstream", name, &[&head, server.as_bytes()].concat())?;
    }
    for (name, session) in SMTP_SESSIONS {
        let parts = session.iter().flat_map(|(side, text)| part(*side, text));
        let parts: Vec<u8> = std::iter::once(7).chain(parts).collect();
        seed("smtp_relay", name, &parts)?;
    }
    // One command of each ISO 7816-4 case, and a chained block.
    for (name, command) in [
        ("case1", &b"\x00\x20\x00\x01"[..]),
        ("case2", b"\x00\xb0\x9c\x00\x0c"),
        ("case3", b"\x00\xa4\x08\x04\x02\x00\x01"),
        ("case4", b"\x01\x2a\x9e\x9a\x02\xab\xcd\x00"),
        ("chained", b"\x10\x2a\x80\x86\x01\x00"),
    ] {
        seed("apdu", name, command)?;
    }
    Ok(())
}
