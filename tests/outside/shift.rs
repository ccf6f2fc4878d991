//! The wall clocks of processes, which a library that is loaded before all others sets forward, so that half a minute needs
//! none: like a suspended machine, whose steady clock stood still.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub struct Shift {
    library: std::path::PathBuf,
    file: std::path::PathBuf,
}

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
static volatile long long *shift;
__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_SHIFT"), O_RDONLY);
    void *at = mmap(0, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
    shift = at == MAP_FAILED ? 0 : at;
}
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (shift && clock == CLOCK_REALTIME) time->tv_sec += *shift;
    return result;
}
"#;

impl Shift {
    /// Files in `folder`; nothing is shifted yet.
    pub fn new(folder: &Path) -> Self {
        let (source, library) = (folder.join("shift.c"), folder.join("shift.so"));
        std::fs::write(&source, LIBRARY).unwrap();
        // Building the program needs a C compiler as well.
        super::run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source));
        let file = folder.join("shift");
        std::fs::write(&file, 0_i64.to_ne_bytes()).unwrap();
        Self { library, file }
    }

    /// A process of this command has this clock.
    pub fn apply(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("CLOCK_SHIFT", &self.file);
    }

    /// So far ahead of the machine from now on.
    pub fn by(&self, time: Duration) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new().write(true).open(&self.file).unwrap();
        file.write_all_at(&(time.as_secs() as i64).to_ne_bytes(), 0).unwrap();
    }
}
