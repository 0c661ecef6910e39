use std::fs;

use tempfile::TempDir;

use super::*;
use crate::journal::Entry;

fn traces(rotate_at: u64) -> (TempDir, Traces) {
    let folder = tempfile::tempdir().expect("folder");
    let traces = Traces::open(folder.path(), rotate_at, 184).expect("open");
    (folder, traces)
}

fn alix(protocol: Protocol) -> Author {
    Author {
        id: "899700000013".to_owned(),
        mailbox: Address::parse("alix.exemple@medecin.mssante.fr").expect("an address"),
        protocol,
        program: "Thunderbird".to_owned(),
    }
}

fn message(sent: bool, answer: &str) -> Note {
    Note {
        sender: Some(alix(Protocol::Smtp).mailbox),
        accepted: 2,
        refused: 1,
        domains: vec![
            "medecin.mssante.fr".to_owned(),
            "patient.mssante.fr".to_owned(),
        ],
        answer: answer.to_owned(),
        sent,
    }
}

fn entries(traces: &Traces) -> Vec<Entry<Trace>> {
    traces.journal().entries(0, 5000).expect("entries")
}

#[tokio::test]
async fn what_is_recorded_is_on_disk_when_its_sender_hears_of_it() {
    let (folder, traces) = traces(u64::MAX);
    let author = alix(Protocol::Smtp);
    let sent = author.sent(message(true, "250 2.0.0 Ok: queued"));
    traces.record(sent).await.expect("recorded");

    let volume = folder.path().join("000000000001.jsonl");
    let line = fs::read_to_string(volume).expect("a volume");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["author"], "899700000013");
    assert_eq!(line["mailbox"], "alix.exemple@medecin.mssante.fr");
    assert_eq!(
        (&line["protocol"], &line["action"]),
        (&"smtp".into(), &"send".into())
    );
    assert_eq!(
        line["request"],
        "MAIL FROM:<alix.exemple@medecin.mssante.fr> RCPT 2 (1 refused) medecin.mssante.fr \
         patient.mssante.fr"
    );
    assert_eq!(line["answer"], "250 2.0.0 Ok: queued");
    assert_eq!(line["program"], "Thunderbird");
    // RFC 3339 with the offset of this computer's zone, and the time of the entry.
    let at = line["at"].as_str().expect("a time");
    let offset = at.get(19..).expect("an offset");
    assert!(offset.len() == 6 && offset.starts_with(['+', '-']), "{at}");
    let at: jiff::Timestamp = at.parse().expect("RFC 3339");
    let time: jiff::Timestamp = line["time"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("RFC 3339");
    assert!(time.duration_since(at).as_secs() < 60);
}

#[tokio::test]
async fn what_is_seen_afterwards_is_written_in_order() {
    let (_folder, traces) = traces(2000);
    let author = alix(Protocol::Imap);
    for index in 0..100 {
        traces.note(author.observed(Observed {
            action: cps_mail::imap::Action::Delete,
            request: format!("UID STORE {index} +FLAGS (\\Deleted)"),
            answer: (index % 2 == 0).then(|| "OK done".to_owned()),
        }));
    }
    traces.flush().await.expect("flushed");
    let entries = entries(&traces);
    assert_eq!(entries.len(), 100);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(
            entry.record.request,
            format!("UID STORE {index} +FLAGS (\\Deleted)")
        );
        assert_eq!(entry.record.action, "delete");
        assert_eq!(entry.record.answer.is_some(), index % 2 == 0);
    }
    assert!(traces.journal().verify().expect("verify").is_whole());
}

#[tokio::test]
async fn what_comes_too_fast_is_counted() {
    let (_folder, traces) = traces(u64::MAX);
    let author = alix(Protocol::Imap);
    // Nothing is written before this task waits.
    for _ in 0..WAITING + 5 {
        traces.note(author.trace("delete", "EXPUNGE".to_owned(), None));
    }
    traces.flush().await.expect("flushed");
    let entries = entries(&traces);
    let lost = entries.iter().filter(|entry| entry.record.action == LOST);
    let lost: Vec<_> = lost.map(|entry| entry.record.request.as_str()).collect();
    assert_eq!(lost, ["5 actions could not be written"]);
    assert_eq!(entries.len(), WAITING + 1);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_its_loss_is_in_the_journal_later() {
    let (folder, traces) = traces(1);
    let author = alix(Protocol::Smtp);
    let sent = || author.sent(message(true, "250 Ok"));
    traces.record(sent()).await.expect("recorded");
    // The next volume cannot be made: a folder has its name.
    let blocker = folder.path().join("000000000002.jsonl");
    fs::create_dir(&blocker).expect("blocker");
    let refused = traces.record(sent()).await;
    assert!(matches!(refused, Err(TraceError::Journal(_))));
    fs::remove_dir(&blocker).expect("unblock");
    traces.record(sent()).await.expect("recorded");
    let entries = entries(&traces);
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry.record.action.as_str())
        .collect();
    assert_eq!(actions, ["send", LOST, "send"]);
    assert_eq!(entries[1].record.request, "1 actions could not be written");
    assert!(traces.journal().verify().expect("verify").is_whole());
}

#[tokio::test]
async fn an_entry_is_readable_whatever_was_asked_and_answered() {
    let (_folder, traces) = traces(u64::MAX);
    // Six bytes each in JSON.
    let long = "\u{1}".repeat(20_000);
    let author = Author {
        program: long.clone(),
        ..alix(Protocol::Imap)
    };
    let trace = author.trace(&long, long.clone(), Some(long.clone()));
    traces.record(trace).await.expect("recorded");
    assert!(traces.journal().verify().expect("verify").is_whole());
    assert_eq!(entries(&traces).len(), 1);
}

#[test]
fn the_actions_are_those_that_clients_know() {
    use cps_mail::imap::Action;
    // A new one does not compile here: it belongs into `MAIL_ACTIONS` as well.
    let seen = [
        Action::Append,
        Action::Compress,
        Action::Copy,
        Action::Delete,
        Action::Move,
    ];
    let seen = seen.map(|action| match action {
        Action::Append | Action::Compress | Action::Copy | Action::Delete | Action::Move => {
            action.as_str()
        }
    });
    let mut known = seen.to_vec();
    known.extend([
        LOGIN,
        SEND,
        LOST,
        crate::journal::PRUNED,
        crate::journal::RECOVERED,
    ]);
    known.sort_unstable();
    let mut told = cps_api::types::MAIL_ACTIONS;
    told.sort_unstable();
    assert_eq!(known, told);
}
