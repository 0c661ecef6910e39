//! The card in the reader, and the lines that drive it.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cps_emulator::{FaultPlan, Holder, Layout, Pki, Timing, UpdateState, VirtualCard, VpcdCard};

use super::{CardArguments, Update};

/// Plays the card until standard input ends or says `quit`.
pub(crate) fn run(arguments: &CardArguments) -> Result<(), String> {
    let pki = Pki::new(SystemTime::now()).with_base_url(&arguments.crl_base);
    let mut console = Console {
        arguments,
        pki,
        card: Arc::new(Mutex::new(make(arguments, arguments.holder)?)),
        reader: None,
    };
    if !arguments.empty {
        console.insert()?;
    }
    say("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("cannot read standard input: {error}"))?;
        let mut words = line.split_whitespace();
        let Some(verb) = words.next() else { continue };
        if verb == "quit" {
            break;
        }
        match console.obey(verb, words.next()) {
            Ok(text) => say(&text),
            Err(problem) => say(&format!("error: {problem}")),
        }
    }
    Ok(())
}

/// Each line is answered by one line, so that a script can wait for it.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A script that no longer listens does not stop the card.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn make(arguments: &CardArguments, holder: Holder) -> Result<VirtualCard, String> {
    let pki = Pki::new(SystemTime::now()).with_base_url(&arguments.crl_base);
    let layout = match &arguments.layout {
        None => Layout::of(arguments.profile),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read the layout {}: {error}", path.display()))?;
            Layout::from_json(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let mut card = VirtualCard::with_layout(&pki, holder, layout);
    for plan in &arguments.fault {
        card.arm(*plan);
    }
    if let Some(left) = arguments.pin_tries {
        card.set_pin_tries(left);
    }
    if let Some(left) = arguments.puk_tries {
        card.set_puk_tries(left);
    }
    if let Some(atr) = &arguments.atr {
        card.set_atr(atr);
    }
    let start = "20240115103000".to_owned();
    card.set_update_state(&match arguments.update {
        Update::Done => UpdateState::Done {
            start,
            end: "20240115103500".into(),
        },
        Update::Empty => UpdateState::Empty,
        Update::Never => UpdateState::Never,
        Update::Unfinished => UpdateState::Unfinished { start },
    });
    card.set_timing(Timing {
        per_byte: arguments.byte_time,
        per_key_operation: arguments.key_time,
    });
    Ok(card)
}

struct Console<'a> {
    arguments: &'a CardArguments,
    pki: Pki,
    card: Arc<Mutex<VirtualCard>>,
    reader: Option<VpcdCard>,
}

impl Console<'_> {
    fn obey(&mut self, verb: &str, argument: Option<&str>) -> Result<String, String> {
        match (verb, argument) {
            ("insert", None) => self.insert()?,
            ("remove", None) => self.reader = None,
            ("swap", Some(holder)) => {
                let holder: Holder = holder.parse()?;
                let was_inserted = self.reader.take().is_some();
                let layout = self.card().layout().clone();
                let card = VirtualCard::with_layout(&self.pki, holder, layout);
                self.card = Arc::new(Mutex::new(card));
                if was_inserted {
                    self.insert()?;
                }
            }
            ("reset", None) => self.card().reset(),
            ("fault", Some(plan)) => {
                let plan: FaultPlan = plan.parse()?;
                self.card().arm(plan);
            }
            ("clear", None) => self.card().disarm(),
            ("zero", None) => self.card().reset_counters(),
            ("counters", None) => {
                return serde_json::to_string(&self.card().counters())
                    .map_err(|error| error.to_string());
            }
            ("log", None) => {
                let log: Vec<_> = self
                    .card()
                    .log()
                    .iter()
                    .map(|exchange| exchange.to_string())
                    .collect();
                return serde_json::to_string(&log).map_err(|error| error.to_string());
            }
            _ => {
                return Err(format!(
                    "unknown line `{verb}`; use insert, remove, swap HOLDER, reset, fault FAULT, clear, counters, \
                     zero, log or quit"
                ));
            }
        }
        Ok("ok".into())
    }

    fn insert(&mut self) -> Result<(), String> {
        if self.reader.as_ref().is_some_and(VpcdCard::inserted) {
            return Err("the card is already in the reader".into());
        }
        self.reader = None;
        let reader = VpcdCard::insert(Arc::clone(&self.card), &self.arguments.vpcd);
        self.reader = Some(reader.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn card(&self) -> MutexGuard<'_, VirtualCard> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
