//! Exit codes (sysexits) and the errors that lead to them.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::ConfigError;

/// How a command ended, when it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Ok,
    /// 1: the command worked and the answer is no (a rule fails its example, a mail is unknown).
    No,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Ok => ExitCode::SUCCESS,
            Exit::No => ExitCode::from(1),
        }
    }
}

/// Why a command could not be carried out: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The level of events is no filter.
    #[error("{0}")]
    Telemetry(String),
    /// A certificate or key is wrong.
    #[error("{0}")]
    Tls(String),
    /// A content rule is wrong.
    #[error("{0}")]
    Rules(String),
    /// The box does not answer on its control socket.
    #[error("the box is not running (nobody answers at {})", .0.display())]
    NotRunning(PathBuf),
    /// The control socket is not for this user.
    #[error("no permission for {}; run this as the box's user or as root", .0.display())]
    NoPermission(PathBuf),
    /// The operator asked for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A file given could not be read.
    #[error("{}: {error}", file.display())]
    Input {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What was given was read, and cannot be used.
    #[error("{0}")]
    Data(String),
    /// A file could not be written.
    #[error("{0}")]
    Output(String),
    /// The box refused, or answered what was not expected.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0:#}")]
    Software(#[from] anyhow::Error),
}

impl Trouble {
    /// The code of sysexits.h.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Trouble::Usage(_) => 64,
            Trouble::Data(_) => 65,
            Trouble::Input { .. } | Trouble::NotFound(_) => 66,
            Trouble::NotRunning(_) => 69,
            Trouble::Software(_) => 70,
            Trouble::Output(_) => 73,
            Trouble::Refused(_) => 75,
            Trouble::NoPermission(_) => 77,
            Trouble::Config(_) | Trouble::Telemetry(_) | Trouble::Tls(_) | Trouble::Rules(_) => 78,
        })
    }
}
