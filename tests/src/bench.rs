//! The benchmarks: one hub in a realm of its own, everything on (mutual TLS, producer signatures, sealing, one flush per
//! group commit, access log), and beside every figure the floors of the same machine in the same run.

pub mod cpu;
pub mod floors;
pub mod fold;
pub mod legality;
pub mod measure;
pub mod replay;
pub mod report;
pub mod submit;

/// Bytes of the files in a folder.
pub fn size(path: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().map_or(0, |m| m.len()) }
        })
        .sum()
}

/// Resident memory of a process, MiB.
pub fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) >> 10
}
