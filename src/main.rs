//! The program: hands the command line and the environment, read here and nowhere else, to `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    bellwether::cli::main(std::env::args_os(), environment)
}
