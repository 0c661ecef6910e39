use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::prompt::{Message, PinNote, Secret, Subject};
use crate::purpose::{Language, Purpose};

/// A scripted pinentry with this behaviour (see `scripted.sh`), in a folder of its own.
fn scripted(mode: &str) -> (TempDir, Pinentry) {
    let folder = tempfile::tempdir().expect("folder");
    let program = folder.path().join(mode);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/prompt/pinentry/scripted.sh");
    symlink(script, &program).expect("link");
    let mut pinentry = Pinentry::new(program, Duration::from_secs(60));
    pinentry.own_display = false;
    (folder, pinentry)
}

fn subject() -> Subject {
    Subject {
        language: Language::Fr,
        environment: PromptEnvironment {
            display: Some(":77".to_owned()),
            tty: Some("/dev/pts/99".to_owned()),
            lang: Some("fr_FR.UTF-8".to_owned()),
            ..PromptEnvironment::default()
        },
        program: "logiciel 100 %".to_owned(),
        path: "/opt/logiciel".to_owned(),
        app_id: None,
        purpose: Purpose::Login,
        card: "90000001".to_owned(),
        holder: None,
    }
}

fn pin_request() -> PinRequest {
    PinRequest {
        subject: subject(),
        secret: Secret::Current,
        tries_left: Some(3),
        length: (4, 4),
        note: Some(PinNote::AlreadyRefused),
    }
}

fn allow(days: u16) -> ConfirmRequest {
    ConfirmRequest {
        subject: subject(),
        question: Question::Allow { days },
    }
}

async fn pin(mode: &str) -> Result<Vec<u8>, PromptError> {
    let (_folder, pinentry) = scripted(mode);
    pinentry
        .pin(pin_request())
        .await
        .map(|typed| typed.bytes().to_vec())
}

fn log(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}

/// Waits until the script has read a line that starts so; a deadline, not a measure.
async fn reached(folder: &TempDir, line: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !log(folder).lines().any(|known| known.starts_with(line)) {
        assert!(Instant::now() < limit, "{line} was never sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the script's process is gone.
async fn gone(folder: &TempDir) {
    let pid = fs::read_to_string(folder.path().join("pid")).expect("pid");
    let stat = format!("/proc/{}/stat", pid.trim());
    let limit = Instant::now() + Duration::from_secs(60);
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < limit, "the dialog is still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_pin_is_put_together_and_decoded() {
    assert_eq!(pin("good").await.expect("typed"), b"12%34");
    assert_eq!(pin("empty").await.expect("typed"), b"");
}

#[tokio::test]
async fn a_pinentry_that_knows_no_options_still_asks() {
    assert_eq!(pin("strict").await.expect("typed"), b"12%34");
}

#[tokio::test]
async fn a_program_cannot_move_a_dialog_to_a_screen_of_its_own() {
    let (folder, mut pinentry) = scripted("good");
    pinentry.own_display = true;
    pinentry.pin(pin_request()).await.expect("typed");
    let log = log(&folder);
    for place in [":77", "/dev/pts/99"] {
        assert!(!log.contains(place), "{log}");
    }
    assert!(log.contains("OPTION lc-ctype=fr_FR.UTF-8"), "{log}");
}

#[tokio::test]
async fn the_dialog_is_told_where_and_what() {
    let (folder, pinentry) = scripted("good");
    pinentry.pin(pin_request()).await.expect("typed");
    let log = log(&folder);
    for line in [
        "started DISPLAY=:77 LISTEN_FDS=",
        "OPTION display=:77",
        "OPTION ttyname=/dev/pts/99",
        "OPTION lc-ctype=fr_FR.UTF-8",
        "OPTION lc-messages=fr_FR.UTF-8",
        "SETTIMEOUT 60",
        "SETPROMPT Code porteur :",
        "SETOK Valider",
        "SETCANCEL Annuler",
        "GETPIN",
    ] {
        assert!(log.lines().any(|told| told == line), "{line} in\n{log}");
    }
    let description = log
        .lines()
        .find(|line| line.starts_with("SETDESC "))
        .expect("SETDESC");
    assert!(description.contains("logiciel 100 %25"), "{description}");
    assert!(description.contains("%0A"), "{description}");
    assert!(log.contains("SETERROR La carte vient de refuser ce code"));
}

#[tokio::test]
async fn closing_the_dialog_is_no_answer() {
    assert_eq!(pin("cancel").await, Err(PromptError::Cancelled));
    assert_eq!(pin("late").await, Err(PromptError::TimedOut));
    let (_folder, pinentry) = scripted("cancel");
    assert_eq!(pinentry.confirm(allow(0)).await, Ok(Decision::Deny));
    let inform = InformRequest {
        subject: subject(),
        message: Message::PinBlocked,
    };
    assert_eq!(pinentry.inform(inform).await, Ok(()));
}

#[tokio::test]
async fn the_three_buttons_are_told_apart() {
    let (folder, pinentry) = scripted("good");
    assert_eq!(pinentry.confirm(allow(0)).await, Ok(Decision::ForSession));
    assert!(log(&folder).contains("SETNOTOK Une seule fois"));
    assert_eq!(pinentry.confirm(allow(7)).await, Ok(Decision::Days(7)));
    let (_folder, pinentry) = scripted("third");
    assert_eq!(pinentry.confirm(allow(0)).await, Ok(Decision::Once));
}

#[tokio::test]
async fn a_refusal_is_never_taken_for_the_third_button() {
    // A dialog with two buttons may say "not confirmed" for the second.
    let (folder, pinentry) = scripted("gnome");
    assert_eq!(pinentry.confirm(allow(0)).await, Ok(Decision::Deny));
    assert!(!log(&folder).contains("SETNOTOK"));
    let (_folder, pinentry) = scripted("third");
    let once = ConfirmRequest {
        subject: subject(),
        question: Question::AllowOnce,
    };
    assert_eq!(pinentry.confirm(once).await, Ok(Decision::Deny));
}

#[tokio::test]
async fn hostile_output_is_a_clear_error_that_quotes_nothing() {
    for mode in [
        "quit",
        "babble",
        "escape",
        "number",
        "endless",
        "flood",
        "chatter",
        "mute-text",
    ] {
        let error = pin(mode).await.expect_err(mode);
        assert!(
            matches!(error, PromptError::Misbehaved { .. }),
            "{mode}: {error}"
        );
        assert!(!error.to_string().contains('9'), "{mode}: {error}");
    }
}

#[tokio::test]
async fn a_program_that_cannot_ask_is_unavailable() {
    for mode in ["broken", "unwilling"] {
        let error = pin(mode).await.expect_err(mode);
        assert!(
            matches!(error, PromptError::Unavailable { .. }),
            "{mode}: {error}"
        );
    }
    let missing = Pinentry::new(
        PathBuf::from("/nonexistent/pinentry"),
        Duration::from_secs(60),
    );
    let error = missing
        .pin(pin_request())
        .await
        .map(|_| ())
        .expect_err("missing");
    assert!(
        error.to_string().contains("/nonexistent/pinentry"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dialog_without_an_answer_is_closed_in_time() {
    for mode in ["hang", "silent"] {
        let (folder, mut pinentry) = scripted(mode);
        pinentry.patience = Duration::from_secs(1);
        let error = pinentry
            .pin(pin_request())
            .await
            .map(|_| ())
            .expect_err(mode);
        assert_eq!(error, PromptError::TimedOut);
        gone(&folder).await;
    }
}

#[tokio::test]
async fn dropping_the_request_closes_the_dialog() {
    let (folder, pinentry) = scripted("hang");
    let request = pinentry.pin(pin_request());
    tokio::select! {
        _ = request => panic!("nobody answered"),
        () = reached(&folder, "GETPIN") => {}
    }
    gone(&folder).await;
}

#[tokio::test]
async fn one_dialog_at_a_time_and_waiting_can_be_given_up() {
    let (folder, pinentry) = scripted("hang");
    let started = || {
        log(&folder)
            .lines()
            .filter(|line| line.starts_with("started"))
            .count()
    };
    let first = pinentry.pin(pin_request());
    let mut second = pinentry.pin(pin_request());
    let third = pinentry.confirm(allow(0));
    tokio::select! {
        biased; // the first is to come first
        _ = first => panic!("nobody answered"),
        _ = &mut second => panic!("its turn has not come"),
        _ = third => panic!("its turn has not come"),
        () = reached(&folder, "GETPIN") => {}
    }
    // The first and the third are gone; only now the second opens.
    assert_eq!(started(), 1);
    fs::remove_file(folder.path().join("log")).expect("log");
    tokio::select! {
        _ = second => panic!("nobody answered"),
        () = reached(&folder, "GETPIN") => {}
    }
    assert_eq!(started(), 1);
}
