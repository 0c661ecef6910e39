use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

#[derive(Default)]
struct Notes {
    sent: Vec<u8>,
    received: usize,
}

impl Watch for Notes {
    fn sent(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
    }

    fn received(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
    }
}

struct Ends {
    client: DuplexStream,
    server: DuplexStream,
    carrying: tokio::task::JoinHandle<(io::Result<()>, Notes)>,
}

fn joined(room: usize, up: &[u8], down: &[u8], patience: Duration) -> Ends {
    let (client, ours) = duplex(room);
    let (server, theirs) = duplex(room);
    let mut passage = Passage::new(ours, theirs, up.to_vec(), down.to_vec(), patience);
    let carrying = tokio::spawn(async move {
        let mut notes = Notes::default();
        let ended = poll_fn(|context| passage.poll(context, &mut notes)).await;
        (ended, notes)
    });
    Ends {
        client,
        server,
        carrying,
    }
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn what_was_kept_comes_first_then_all_bytes_in_order() {
    let mut ends = joined(1000, b"pipelined ", b"* OK ", LONG);
    let (mut from_client, mut to_client) = tokio::io::split(ends.client);
    let (mut from_server, mut to_server) = tokio::io::split(ends.server);
    let sent: Vec<u8> = (0..1_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let copy = sent.clone();
    let feeding = tokio::spawn(async move {
        to_server.write_all(&copy).await.expect("written");
        to_server
    });
    to_client.write_all(b"a NOOP\r\n").await.expect("written");
    let mut begin = [0; 18];
    from_server.read_exact(&mut begin).await.expect("sent");
    assert_eq!(&begin, b"pipelined a NOOP\r\n");
    let mut got = vec![0; sent.len() + 5];
    from_client.read_exact(&mut got).await.expect("received");
    assert_eq!(&got[..5], b"* OK ");
    assert!(got[5..] == sent);
    let mut to_server = feeding.await.expect("fed");
    // The client has no more to say, and still hears the operator out.
    to_client.shutdown().await.expect("half closed");
    let mut rest = Vec::new();
    from_server.read_to_end(&mut rest).await.expect("told");
    to_server.write_all(b"* BYE\r\n").await.expect("written");
    to_server.shutdown().await.expect("closed");
    from_client.read_to_end(&mut rest).await.expect("the end");
    assert_eq!(rest, b"* BYE\r\n");
    let (ended, notes) = (&mut ends.carrying).await.expect("carried");
    ended.expect("a good end");
    assert_eq!(notes.sent, b"a NOOP\r\n");
    assert_eq!(notes.received, sent.len() + 7);
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up_and_keeps_little() {
    let mut ends = joined(1000, b"", b"", Duration::from_millis(50));
    let flood = vec![0; 64 * 1024];
    let mut taken = 0;
    // Until nothing moves any more, and the patience is over.
    while let Ok(length) = ends.server.write(&flood).await {
        taken += length;
        assert!(
            taken < 4 * BUFFER,
            "it takes {taken} bytes for a client that reads none"
        );
        if ends.carrying.is_finished() {
            break;
        }
    }
    let (ended, _) = ends.carrying.await.expect("carried");
    assert_eq!(ended.expect_err("stalled").kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_session_that_waits_is_not_hurried() {
    // No patience at all with what must be taken.
    let mut ends = joined(1000, b"", b"", Duration::ZERO);
    for round in 0..100 {
        let (mut told, mut heard) = ([0; 12], [0; 6]);
        ends.server
            .write_all(b"* 1 EXISTS\r\n")
            .await
            .expect("written");
        ends.client.read_exact(&mut told).await.expect("pushed");
        ends.client.write_all(b"DONE\r\n").await.expect("written");
        ends.server.read_exact(&mut heard).await.expect("heard");
        assert_eq!((&told, &heard), (b"* 1 EXISTS\r\n", b"DONE\r\n"), "{round}");
    }
    ends.carrying.abort();
}
