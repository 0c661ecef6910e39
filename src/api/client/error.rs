//! Why a call failed.

use std::io;
use std::path::PathBuf;

use crate::{Code, Problem};

/// Why a call failed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers at the socket: the daemon is not running.
    #[error("nothing answers at {}", socket.display())]
    Absent {
        /// Where it was looked for.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content to send could not be read.
    #[error("the content to send could not be read")]
    Content(#[source] io::Error),
    /// The socket is another user's; nothing was sent to it.
    #[error("{} belongs to another user", socket.display())]
    Foreign {
        /// The socket.
        socket: PathBuf,
    },
    /// There is no way to know where the socket is: no option, no variable, no runtime folder.
    #[error("no socket is named and XDG_RUNTIME_DIR is not set")]
    NoSocketPath,
    /// The answer could not be written where it was asked.
    #[error("the answer could not be written")]
    Output(#[source] io::Error),
    /// The daemon refused or failed, and says why.
    #[error("{}: {}", .0.code, .0.en)]
    Problem(Box<Problem>),
    /// The answer breaks HTTP or the contract of the API, or ends in the middle.
    #[error("unintelligible answer: {0}")]
    Protocol(String),
    /// The answer did not come in time.
    #[error("no answer in time")]
    TimedOut,
}

impl Error {
    /// The failure as a problem document, whoever found it: one way to show them all.
    pub fn to_problem(&self) -> Problem {
        match self {
            Self::Absent { socket, source } => Problem::new(Code::DaemonAbsent)
                .with("socket", socket.display().to_string())
                .detail(source.to_string()),
            Self::Content(source) => {
                Problem::new(Code::FileUnreadable).with("reason", source.to_string())
            }
            Self::Foreign { socket } => {
                Problem::new(Code::DaemonForeign).with("socket", socket.display().to_string())
            }
            Self::NoSocketPath => Problem::new(Code::DaemonNoSocketPath),
            Self::Output(source) => {
                Problem::new(Code::FileUnwritable).with("reason", source.to_string())
            }
            Self::Problem(problem) => Problem::clone(problem),
            Self::Protocol(reason) => {
                Problem::new(Code::DaemonProtocol).with("reason", reason.clone())
            }
            Self::TimedOut => Problem::new(Code::DaemonTimeout),
        }
    }

    /// A failure of the connection once open.
    pub(super) fn from_socket(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => {
                Self::Protocol("the connection closed before the end of the answer".into())
            }
            _ => Self::Protocol(error.to_string()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => *problem,
            other => other.to_problem(),
        }
    }
}
