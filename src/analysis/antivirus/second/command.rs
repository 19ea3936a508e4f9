//! A scanner that is a program of this machine.
//!
//! In: octets, which the program finds on its standard input: a file in memory without a name,
//! which nobody can change any more. Out: what its exit code means. No shell, no environment,
//! `/` as working directory, own process group; when its time is over or nobody waits any more
//! the whole group is killed. Of what it says, the first line names the malware; the rest is
//! read and dropped. An exit code that is not configured, and a signal, are failures.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::Stdio;

use bytes::Bytes;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::super::{AntivirusError, Scan, shown};
use crate::config::CommandEngine;

const NAME: &CStr = c"message";
/// Of what the program says, so much is kept.
const SAID_OCTETS: usize = 4_096;

/// Ends the program and all that it began, unless it has ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Already gone is as good.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

pub(super) async fn scan(settings: &CommandEngine, octets: &Bytes) -> Result<Scan, AntivirusError> {
    let octets = octets.clone();
    let input = tokio::task::spawn_blocking(move || sealed(&octets)).await;
    let input = input.map_err(io::Error::other)??;
    let mut child = Command::new(&settings.program)
        .args(&settings.arguments)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(pid.map(Pid::from_raw));
    let said = match child.stdout.take() {
        Some(output) => said(output).await?,
        None => String::new(),
    };
    let status = child.wait().await?;
    // The number may belong to somebody else from now on.
    group.0 = None;
    let Some(code) = status.code() else {
        return Err(AntivirusError::Nonsense(format!("the program ended by {status}")));
    };
    if settings.infected.contains(&code) {
        let name = said.lines().map(str::trim).find(|line| !line.is_empty());
        let name = name.map_or_else(|| format!("exit code {code}"), shown);
        return Ok(Scan::named(name));
    }
    match settings.clean.contains(&code) {
        true => Ok(Scan::Clean),
        false => Err(AntivirusError::Nonsense(format!("exit code {code}"))),
    }
}

/// The octets as a file without a name that cannot be written.
fn sealed(octets: &[u8]) -> io::Result<File> {
    let made = memfd_create(NAME, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(made);
    file.write_all(octets)?;
    file.rewind()?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

/// All of it is read, or the program would wait for ever to say it.
async fn said(mut output: impl AsyncRead + Unpin) -> io::Result<String> {
    let (mut kept, mut step) = (Vec::new(), [0; 1_024]);
    loop {
        let count = output.read(&mut step).await?;
        if count == 0 {
            break;
        }
        let room = SAID_OCTETS.saturating_sub(kept.len());
        kept.extend_from_slice(step.get(..count.min(room)).unwrap_or_default());
    }
    let plain = |letter: char| if letter.is_control() && letter != '\n' { ' ' } else { letter };
    Ok(String::from_utf8_lossy(&kept).chars().map(plain).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::Second;
    use super::*;
    use crate::config::{OnFailure, SecondEngine};

    fn engine(script: &str, timeout_s: u64) -> Second {
        let settings = CommandEngine {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            clean: vec![0],
            infected: vec![1, 10],
            timeout_s,
            connections: 2,
            on_failure: None,
        };
        Second::new(&SecondEngine::Command(settings), OnFailure::Defer)
    }

    async fn scanned(script: &str, octets: &[u8]) -> Result<Scan, String> {
        let octets = Bytes::copy_from_slice(octets);
        engine(script, 5).scan(&octets).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn exit_codes_mean_what_is_configured() {
        let infected = |name: &str| Ok(Scan::Infected(name.into()));
        let marker = "grep -q virus && echo 'Test.Marker found' && exit 10; exit 0";
        assert_eq!(scanned(marker, b"a virus here").await, infected("Test.Marker found"));
        assert_eq!(scanned(marker, b"nothing here").await, Ok(Scan::Clean));
        assert_eq!(scanned("exit 1", b"x").await, infected("exit code 1"));
        let failures = ["exit 2", "exit 127", "kill -9 $$"];
        for script in failures {
            let error = scanned(script, b"x").await.unwrap_err();
            assert!(error.contains("exit code") || error.contains("signal"), "{script}: {error}");
        }
        let absent = CommandEngine { program: "/nonexistent".into(), ..settings_of("") };
        let second = Second::new(&SecondEngine::Command(absent), OnFailure::Defer);
        assert!(second.scan(&Bytes::new()).await.is_err());
    }

    fn settings_of(script: &str) -> CommandEngine {
        CommandEngine {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            clean: vec![0],
            infected: vec![1],
            timeout_s: 5,
            connections: 1,
            on_failure: None,
        }
    }

    #[tokio::test]
    async fn a_program_sees_the_octets_and_nothing_else() {
        let large = vec![b'x'; 3 << 20];
        assert_eq!(scanned("test $(wc -c) = 3145728", &large).await, Ok(Scan::Clean));
        // No environment of ours, no terminal, and a file that cannot be changed.
        assert_eq!(scanned("test -z \"$HOME$USER$CARGO\"", b"x").await, Ok(Scan::Clean));
        assert_eq!(scanned("! (echo y >&0) 2>/dev/null", b"x").await, Ok(Scan::Clean));
        assert_eq!(scanned("test $(pwd) = /", b"x").await, Ok(Scan::Clean));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_all_that_it_began() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("alive");
        let script = format!("(sleep 3; touch {}) & sleep 60", mark.display());
        let began = Instant::now();
        let error = engine(&script, 1).scan(&Bytes::new()).await.unwrap_err();
        assert!(error.to_string().contains("no answer within 1 s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn a_program_that_talks_without_end_is_heard_to_its_end() {
        let script = "head -c 3000000 /dev/zero; exit 1";
        assert!(matches!(scanned(script, b"x").await, Ok(Scan::Infected(_))));
    }
}
