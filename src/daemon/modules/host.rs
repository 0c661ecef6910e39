//! The daemon's hand on the process of a module.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cps_verify::Scheme;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use zeroize::Zeroizing;

use super::protocol::{
    self, Answer, Call, Certificate, Key, Reason, Refusal, Reply, Request, Setup, TokenId,
    TokenInfo,
};
use crate::prompt::LockedBuffer;

/// How the process of a module is started.
#[derive(Clone, Debug)]
pub struct ModuleProcess {
    /// What the configuration calls the module; shown in the process list and in the log.
    pub name: String,
    /// The program to run, which must be this daemon: see [`ModuleProcess::OURSELVES`].
    pub program: PathBuf,
    /// Its whole environment, beside `HOME`, `LANG` and `PATH`.
    pub environment: BTreeMap<String, String>,
    /// The module, and what it may do.
    pub setup: Setup,
}

impl ModuleProcess {
    /// The program that is running now, even when an update has replaced its file.
    pub const OURSELVES: &str = "/proc/self/exe";
}

/// A module in a process of its own.
///
/// The process is started by the first call, and started again by the next call after it crashed,
/// did not answer in time, or answered nonsense; in each case the call under way is lost, the
/// process is killed and the logins of its tokens are gone. When it fails twice in a row, starting
/// it again is refused for a pause that grows from one second to a minute.
///
/// Calls block and are made one after the other, in the order they came. `patience` bounds a call
/// as a whole: the wait for its turn, the start of the process, the answer.
pub struct Host {
    module: String,
    jobs: Option<Sender<Job>>,
    stop: Arc<Stop>,
    owner: Option<JoinHandle<()>>,
}

/// A call was not answered as asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The process ended in the middle of the call.
    #[error("the PKCS#11 module {module} crashed ({how}); it is started again when it is needed")]
    Crashed {
        /// Which module.
        module: String,
        /// How its process ended.
        how: String,
    },
    /// The process answered what it may not answer; it was killed.
    #[error("the PKCS#11 module {module} answered nonsense ({what})")]
    Garbage {
        /// Which module.
        module: String,
        /// What was wrong.
        what: String,
    },
    /// The module refused.
    #[error("the PKCS#11 module {module} refused: {text}")]
    Refused {
        /// Which module.
        module: String,
        /// Why, as far as it matters to us.
        reason: Reason,
        /// The function and its return code.
        text: String,
    },
    /// No answer in time. A process that was at work on it was killed.
    #[error("the PKCS#11 module {module} did not answer in time")]
    TimedOut {
        /// Which module.
        module: String,
    },
    /// The process cannot be started, or not yet again.
    #[error("the PKCS#11 module {module} does not run: {why}")]
    Unavailable {
        /// Which module.
        module: String,
        /// Why.
        why: String,
    },
}

impl HostError {
    /// What the configuration calls the module.
    pub fn module(&self) -> &str {
        match self {
            Self::Crashed { module, .. }
            | Self::Garbage { module, .. }
            | Self::Refused { module, .. }
            | Self::TimedOut { module }
            | Self::Unavailable { module, .. } => module,
        }
    }

    /// Whether the process is gone, and with it the logins of its tokens. A call that never got its
    /// turn says so as well: nothing is known then.
    pub fn lost(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl Host {
    /// Makes ready to run a module. Nothing is started yet.
    ///
    /// # Errors
    /// The system has no thread to spare.
    pub fn start(process: ModuleProcess) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let stop = Arc::new(Stop::default());
        let module = process.name.clone();
        let mut owner = Owner {
            process,
            stop: Arc::clone(&stop),
            running: None,
            failures: 0,
            failure: String::new(),
            not_before: None,
        };
        // The process dies with the thread that started it (PR_SET_PDEATHSIG), so that thread
        // lasts as long as the host.
        let owner = thread::Builder::new()
            .name("module".to_owned())
            .spawn(move || {
                for job in queue {
                    let outcome = owner.serve(&job);
                    // Nobody waits any more only when the caller's thread is gone.
                    let _ = job.outcome.send(outcome);
                }
                owner.end();
            })?;
        Ok(Self {
            module,
            jobs: Some(jobs),
            stop,
            owner: Some(owner),
        })
    }

    /// The tokens present.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn tokens(&self, patience: Duration) -> Result<Vec<TokenInfo>, HostError> {
        match self.call(Call::Tokens, None, patience)? {
            Done {
                answer: Answer::Tokens(tokens),
                ..
            } => Ok(tokens),
            other => Err(other.unexpected()),
        }
    }

    /// The X.509 certificate objects of a token. They need not be certificates.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn certificates(
        &self,
        token: &TokenId,
        patience: Duration,
    ) -> Result<Vec<Certificate>, HostError> {
        let token = token.clone();
        match self.call(Call::Certificates { token }, None, patience)? {
            Done {
                answer: Answer::Certificates(certificates),
                ..
            } => Ok(certificates),
            other => Err(other.unexpected()),
        }
    }

    /// The private keys of a token that are visible now: most tokens show none before the login.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn keys(&self, token: &TokenId, patience: Duration) -> Result<Vec<Key>, HostError> {
        let token = token.clone();
        match self.call(Call::Keys { token }, None, patience)? {
            Done {
                answer: Answer::Keys(keys),
                ..
            } => Ok(keys),
            other => Err(other.unexpected()),
        }
    }

    /// Logs in as the user, sending the PIN once. Without one, the token asks for it itself.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn login(
        &self,
        token: &TokenId,
        pin: Option<LockedBuffer>,
        patience: Duration,
    ) -> Result<(), HostError> {
        let token = token.clone();
        self.call(Call::Login { token }, pin, patience)?.done()
    }

    /// Ends the login.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn logout(&self, token: &TokenId, patience: Duration) -> Result<(), HostError> {
        let token = token.clone();
        self.call(Call::Logout { token }, None, patience)?.done()
    }

    /// Signs a digest; ECDSA signatures are in DER. Check the result against the certificate:
    /// nothing a module answers is believed.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn sign(
        &self,
        token: &TokenId,
        key: &str,
        scheme: Scheme,
        digest: &[u8],
        patience: Duration,
    ) -> Result<Vec<u8>, HostError> {
        let call = Call::Sign {
            token: token.clone(),
            key: key.to_owned(),
            scheme,
            digest: digest.to_owned(),
        };
        match self.call(call, None, patience)? {
            Done {
                answer: Answer::Signature(signature),
                ..
            } => Ok(signature),
            other => Err(other.unexpected()),
        }
    }

    /// Undoes RSAES-PKCS1-v1_5.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn decrypt(
        &self,
        token: &TokenId,
        key: &str,
        cryptogram: &[u8],
        patience: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        let call = Call::Decrypt {
            token: token.clone(),
            key: key.to_owned(),
            cryptogram: cryptogram.to_owned(),
        };
        match self.call(call, None, patience)? {
            Done {
                answer: Answer::Done,
                secret: Some(plaintext),
                ..
            } => Ok(Zeroizing::new(plaintext.bytes().to_vec())),
            other => Err(other.unexpected()),
        }
    }

    /// Ends the process for good: a call under way fails at once, and so do all later ones. Dropping
    /// the host does the same, and waits for the process to be gone.
    pub fn stop(&self) {
        self.stop.now();
    }

    fn call(
        &self,
        call: Call,
        secret: Option<LockedBuffer>,
        patience: Duration,
    ) -> Result<Done, HostError> {
        let (outcome, answer) = mpsc::channel();
        let job = Job {
            call,
            secret,
            deadline: Instant::now() + patience,
            outcome,
        };
        let gone = || HostError::Unavailable {
            module: self.module.clone(),
            why: ENDS.to_owned(),
        };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_| gone())?;
        // The owner answers every job by its deadline, or is gone.
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Host {
    /// Ends the process: a call under way fails at once, an idle module may finish its work.
    fn drop(&mut self) {
        self.stop.now();
        self.jobs = None;
        if let Some(owner) = self.owner.take()
            && owner.join().is_err()
        {
            tracing::error!("the thread of a PKCS#11 module panicked");
        }
    }
}

struct Job {
    call: Call,
    secret: Option<LockedBuffer>,
    deadline: Instant,
    outcome: Sender<Result<Done, HostError>>,
}

/// What a call gave; `module` is for the errors.
struct Done {
    module: String,
    answer: Answer,
    secret: Option<LockedBuffer>,
}

impl Done {
    fn done(self) -> Result<(), HostError> {
        match self.answer {
            Answer::Done => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(self) -> HostError {
        HostError::Garbage {
            module: self.module,
            what: "the answer to another question".to_owned(),
        }
    }
}

/// Interrupts the call under way.
#[derive(Default)]
struct Stop(Mutex<Stopping>);

#[derive(Default)]
struct Stopping {
    now: bool,
    line: Option<UnixStream>,
}

impl Stop {
    fn now(&self) {
        let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stopping.now = true;
        if let Some(line) = stopping.line.take() {
            // Fails only when the other side has closed already.
            let _ = line.shutdown(std::net::Shutdown::Both);
        }
    }

    fn is_now(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    /// Remembers the line of a new process; `false`: it is too late to start one.
    fn watch(&self, line: UnixStream) -> bool {
        let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stopping.line = Some(line);
        !stopping.now
    }
}

/// Everything the thread of a module has.
struct Owner {
    process: ModuleProcess,
    stop: Arc<Stop>,
    running: Option<Running>,
    /// How often the process failed since it last answered.
    failures: u32,
    /// The last of these failures.
    failure: String,
    not_before: Option<Instant>,
}

/// A process that has loaded its module.
struct Running {
    child: Child,
    line: UnixStream,
    last: u64,
}

/// The process is of no use any more.
enum Failure {
    Closed,
    Garbage(String),
    TimedOut,
}

impl Owner {
    fn serve(&mut self, job: &Job) -> Result<Done, HostError> {
        let module = self.process.name.clone();
        if Instant::now() >= job.deadline {
            return Err(HostError::TimedOut { module });
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start(job.deadline)?,
        };
        let secret = job.secret.as_ref();
        match running.exchange(job.call.clone(), secret, job.deadline) {
            Ok((result, secret)) => {
                self.running = Some(running);
                self.failures = 0;
                match result {
                    Ok(answer) => Ok(Done {
                        module,
                        answer,
                        secret,
                    }),
                    Err(Refusal { reason, text }) => Err(HostError::Refused {
                        module,
                        reason,
                        text,
                    }),
                }
            }
            Err(failure) => Err(self.failed(running.child, failure)),
        }
    }

    /// Starts the process and waits until the module is loaded.
    fn start(&mut self, deadline: Instant) -> Result<Running, HostError> {
        let module = self.process.name.clone();
        let unavailable = |why: String| HostError::Unavailable {
            module: module.clone(),
            why,
        };
        if self.stop.is_now() {
            return Err(unavailable(ENDS.to_owned()));
        }
        if let Some(at) = self.not_before
            && let Some(left) = at.checked_duration_since(Instant::now())
        {
            let seconds = left.as_secs() + 1;
            return Err(unavailable(format!(
                "{}; it failed {} times, it is started again in {seconds} s",
                self.failure, self.failures
            )));
        }
        let (child, mut line) = self.spawn().map_err(|error| {
            self.failures += 1;
            unavailable(error.to_string())
        })?;
        if !line.try_clone().is_ok_and(|line| self.stop.watch(line)) {
            reap(child);
            return Err(unavailable(ENDS.to_owned()));
        }
        let mut timed = Timed::new(&mut line, deadline);
        let ready = protocol::write(&mut timed, &self.process.setup, None)
            .map_err(Failure::from)
            .and_then(|()| answer(&mut timed, 0));
        match ready {
            Ok((Ok(Answer::Ready { landlock }), None)) => {
                self.report(landlock);
                Ok(Running {
                    child,
                    line,
                    last: 0,
                })
            }
            Ok((Err(refusal), None)) => {
                reap(child);
                self.hold_off(&refusal.text);
                tracing::warn!(module, error = refusal.text, "a module is not loaded");
                Err(unavailable(refusal.text))
            }
            Ok(_) => {
                let what = "another answer than that it is ready".to_owned();
                Err(self.failed(child, Failure::Garbage(what)))
            }
            Err(failure) => Err(self.failed(child, failure)),
        }
    }

    fn spawn(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&self.process.program);
        command
            .arg0("cpsd")
            .args(["module-host", &self.process.name])
            .env_clear()
            .current_dir("/")
            // A Ctrl-C at the daemon's terminal is for the daemon, which then ends its modules.
            .process_group(0)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for name in ["HOME", "LANG", "PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.process.environment);
        Ok((command.spawn()?, ours))
    }

    fn report(&self, landlock: u8) {
        let module = &self.process.name;
        tracing::info!(module, landlock, "a module is loaded");
        if landlock == 0 {
            tracing::warn!(
                module,
                "this kernel has no Landlock: files are not protected from the module"
            );
        }
    }

    /// Kills a process that is of no use any more, and says what it did.
    fn failed(&mut self, child: Child, failure: Failure) -> HostError {
        let how = reap(child);
        self.hold_off(match &failure {
            Failure::Closed => &how,
            Failure::Garbage(what) => what,
            Failure::TimedOut => "no answer in time",
        });
        let module = self.process.name.clone();
        let error = match failure {
            Failure::Closed => HostError::Crashed { module, how },
            Failure::Garbage(what) => HostError::Garbage { module, what },
            Failure::TimedOut => HostError::TimedOut { module },
        };
        tracing::warn!(%error, "the process of a module is gone");
        error
    }

    /// The second failure in a row, and those after it, delay the next start.
    fn hold_off(&mut self, failure: &str) {
        self.failures += 1;
        failure.clone_into(&mut self.failure);
        self.not_before = self
            .failures
            .checked_sub(2)
            .map(|doublings| FIRST_PAUSE * 2u32.pow(doublings.min(6)))
            .map(|pause| Instant::now() + pause.min(LONGEST_PAUSE));
    }

    /// An idle process ends by itself when its line closes; it is not waited for much longer.
    fn end(&mut self) {
        if let Some(Running { child, line, .. }) = self.running.take() {
            drop(line);
            if let Some(pid) = Pid::from_raw(child.id().cast_signed())
                && let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            {
                let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
                let grace = Timespec {
                    tv_sec: GRACE_SECONDS,
                    tv_nsec: 0,
                };
                // Killed below if it has not ended, whatever the reason.
                let _ = rustix::event::poll(&mut ended, Some(&grace));
            }
            reap(child);
        }
    }
}

impl Running {
    fn exchange(
        &mut self,
        call: Call,
        secret: Option<&LockedBuffer>,
        deadline: Instant,
    ) -> Result<(Result<Answer, Refusal>, Option<LockedBuffer>), Failure> {
        self.last += 1;
        let request = Request {
            id: self.last,
            call,
            secret: secret.is_some(),
        };
        let mut timed = Timed::new(&mut self.line, deadline);
        protocol::write(&mut timed, &request, secret)?;
        answer(&mut timed, request.id)
    }
}

fn answer(
    from: &mut Timed<'_>,
    id: u64,
) -> Result<(Result<Answer, Refusal>, Option<LockedBuffer>), Failure> {
    let frame = protocol::read(from)?.ok_or(Failure::Closed)?;
    let reply = Reply::decode(&frame).map_err(|error| Failure::Garbage(error.to_string()))?;
    if reply.id != id {
        return Err(Failure::Garbage("the answer to another call".to_owned()));
    }
    let secret = reply
        .secret
        .then(|| protocol::read_secret(from))
        .transpose()?;
    Ok((reply.result, secret))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut,
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Garbage(error.to_string()),
        }
    }
}

/// A socket of which everything together is over by a deadline.
struct Timed<'a> {
    line: &'a mut UnixStream,
    deadline: Instant,
}

impl<'a> Timed<'a> {
    fn new(line: &'a mut UnixStream, deadline: Instant) -> Self {
        Self { line, deadline }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.line.set_read_timeout(self.left()?)?;
        self.line.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.set_write_timeout(self.left()?)?;
        self.line.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.line.flush()
    }
}

/// Kills a process, if it still runs, leaves no zombie, and says how it ended.
fn reap(mut child: Child) -> String {
    // Fails only when it was reaped already, which nobody else does.
    let _ = child.kill();
    match child.wait() {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("signal {signal}"),
            (_, Some(code)) => format!("exit status {code}"),
            _ => status.to_string(),
        },
        Err(error) => error.to_string(),
    }
}

const ENDS: &str = "the daemon ends";

/// Before the third start in a row; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// However often it failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What an idle process gets to end by itself.
const GRACE_SECONDS: i64 = 1;
