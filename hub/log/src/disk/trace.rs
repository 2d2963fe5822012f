//! The record of a log's file operations, one after another, in a file outside the log. It outlives the process, so that
//! every state a power cut could have left can be made from it.
//!
//! Each event: length of the rest (4), tag (1), numbers (8 each, little-endian), then text or bytes; two texts as length of
//! the first (8), first, second.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// One operation. Mutations stand before their effect, flushes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process begins; handles and event numbers begin anew.
    Start,
    /// A file was opened, made where it was missing, emptied if so.
    Open {
        /// Number of the open file within its process.
        handle: u64,
        /// Whether it was cut to nothing.
        emptied: bool,
        /// Its name at that time.
        path: PathBuf,
    },
    /// Bytes go to an offset.
    Write {
        /// Of [`Event::Open`].
        handle: u64,
        /// In the file.
        offset: u64,
        /// What is written.
        bytes: Vec<u8>,
    },
    /// A file is cut or extended.
    SetSize {
        /// Of [`Event::Open`].
        handle: u64,
        /// New size.
        bytes: u64,
    },
    /// A flush came back: everything on that file before event `from` of this process is durable.
    Synced {
        /// Of [`Event::Open`].
        handle: u64,
        /// Event number at which the flush began.
        from: u64,
    },
    /// A flush failed. As on Linux, what was waiting counts as clean afterwards, so that no later flush writes it.
    SyncFailed {
        /// Of [`Event::Open`].
        handle: u64,
    },
    /// A name moves.
    Rename(PathBuf, PathBuf),
    /// A name goes.
    Remove(PathBuf),
    /// A folder is made.
    MakeDir(PathBuf),
    /// The names in a folder before event `from` of this process are durable.
    DirSynced {
        /// Event number at which the flush began.
        from: u64,
        /// The folder.
        path: PathBuf,
    },
    /// A crash point was passed.
    Point(String),
    /// What the process that drives the log wants remembered, such as an acknowledgment.
    Note(Vec<u8>),
}

/// Writes events, each with one system call.
#[derive(Debug)]
pub struct Recorder {
    file: fs::File,
    events: u64,
}

impl Recorder {
    /// Goes on at the end of a file, or makes it.
    ///
    /// # Errors
    /// The system's.
    pub fn append(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().append(true).create(true).open(path)?;
        let mut recorder = Self { file, events: 0 };
        recorder.record(0, &[], &[&[]])?;
        recorder.events = 0;
        Ok(recorder)
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn record(&mut self, tag: u8, numbers: &[u64], rest: &[&[u8]]) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        bytes.push(tag);
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        rest.iter().for_each(|part| bytes.extend_from_slice(part));
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.events += 1;
        self.file.write_all(&bytes)
    }
}

/// All events of a record; one that a killed process did not finish ends it.
///
/// # Errors
/// The system's.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let bytes = fs::read(path)?;
    let (mut rest, mut events) = (&bytes[..], Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let Some((event, behind)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            break;
        };
        let Some(event) = parse(event) else { break };
        events.push(event);
        rest = behind;
    }
    Ok(events)
}

fn number<'a>(rest: &mut &'a [u8]) -> Option<u64> {
    let (number, behind): (&'a [u8; 8], _) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u64::from_le_bytes(*number))
}

fn parse(event: &[u8]) -> Option<Event> {
    let (tag, mut rest) = event.split_first()?;
    let rest = &mut rest;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let path = |bytes: &[u8]| PathBuf::from(text(bytes));
    Some(match tag {
        0 => Event::Start,
        1 => Event::Open { handle: number(rest)?, emptied: number(rest)? == 1, path: path(rest) },
        2 => Event::Write { handle: number(rest)?, offset: number(rest)?, bytes: rest.to_vec() },
        3 => Event::SetSize { handle: number(rest)?, bytes: number(rest)? },
        4 => Event::Synced { handle: number(rest)?, from: number(rest)? },
        5 => Event::SyncFailed { handle: number(rest)? },
        6 => {
            let (from, to) = (number(rest)? as usize, &**rest);
            Event::Rename(path(to.get(..from)?), path(to.get(from..)?))
        }
        7 => Event::Remove(path(rest)),
        8 => Event::MakeDir(path(rest)),
        9 => Event::DirSynced { from: number(rest)?, path: path(rest) },
        10 => Event::Point(text(rest)),
        11 => Event::Note(rest.to_vec()),
        _ => return None,
    })
}
