//! A clock that a scenario can put forward, for what takes hours: the program under test asks
//! the system's clock through a shim that adds so many seconds to it.
//!
//! The shim is compiled where a C compiler is. It changes the wall clock only; time-outs and
//! pauses go on as they are.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Setup, folder, program, skip};

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead_s;

__attribute__((constructor)) static void find_file(void) {
    const char *name = getenv("CLOCK_AHEAD");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *at = mmap(NULL, sizeof *ahead_s, PROT_READ, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) ahead_s = at;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, which, now);
    if (!failed && which == CLOCK_REALTIME && ahead_s) now->tv_sec += *ahead_s;
    return failed;
}
"#;

/// The wall clock of a program.
pub struct Clock {
    dir: TempDir,
}

impl Clock {
    /// A clock that goes right so far, or `None` where there is no compiler.
    pub fn start() -> Option<Clock> {
        let Some(compiler) = program("cc") else {
            skip("no C compiler for the clock's shim");
            return None;
        };
        let clock = Clock { dir: folder() };
        clock.set_ahead(0);
        let source = clock.dir.path().join("clock.c");
        std::fs::write(&source, SHIM).unwrap();
        let mut command = Command::new(compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(clock.library()).arg(source);
        assert!(command.status().unwrap().success(), "the clock's shim does not compile");
        Some(clock)
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("clock.so")
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ahead")
    }

    /// Has the program ask this clock.
    pub fn of(&self, setup: Setup) -> Setup {
        setup.environment("LD_PRELOAD", &self.library()).environment("CLOCK_AHEAD", &self.file())
    }

    /// Puts it forward, for programs that run as well.
    pub fn set_ahead(&self, seconds: i64) {
        use std::os::unix::fs::FileExt;
        let options =
            std::fs::File::options().create(true).truncate(false).write(true).open(self.file());
        options.unwrap().write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
