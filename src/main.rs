//! Arguments in, exit code out; everything else is in the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use postern::cli::{Arguments, Command};

/// The system's allocator gives back memory late under many short-lived messages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let outcome = match arguments.command {
        Command::Run(with) => postern::app::run(&with.config).map(|()| ExitCode::SUCCESS),
        other => postern::cli::execute(other).map(ExitCode::from),
    };
    outcome.unwrap_or_else(|trouble| {
        // Standard error may be closed; the exit code still speaks.
        let _ = writeln!(std::io::stderr(), "postern: {trouble}");
        trouble.exit_code()
    })
}

/// Help and version are no errors; what cannot be understood is EX_USAGE.
fn misused(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.use_stderr() {
        true => ExitCode::from(64),
        false => ExitCode::SUCCESS,
    }
}
