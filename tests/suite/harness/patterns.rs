//! The compiled content patterns, lent from one scenario to the next: compiling them takes
//! seconds of processor time, and every scenario has a data folder of its own.

use std::path::{Path, PathBuf};

const FILE: &str = "content-patterns.hsdb";

fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(FILE)
}

/// Puts what an earlier scenario has compiled into a data folder that has nothing yet. The
/// program looks whether it fits and compiles anew when it does not.
pub fn lend(data_dir: &Path) {
    let own = data_dir.join(FILE);
    if !own.exists() && shared().exists() && std::fs::create_dir_all(data_dir).is_ok() {
        // Without the loan the program is only slower.
        let _ = std::fs::copy(shared(), own);
    }
}

/// Keeps what a scenario had to compile.
pub fn keep(data_dir: &Path) {
    let own = data_dir.join(FILE);
    let Ok(compiled) = std::fs::read(own) else { return };
    if std::fs::read(shared()).is_ok_and(|known| known == compiled) {
        return;
    }
    let draft = shared().with_extension(std::process::id().to_string());
    if std::fs::write(&draft, compiled).is_ok() {
        let _ = std::fs::rename(draft, shared());
    }
}
