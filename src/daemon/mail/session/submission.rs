//! An SMTP session: relayed command by command.

use std::io;
use std::pin::pin;
use std::time::Duration;

use cps_mail::smtp::{Event, Relay, Rules};
use cps_mail::{Address, Trouble};
use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::part;
use crate::app::App;
use crate::mail::client::Client;
use crate::mail::rules::SendingRules;
use crate::mail::sessions::Entry;
use crate::mail::traces::{Author, Traces};
use crate::mail::upstream::Opened;

/// A client that sends, and its operator.
pub(super) struct Sending<'a> {
    pub(super) app: &'a App,
    pub(super) client: Client,
    pub(super) opened: Opened,
    pub(super) author: &'a Author,
    /// What the client is still to hear of its login.
    pub(super) accepted: Vec<u8>,
    /// What it has sent behind it.
    pub(super) ahead: Vec<u8>,
    pub(super) patience: Duration,
}

impl Sending<'_> {
    /// Relays until one side leaves or the session is ended from outside.
    pub(super) async fn run(self, entry: &mut Entry<'_>) -> io::Result<()> {
        let Some(session) = self.opened.smtp else {
            return Err(io::Error::other(
                "the operator's session is not one of SMTP",
            ));
        };
        let app = self.app;
        let warn = |to: &Address| app.mail.notices.outside(to.domain());
        let senders = app.mail.mailboxes.belongs(&self.author.id);
        let mut rules = SendingRules::new(senders, &app.config.mail, warn);
        let mut relay = Relay::new(session, app.mail.settings(&app.config));
        let mut ends = Ends {
            traces: &app.mail.traces,
            author: self.author,
            client: self.client,
            server: Some(self.opened.stream),
            patience: self.patience,
        };
        let (mut of_client, mut of_server) = (Buffer::default(), Buffer::default());
        let mut client_listens = true;
        let mut events = vec![Event::ToClient(self.accepted)];
        events.extend(relay.client(&self.ahead, &mut rules));
        loop {
            let next = {
                let carried = pin!(ends.carry_out(events));
                match select(carried, pin!(entry.ended())).await {
                    Either::Left((next, _)) => Ok(next?),
                    // Half a reply is no verdict.
                    Either::Right((why, carried)) => match timeout(VERDICT, carried).await {
                        Ok(next) => next.map(|_| Err(why))?,
                        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                    },
                }
            };
            let next = match next {
                Ok(next) => next,
                Err(why) => return ends.part(&mut relay, &mut rules, &why).await,
            };
            match next {
                Next::Go => {}
                Next::Close => return ends.part_with(&[]).await,
                Next::Lost => {
                    events = relay.server_closed();
                    continue;
                }
            }
            let wanted = client_listens && relay.wants_client();
            events = tokio::select! {
                biased;
                why = entry.ended() => return ends.part(&mut relay, &mut rules, &why).await,
                bytes = of_server.fill(ends.server.as_mut()), if ends.server.is_some() => {
                    match bytes {
                        [] => {
                            ends.server = None;
                            relay.server_closed()
                        }
                        bytes => relay.server(bytes, &mut rules),
                    }
                }
                bytes = of_client.fill(Some(&mut ends.client)), if wanted => match bytes {
                    [] => {
                        client_listens = false;
                        relay.client_closed()
                    }
                    bytes => relay.client(bytes, &mut rules),
                },
                () = tokio::time::sleep(SILENCE) => relay.close(&Trouble::Closing),
            };
        }
    }
}

/// The two connections. The operator's may end first.
struct Ends<'a> {
    traces: &'a Traces,
    author: &'a Author,
    client: Client,
    server: Option<TlsStream<TcpStream>>,
    patience: Duration,
}

/// What follows after events.
enum Next {
    Go,
    /// The operator's connection broke.
    Lost,
    Close,
}

impl Ends<'_> {
    async fn carry_out(&mut self, events: Vec<Event>) -> io::Result<Next> {
        let mut lost = false;
        for event in events {
            match event {
                Event::ToClient(bytes) => say(&mut self.client, &bytes, self.patience).await?,
                Event::ToServer(bytes) => {
                    if let Some(server) = &mut self.server
                        && say(server, &bytes, self.patience).await.is_err()
                    {
                        self.server = None;
                        lost = true;
                    }
                }
                Event::Abort => self.server = None,
                Event::Close => return Ok(Next::Close),
                // On disk before the client hears of it. What the operator has accepted is told
                // even so: the client would send it twice.
                Event::Note(note) => {
                    if let Err(error) = self.traces.record(self.author.sent(note)).await {
                        tracing::error!(%error, "a message is not in the journal of mail");
                    }
                }
            }
        }
        match lost {
            true => Ok(Next::Lost),
            false => Ok(Next::Go),
        }
    }

    /// Ends the session for a reason of ours. A message that the operator has whole is waited for
    /// first: a client that does not hear what became of it sends it again.
    async fn part(
        mut self,
        relay: &mut Relay,
        rules: &mut impl Rules,
        why: &Trouble,
    ) -> io::Result<()> {
        let verdict = async {
            let mut of_server = Buffer::default();
            while relay.awaits_verdict() {
                let events = match of_server.fill(self.server.as_mut()).await {
                    [] => relay.server_closed(),
                    bytes => relay.server(bytes, rules),
                };
                self.carry_out(events).await?;
            }
            Ok::<(), io::Error>(())
        };
        if let Ok(heard) = timeout(VERDICT, verdict).await {
            heard?;
        }
        let mut last = Vec::new();
        for event in relay.close(why) {
            match event {
                Event::ToClient(bytes) => last.extend(bytes),
                Event::Note(note) => self.traces.note(self.author.sent(note)),
                // A message on its way is not sent: the operator hears no end of it.
                Event::ToServer(_) | Event::Abort | Event::Close => {}
            }
        }
        self.part_with(&last).await
    }

    async fn part_with(self, last: &[u8]) -> io::Result<()> {
        part(self.client, self.server, last).await
    }
}

async fn say<W: AsyncWrite + Unpin>(
    to: &mut W,
    bytes: &[u8],
    patience: Duration,
) -> io::Result<()> {
    let sent = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    timeout(patience, sent).await?
}

/// Room for what one side sends: little while commands pass, more while a message does.
#[derive(Default)]
struct Buffer(Vec<u8>);

impl Buffer {
    /// What comes next; nothing when the connection has ended, in whatever way.
    async fn fill<R: AsyncRead + Unpin>(&mut self, from: Option<&mut R>) -> &[u8] {
        let Some(from) = from else { return &[] };
        if self.0.is_empty() {
            self.0.resize(LITTLE, 0);
        }
        let length = from.read(&mut self.0).await.unwrap_or(0);
        if length == self.0.len() && length < MUCH {
            self.0.resize(length * 2, 0);
        } else if length < LITTLE && self.0.len() > LITTLE {
            self.0.truncate(LITTLE);
            self.0.shrink_to_fit();
        }
        self.0.get(..length).unwrap_or_default()
    }
}

const LITTLE: usize = 4 * 1024;
/// What the relay takes at once.
const MUCH: usize = 64 * 1024;

/// How long the end of a session is put off for a message whose end was sent.
const VERDICT: Duration = Duration::from_secs(10);

/// Longer than any step may take (RFC 5321 §4.5.3.2: ten minutes for the end of a message).
const SILENCE: Duration = Duration::from_secs(15 * 60);
