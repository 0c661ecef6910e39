//! Promise: the PIN leaves no trace. A PIN is typed into a pinentry program, sent to a card, and
//! then looked for in the whole memory of this process, in what it logged and in what it wrote.
//!
//! The card's side is in this process too, so the reader below answers VERIFY itself, without
//! looking at the PIN. The PIN is never spelled in this file: only its digits plus one are.

mod support;

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::DerefMut;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cps_card::{Protocol, Transmit, TransmitError};
use cps_emulator::{Profile, Slot};
use cpsd::broker::{Broker, Parts};
use cpsd::caller::Caller;
use cpsd::cards::{Cards, Options, Phase};
use cpsd::config::Config;
use cpsd::grants::Grants;
use cpsd::journal::Journal;
use cpsd::mail::mailboxes::Mailboxes;
use cpsd::prompt::Pinentry;
use cpsd::readers::simulated::{SimulatedReader, SimulatedReaders};
use cpsd::readers::{ConnectError, Connection, Disposition, Exchange};

use zeroize::Zeroizing;

use support::reader::SlotReader;
use support::{Verdict, until};

/// Each digit of the PIN plus one.
const SHIFTED: [u8; 8] = *b"84281756";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let log = Log::default();
    let writer = log.clone();
    // Everything, the most talkative level included.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    runtime.block_on(check(&log));
    println!("the PIN is nowhere");
}

async fn check(log: &Log) {
    let folder = tempfile::tempdir().expect("folder");
    let program = folder.path().join("pinentry");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/typist.sh");
    symlink(script, &program).expect("link");

    // The search finds what is there: a copy of the PIN, as long as it is alive.
    // Made on the heap, digit by digit: an array would leave a copy on the stack.
    let mut planted = Zeroizing::new(SHIFTED.to_vec());
    planted.iter_mut().for_each(|digit| *digit -= 1);
    assert_eq!(traces_in_memory().len(), 1, "the search is blind");
    drop(planted);
    assert_eq!(traces_in_memory(), [""; 0], "the search found itself");

    let slot = Slot::new("Virtual reader");
    slot.insert(support::card(Profile::Cps3));
    let verified = Arc::new(AtomicUsize::new(0));
    let reader = Discreet {
        reader: SlotReader::new(slot),
        verified: Arc::clone(&verified),
    };
    let readers = SimulatedReaders::default();
    readers.plug("Virtual reader", Arc::new(reader));
    let cards = Cards::start(Box::new(readers.source()), None, Options::default());
    let state_folder = folder.path().join("state");
    let config = Config::default();
    let mailboxes = Mailboxes::open(&state_folder.join("mailboxes.json"), &config);
    let broker = Broker::start(Parts {
        cards: cards.clone(),
        config: Arc::new(config),
        grants: Grants::open(&state_folder.join("grants.json")).expect("grants"),
        journal: Journal::open(&state_folder.join("journal"), u64::MAX).expect("journal"),
        mailboxes: mailboxes.expect("mailboxes"),
        prompter: Arc::new(Pinentry::new(program, Duration::from_secs(30))),
        trust: Arc::new(Verdict::default()),
    });
    until("the card is read", || {
        cards
            .cards()
            .iter()
            .any(|state| state.phase == Phase::Ready)
    })
    .await;
    let card = cards.cards()[0].id.clone();
    let caller = Caller::of_pid(std::process::id()).expect("this process");

    // First refused, so that the memory of refused PINs is in use; then the same PIN typed again.
    let refused = broker
        .login(&caller, &card)
        .await
        .expect_err("refused by the card");
    assert_eq!(refused.code().as_str(), "pin.incorrect");
    let again = broker
        .login(&caller, &card)
        .await
        .expect_err("not sent again");
    assert_eq!(again.code().as_str(), "pin.already_refused");
    assert_eq!(
        verified.load(Ordering::SeqCst),
        1,
        "the PIN went to the card once"
    );

    assert_eq!(traces_in_memory(), [""; 0]);

    let mut texts = vec![log.0.lock().expect("log").clone()];
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).expect("folder") {
            let path = item.expect("item").path();
            match path.is_dir() {
                true => folders.push(path),
                false => texts.push(fs::read(&path).expect("file")),
            }
        }
    }
    texts.push(fs::read("/proc/self/environ").expect("environ"));
    texts.push(fs::read("/proc/self/cmdline").expect("cmdline"));
    assert!(texts[0].len() > 100, "nothing was logged");
    assert!(texts.len() > 4, "nothing was written");
    for text in &texts {
        assert_eq!(traces(text), 0, "in {}", String::from_utf8_lossy(text));
    }
    cards.shutdown().await;
}

/// A reader whose card never sees a PIN.
struct Discreet {
    reader: SlotReader,
    verified: Arc<AtomicUsize>,
}

impl SimulatedReader for Discreet {
    fn generation(&self) -> u64 {
        self.reader.generation()
    }

    fn has_card(&self) -> bool {
        self.reader.has_card()
    }

    fn wait_change(&self, seen: u64) {
        self.reader.wait_change(seen);
    }

    fn connect(&self) -> Result<Box<dyn Connection>, ConnectError> {
        let card = self.reader.connect()?;
        Ok(Box::new(Guarded {
            card,
            verified: Arc::clone(&self.verified),
        }))
    }
}

/// Answers VERIFY with a PIN by itself: wrong, two tries left.
struct Guarded<C> {
    card: C,
    verified: Arc<AtomicUsize>,
}

impl<C: DerefMut<Target: Transmit>> Transmit for Guarded<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        if command.len() > 5 && command[1] == 0x20 {
            assert_ne!(traces(command), 0, "another PIN was sent");
            self.verified.fetch_add(1, Ordering::SeqCst);
            return Ok(vec![0x63, 0xC2]);
        }
        self.card.transmit(command)
    }
}

impl<C: DerefMut<Target: Exchange> + Send> Exchange for Guarded<C> {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.card.reconnect()
    }
}

impl Connection for Guarded<Box<dyn Connection>> {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn changes(&self) -> u32 {
        self.card.changes()
    }

    fn protocol(&self) -> Protocol {
        self.card.protocol()
    }

    fn transaction(&mut self) -> Result<Box<dyn Exchange + '_>, TransmitError> {
        let verified = Arc::clone(&self.verified);
        Ok(Box::new(Guarded {
            card: self.card.transaction()?,
            verified,
        }))
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        self.card.disconnect(disposition);
    }
}

/// How often the PIN is in a text, as digits or as a hexadecimal dump of them.
fn traces(text: &[u8]) -> usize {
    (0..text.len())
        .filter(|start| begins_with_pin(&text[*start..]))
        .count()
}

fn begins_with_pin(text: &[u8]) -> bool {
    let plain = text
        .iter()
        .zip(&SHIFTED)
        .filter(|(byte, shifted)| byte.wrapping_add(1) == **shifted);
    let dumped = text
        .chunks_exact(2)
        .zip(&SHIFTED)
        .filter(|(pair, shifted)| pair[0] == b'3' && pair[1].wrapping_add(1) == **shifted);
    plain.count() == SHIFTED.len() || dumped.count() == SHIFTED.len()
}

/// Where the PIN is in the memory of this process.
fn traces_in_memory() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").expect("maps");
    let mut memory = fs::File::open("/proc/self/mem").expect("mem");
    // Parts, so that the copies made by looking are few; they overlap by a PIN's dump.
    let mut block = Zeroizing::new(vec![0; 64 * 1024]);
    let own = block.as_ptr() as u64;
    let own = own..own + block.len() as u64;
    let mut found = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (start, end) = range.split_once('-').expect("range");
        let start = u64::from_str_radix(start, 16).expect("start");
        let end = u64::from_str_radix(end, 16).expect("end");
        if !rights.starts_with('r') || line.ends_with("[vvar]") || line.contains("[vsyscall]") {
            continue;
        }
        let mut at = start;
        while at < end {
            let length = block.len().min((end - at) as usize);
            if memory.seek(SeekFrom::Start(at)).is_ok() {
                // A page of a mapped file beyond its end cannot be read; nothing is in it.
                if let Ok(read) = memory.read(&mut block[..length]) {
                    for offset in 0..read {
                        let here = at + offset as u64;
                        let rest = &block[offset..read.min(offset + 16)];
                        if !own.contains(&here) && begins_with_pin(rest) {
                            found.push(format!("{here:x} in {line}"));
                        }
                    }
                }
            }
            if at + length as u64 == end {
                break;
            }
            at += length as u64 - 16;
        }
    }
    found
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
