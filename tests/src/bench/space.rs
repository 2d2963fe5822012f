//! What the hub takes of memory and disk.

use std::{fs, path::Path};

/// Resident memory of a process, MiB.
pub fn resident_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) >> 10
}

/// Bytes of the files below a folder whose path, seen from it, is wanted.
pub fn bytes(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> u64 {
    below(folder, folder, wanted)
}

fn below(root: &Path, folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            match entry.metadata() {
                Ok(found) if found.is_dir() => below(root, &path, wanted),
                Ok(found) if path.strip_prefix(root).is_ok_and(wanted) => found.len(),
                _ => 0,
            }
        })
        .sum()
}
