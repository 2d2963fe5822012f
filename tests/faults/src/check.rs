//! What must hold of a log after any fault: LOG-1 to LOG-5, every proof, every index, and every acknowledged byte.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use simpul_log::{Appender, OpenError, Reader, Schema};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    leaf_hash, proof,
};
use simpul_types::{Header, Leaf, LeafIndex, Position, Statement, StreamName, clock::System, erasure};

use crate::{child, harness, load, witness::Witness};

const LOCKED_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a row of the key file.
const ROW_BYTES: usize = 128;
/// A submission that no child makes.
const PROBE: u64 = 4_000_000_000;

/// Opens the log, holds it against the witness, appends to it, and opens it once more. `size`: leaves it must have.
pub(crate) fn whole(dir: &Path, witness: &Witness, size: Option<u64>) -> Result<(), String> {
    guarded(|| {
        walk(dir)?;
        let keys = std::fs::read(dir.join("keys")).unwrap_or_default();
        let (mut appender, reader) = open(dir)?;
        let head = reader.head();
        dead(&reader, "before a start", &keys, |number| witness.entries.contains_key(&number))?;
        let keys = std::fs::read(dir.join("keys")).map_err(|error| format!("keys: {error}"))?;
        dead(&reader, "after a start", &keys, |_| true)?;
        if size.is_some_and(|size| size != head.size.get()) {
            return Err(format!("{} leaves where {size:?} were expected", head.size));
        }
        compare(&appender, &reader, witness)?;
        let ticket =
            appender.enqueue(harness::draft(PROBE, 2)).map_err(|error| format!("append: {error}"))?;
        let receipt = block_on(ticket).map_err(|error| format!("append: {error}"))?;
        if (receipt.leaf_index, receipt.first_position) != (head.size, head.end) {
            return Err(format!("LOG-1: appended at leaf {}, head was {}", receipt.leaf_index, head.size));
        }
        drop((appender, reader));
        let (appender, reader) = open(dir)?;
        if reader.head().size.get() != head.size.get() + 1 {
            return Err(format!("LOG-5: {} leaves after another start", reader.head().size));
        }
        scan(&appender, &reader).map(|_| ())
    })
}

/// A panic is a finding like any other.
pub(crate) fn guarded(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers starts").block_on(future)
}

pub(crate) fn open(dir: &Path) -> Result<(Appender, Reader), String> {
    let start = Instant::now();
    loop {
        let config = child::config(dir);
        match simpul_log::open(config, Schema::Submissions, harness::keys(), Arc::new(System)) {
            // A process that another cycle starts at this moment holds a copy of the lock until its program is loaded.
            Err(OpenError::Locked) if start.elapsed() < LOCKED_TIME_MAX => thread::yield_now(),
            opened => return opened.map_err(|error| chain("does not open", &error)),
        }
    }
}

pub(crate) fn chain(what: &str, error: &dyn std::error::Error) -> String {
    let (mut text, mut source) = (format!("{what}: {error}"), error.source());
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// After damage below the acknowledged head: refused, or every read is right or an error; nothing is cleared, nothing wrong.
pub(crate) fn damaged(dir: &Path, witness: &Witness) -> Result<(), String> {
    guarded(|| {
        let before = segments(dir);
        let Ok((appender, reader)) = open(dir) else {
            return if segments(dir) == before { Ok(()) } else { Err("LOG-5: refused, yet changed".into()) };
        };
        let acknowledged = witness.entries.values().map(|entry| entry.leaf_index + 1).max().unwrap_or(0);
        if reader.head().size.get() < acknowledged {
            return Err(format!("LOG-5: {} leaves of {acknowledged} acknowledged", reader.head().size));
        }
        for entry in witness.entries.values() {
            let Ok(leaf) = reader.leaf(LeafIndex::new(entry.leaf_index)) else { continue };
            let right = leaf.bytes[..] == entry.leaf[..] && leaf.first_position.get() == entry.first_position;
            let opens = leaf.events.iter().enumerate().all(|(event, stored)| {
                let sent = load::payload(entry.number, event as u64);
                reader.open_payload(stored).is_ok_and(|opened| opened.payload == sent)
            });
            let unreadable = leaf.events.iter().any(|stored| reader.open_payload(stored).is_err());
            if !right || !(opens || unreadable) {
                return Err(format!(
                    "LOG-5: leaf {} is read and not what was acknowledged",
                    entry.leaf_index
                ));
            }
        }
        drop(appender);
        Ok(())
    })
}

/// What verification from outside says, with nothing opened.
pub(crate) fn violates(dir: &Path) -> bool {
    walk(dir).is_err()
}

fn segments(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).unwrap_or_default();
        (path, bytes)
    };
    harness::segments(dir).into_iter().map(read).collect()
}

fn walk(dir: &Path) -> Result<(), String> {
    if !dir.join("segments").is_dir() {
        return Ok(());
    }
    let report = simpul_log::verify::walk(dir, &harness::verifier(), &mut |_, _| Ok(()));
    match report.map_err(|error| chain("verification", &error))?.violation {
        None => Ok(()),
        Some(violation) => Err(format!("verification: {violation:?}")),
    }
}

fn compare(appender: &Appender, reader: &Reader, witness: &Witness) -> Result<(), String> {
    let numbers = scan(appender, reader)?;
    let head = reader.head();
    for (number, entry) in &witness.entries {
        let leaf = numbers.get(number).ok_or_else(|| {
            format!("LOG-2: submission {number} was acknowledged as leaf {} and is gone", entry.leaf_index)
        })?;
        if *leaf != entry.leaf_index {
            return Err(format!("LOG-4: submission {number} was leaf {} and is {leaf}", entry.leaf_index));
        }
        let stored = reader.leaf(LeafIndex::new(*leaf)).map_err(|error| chain("leaf", &error))?;
        if stored.bytes[..] != entry.leaf[..] || stored.first_position.get() != entry.first_position {
            return Err(format!("LOG-5: leaf {leaf} is not what was acknowledged"));
        }
    }
    for note in &witness.checkpoints {
        let old = signed(note)?;
        let size = LeafIndex::new(old.size);
        let path = reader.consistency_proof(size, head.size).map_err(|error| chain("LOG-3", &error))?;
        proof::verify_consistency(old.size, head.size.get(), &path, &old.root, &head.root)
            .map_err(|error| format!("LOG-3: checkpoint of {} leaves: {error}", old.size))?;
    }
    Ok(())
}

/// Opens a checkpoint; whether its signature holds is remembered, as the same ones are looked at after every power cut.
fn signed(note: &str) -> Result<Checkpoint, String> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Checkpoint>>> = LazyLock::new(Mutex::default);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(checkpoint) = known().get(note) {
        return Ok(checkpoint.clone());
    }
    let opened = checkpoint::open(note, &harness::verifier());
    let opened = opened.map_err(|error| chain("LOG-3: checkpoint", &error))?;
    known().insert(note.into(), opened.clone());
    Ok(opened)
}

/// KEY-1: in these bytes of a key file no key is left that an erasure of the log has ended, of those erasures that are asked about.
fn dead(reader: &Reader, when: &str, keys: &[u8], asked: impl Fn(u64) -> bool) -> Result<(), String> {
    for (number, by, stream) in erasures(reader)? {
        if !asked(number) {
            continue;
        }
        for position in reader.stream(&stream).into_iter().take_while(|position| *position < by) {
            let event = reader.event(position).map_err(|error| chain("event", &error))?;
            let at = event.slot as usize * ROW_BYTES;
            if keys.get(at + 8..at + 14) != Some(&b"ERASED"[..]) {
                let slot = event.slot;
                return Err(format!("KEY-1: {when} slot {slot} holds the key that position {by} ended"));
            }
        }
    }
    Ok(())
}

/// Number, position and stream of every erasure in the log.
fn erasures(reader: &Reader) -> Result<Vec<(u64, Position, StreamName)>, String> {
    let mut erasures = Vec::new();
    for position in reader.stream(&erasure::register()) {
        let leaf = reader.leaf_of(position).map_err(|error| chain("leaf", &error))?;
        let statement = Leaf::decode(&leaf.bytes).map_err(|error| format!("leaf: {error}"))?.statement;
        let number = number_of(&statement);
        let stream = load::erases(number).ok_or_else(|| format!("submission {number} is no erasure"))?;
        erasures.push((number, position, stream));
    }
    Ok(erasures)
}

fn number_of(statement: &Statement) -> u64 {
    (statement.first_sequence - 1) / 10
}

/// Every leaf, event, proof and index entry from the first on; leaf of every submission.
fn scan(appender: &Appender, reader: &Reader) -> Result<HashMap<u64, u64>, String> {
    let head = reader.head();
    // The last one counts: what came before it in the stream is gone, under whichever key.
    let erased: HashMap<StreamName, Position> =
        erasures(reader)?.into_iter().map(|(_, position, stream)| (stream, position)).collect();
    let (mut numbers, mut next, mut leaves) = (HashMap::new(), 0, 0);
    let mut scan = reader.scan(Position::ZERO);
    while let Some(found) = scan.next_frame().map_err(|error| chain("scan", &error))? {
        for leaf in found {
            if (leaf.index.get(), leaf.first_position.get()) != (leaves, next) {
                return Err(format!("LOG-1: leaf {} stands where {leaves} should", leaf.index));
            }
            let hash = leaf_hash(&leaf.bytes);
            let path =
                reader.inclusion_proof(leaf.index, head.size).map_err(|error| chain("LOG-3", &error))?;
            proof::verify_inclusion(leaves, head.size.get(), &hash, &path, &head.root)
                .map_err(|error| format!("LOG-3: inclusion of leaf {leaves}: {error}"))?;
            let statement =
                Leaf::decode(&leaf.bytes).map_err(|error| format!("leaf {leaves}: {error}"))?.statement;
            let number = number_of(&statement);
            if appender.find_submission(&statement.submission_id) != Some(leaf.index) {
                return Err(format!("index: submission {number} is not found at leaf {leaves}"));
            }
            if let Some(other) = numbers.insert(number, leaves) {
                return Err(format!("LOG-4: submission {number} is leaf {other} and leaf {leaves}"));
            }
            for (event, stored) in leaf.events.iter().enumerate() {
                check_event(appender, reader, number, event as u64, stored, &erased)?;
            }
            (leaves, next) = (leaves + 1, next + leaf.events.len() as u64);
        }
    }
    if (head.size.get(), head.end.get()) != (leaves, next) {
        return Err(format!("LOG-1: the head speaks of {} leaves, {leaves} are there", head.size));
    }
    Ok(numbers)
}

fn check_event(
    appender: &Appender,
    reader: &Reader,
    number: u64,
    event: u64,
    stored: &simpul_log::StoredEvent,
    erased: &HashMap<StreamName, Position>,
) -> Result<(), String> {
    let header = Header::decode(&stored.header, "header").map_err(|error| error.to_string())?;
    if header.event_id != harness::event_id(number, event) {
        return Err(format!("event {event} of submission {number} has another id"));
    }
    if appender.find_event(&header.event_id) != Some(stored.position) {
        return Err(format!("index: event {event} of submission {number} is not found"));
    }
    if !reader.stream(&header.stream).contains(&stored.position) {
        return Err(format!("index: stream {} lacks position {}", header.stream.as_str(), stored.position));
    }
    if erased.get(&header.stream).is_some_and(|by| stored.position < *by) {
        return match reader.open_payload(stored) {
            Err(error) if error.erased_by().is_some() => Ok(()),
            Err(error) => Err(chain("KEY-1: erased, and not said so", &error)),
            Ok(_) => Err(format!("KEY-1: event {event} of submission {number} is read after its erasure")),
        };
    }
    let opened = reader.open_payload(stored).map_err(|error| chain("payload", &error))?;
    if opened.payload != load::payload(number, event) {
        return Err(format!("payload of event {event} of submission {number} is not what was sent"));
    }
    Ok(())
}
