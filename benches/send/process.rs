//! What Linux tells of a process: the time it used and the memory it took.

/// Ticks of the processor's time in a second, as Linux counts them in /proc on every machine.
const TICKS: f64 = 100.0;

/// In seconds: what a process has used so far, in itself and for itself in the system. 0 where it is gone.
pub fn cpu(pid: u32) -> f64 {
    ticks(pid, &[13, 14]) / TICKS
}

/// The same of the children that this process has waited for.
pub fn cpu_of_ended_children() -> f64 {
    ticks(std::process::id(), &[15, 16]) / TICKS
}

/// The same of a process and all its children, those that ended included.
pub fn cpu_of_family(parent: u32) -> f64 {
    let children: f64 = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| field(*pid, 3) == Some(f64::from(parent)))
        .map(cpu)
        .sum();
    children + ticks(parent, &[13, 14, 15, 16]) / TICKS
}

/// In MiB: the most memory that a process held so far. 0 where it is gone.
pub fn peak_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn ticks(pid: u32, fields: &[usize]) -> f64 {
    fields.iter().filter_map(|number| field(pid, *number)).sum()
}

/// A number of /proc/PID/stat, counted from 0 as proc(5) lists them.
fn field(pid: u32, number: usize) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second is the name, in parentheses, with anything in it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(2)?)?.parse().ok()
}
