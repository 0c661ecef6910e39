use std::time::Duration;

use super::{Failed, hold, hold_within};
use cps_mail::{Dialogue, Refused, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Asks for lines that end with `.`, as many as it is told, and returns the last.
struct Asking(usize, Vec<u8>);

impl Dialogue for Asking {
    type Done = Vec<u8>;

    fn advance(&mut self, received: &[u8]) -> Result<Step<Vec<u8>>, Refused> {
        self.1.extend_from_slice(received);
        if self.1.ends_with(b"!") {
            return Err(Refused::Injected);
        }
        let complete = self.1.ends_with(b".");
        if !received.is_empty() && !complete {
            return Ok(Step::More(Vec::new()));
        }
        if self.0 == 0 {
            let (send, done) = (b"bye".to_vec(), std::mem::take(&mut self.1));
            return Ok(Step::Done { send, done });
        }
        self.0 -= 1;
        self.1.clear();
        Ok(Step::More(b"more?".to_vec()))
    }

    fn closed(&self) -> Refused {
        Refused::Token
    }
}

#[tokio::test]
async fn pieces_are_put_together_and_the_farewell_is_sent() {
    let (mut ours, mut theirs) = duplex(64);
    let server = tokio::spawn(async move {
        let mut question = [0; 5];
        theirs.read_exact(&mut question).await.expect("asked");
        assert_eq!(&question, b"more?");
        for piece in ["o", "n", "e", "."] {
            theirs.write_all(piece.as_bytes()).await.expect("written");
            tokio::task::yield_now().await;
        }
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.expect("read");
        rest
    });
    let done = hold(&mut ours, Asking(1, Vec::new())).await.expect("done");
    assert_eq!(done, b"one.");
    drop(ours);
    assert_eq!(server.await.expect("ended"), b"bye");
}

#[tokio::test]
async fn an_end_means_what_the_dialogue_says() {
    let (mut ours, theirs) = duplex(64);
    drop(theirs);
    // Seen by sending, or, below, by reading: the server has closed all the same.
    let failed = hold(&mut ours, Asking(1, Vec::new())).await;
    assert!(
        matches!(failed, Err(Failed::Refused(Refused::Token))),
        "{failed:?}"
    );

    let (mut ours, mut theirs) = duplex(64);
    theirs.shutdown().await.expect("half closed");
    let failed = hold(&mut ours, Asking(1, Vec::new())).await;
    assert!(
        matches!(failed, Err(Failed::Refused(Refused::Token))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn drops_do_not_prolong_a_step() {
    let (mut ours, mut theirs) = duplex(1024);
    let dripping = tokio::spawn(async move { while theirs.write_all(b"x").await.is_ok() {} });
    let held = hold_within(&mut ours, Asking(1, Vec::new()), Duration::from_millis(50));
    let failed = tokio::time::timeout(Duration::from_secs(20), held).await;
    let failed = failed.expect("it waits for ever");
    assert!(matches!(failed, Err(Failed::TimedOut)), "{failed:?}");
    drop(ours);
    dripping.await.expect("ended");
}
