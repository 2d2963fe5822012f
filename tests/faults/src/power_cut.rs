//! What a power cut may leave, made from the record of all file operations. Whatever was not flushed may be there, not be
//! there, or be there in part, sector by sector; a name that its folder's flush does not cover may be there or not.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

use simpul_log::trace::{self, Event};

use crate::{random::Random, witness::Acknowledged};

const SECTOR: u64 = 512;
const PAGE: u64 = 4_096;

#[derive(Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetSize(u64),
}

#[derive(Clone)]
struct Pending {
    at: usize,
    change: Change,
    /// Its flush failed: the system holds it for clean, so no later flush writes it.
    given_up: bool,
}

#[derive(Clone, Default)]
struct FileState {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// The disk at some moment of the record.
pub(crate) struct Replay {
    events: Vec<Event>,
    next: usize,
    process_start: usize,
    handles: HashMap<u64, usize>,
    files: Vec<FileState>,
    /// Names as the processes saw them.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<(usize, usize, NameChange)>,
    durable_folders: BTreeSet<PathBuf>,
    pending_folders: Vec<(usize, PathBuf)>,
    pub(crate) acknowledged: Vec<Acknowledged>,
}

impl Replay {
    /// The record of a log that began with no files.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        Ok(Self {
            events: trace::read(path)?,
            next: 0,
            process_start: 0,
            handles: HashMap::new(),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            durable_folders: BTreeSet::new(),
            pending_folders: Vec::new(),
            acknowledged: Vec::new(),
        })
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Goes on until `end` events have happened.
    pub(crate) fn advance(&mut self, end: usize) {
        while self.next < end.min(self.events.len()) {
            let event = self.events[self.next].clone();
            self.happen(self.next, event);
            self.next += 1;
        }
    }

    fn happen(&mut self, at: usize, event: Event) {
        match event {
            Event::Start => {
                // Events of a process are counted behind its start.
                (self.process_start, self.handles) = (at + 1, HashMap::new());
            }
            Event::Open { handle, emptied, path } => {
                let file = match self.names.get(&path) {
                    Some(file) => *file,
                    None => {
                        self.files.push(FileState::default());
                        let file = self.files.len() - 1;
                        self.names.insert(path.clone(), file);
                        self.pending_names.push((at, file, NameChange::Link(path)));
                        file
                    }
                };
                if emptied {
                    self.change(at, file, Change::SetSize(0));
                }
                self.handles.insert(handle, file);
            }
            Event::Write { handle, offset, bytes } => {
                self.change(at, self.handles[&handle], Change::Write { offset, bytes });
            }
            Event::SetSize { handle, bytes } => {
                self.change(at, self.handles[&handle], Change::SetSize(bytes));
            }
            Event::Synced { handle, from } => {
                let until = self.process_start + from as usize;
                self.files[self.handles[&handle]].flush(until);
            }
            Event::SyncFailed { handle } => {
                let file = &mut self.files[self.handles[&handle]];
                file.pending.iter_mut().for_each(|pending| pending.given_up = true);
            }
            Event::Rename(from, to) => {
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to.clone(), file);
                    self.pending_names.push((at, file, NameChange::Rename(from, to)));
                }
            }
            Event::Remove(path) => {
                if let Some(file) = self.names.remove(&path) {
                    self.pending_names.push((at, file, NameChange::Remove(path)));
                }
            }
            Event::MakeDir(path) => self.pending_folders.push((at, path)),
            Event::DirSynced { from, path } => self.flush_folder(&path, self.process_start + from as usize),
            Event::Point(_) => {}
            Event::Note(line) => {
                let line = String::from_utf8_lossy(&line);
                self.acknowledged.extend(Acknowledged::from_line(&line));
            }
        }
    }

    fn change(&mut self, at: usize, file: usize, change: Change) {
        self.files[file].pending.push(Pending { at, change, given_up: false });
    }

    fn flush_folder(&mut self, folder: &Path, until: usize) {
        let (folders, pending) = std::mem::take(&mut self.pending_folders)
            .into_iter()
            .partition(|(at, path)| *at < until && path.parent() == Some(folder));
        self.pending_folders = pending;
        let folders: Vec<(usize, PathBuf)> = folders;
        self.durable_folders.extend(folders.into_iter().map(|(_, path)| path));
        let (names, pending) = std::mem::take(&mut self.pending_names)
            .into_iter()
            .partition(|(at, _, change)| *at < until && change.folder() == Some(folder));
        self.pending_names = pending;
        let names: Vec<(usize, usize, NameChange)> = names;
        for (_, file, change) in names {
            change.apply(file, &mut self.durable_names);
        }
    }

    /// Writes one state that a cut at this moment may leave: what was below `root` comes to stand below `to`.
    pub(crate) fn cut(&self, root: &Path, to: &Path, random: &mut Random) -> io::Result<()> {
        let mut folders = self.durable_folders.clone();
        let keep = random.below(3);
        for (_, path) in &self.pending_folders {
            if keep == 1 || keep == 2 && random.coin() {
                folders.insert(path.clone());
            }
        }
        let mut names = self.durable_names.clone();
        let keep = random.below(3);
        let mut last_kept: HashMap<usize, bool> = HashMap::new();
        for (_, file, change) in &self.pending_names {
            // A file's own names change in order; those of different files need not.
            let still = last_kept.entry(*file).or_insert(true);
            *still &= keep == 1 || keep == 2 && random.below(4) > 0;
            if *still {
                change.clone().apply(*file, &mut names);
            }
        }
        fs::create_dir_all(to)?;
        let inside = |path: &Path| path.strip_prefix(root).map(|path| to.join(path)).ok();
        for folder in &folders {
            let known = folder
                .ancestors()
                .all(|above| above == root || !above.starts_with(root) || folders.contains(above));
            if let Some(path) = inside(folder).filter(|_| known) {
                fs::create_dir_all(path)?;
            }
        }
        for (name, file) in &names {
            let Some(path) = inside(name).filter(|path| path.parent().is_some_and(Path::is_dir)) else {
                continue;
            };
            fs::write(path, self.files[*file].after_cut(random))?;
        }
        Ok(())
    }
}

impl NameChange {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Link(path) | Self::Remove(path) | Self::Rename(_, path) => path.parent(),
        }
    }

    fn apply(self, file: usize, names: &mut BTreeMap<PathBuf, usize>) {
        let mut unlink = |path: &PathBuf| {
            if names.get(path) == Some(&file) {
                names.remove(path);
            }
        };
        match self {
            Self::Link(path) => {
                names.insert(path, file);
            }
            Self::Rename(from, to) => {
                unlink(&from);
                names.insert(to, file);
            }
            Self::Remove(path) => unlink(&path),
        }
    }
}

impl FileState {
    fn flush(&mut self, until: usize) {
        let (covered, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.at < until);
        let mut pages = BTreeSet::new();
        for pending in covered.iter().filter(|pending| !pending.given_up) {
            if let Change::Write { offset, bytes } = &pending.change {
                pages.extend(offset / PAGE..=(offset + bytes.len().max(1) as u64 - 1) / PAGE);
            }
        }
        for pending in covered {
            match pending.change {
                Change::Write { offset, bytes } if pending.given_up => {
                    // Pages go out whole: what was given up goes with a page that was written to again.
                    for (offset, bytes) in pieces(offset, &bytes, PAGE) {
                        if pages.contains(&(offset / PAGE)) {
                            write(&mut self.durable, offset, bytes);
                        } else {
                            let change = Change::Write { offset, bytes: bytes.to_vec() };
                            self.pending.push(Pending { at: pending.at, change, given_up: true });
                        }
                    }
                }
                Change::Write { offset, bytes } => write(&mut self.durable, offset, &bytes),
                Change::SetSize(size) => self.durable.resize(size as usize, 0),
            }
        }
        self.pending.extend(later);
    }

    fn after_cut(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        let (manner, first) = (random.below(4), random.below(self.pending.len() as u64 + 1) as usize);
        for (number, pending) in self.pending.iter().enumerate() {
            let whole = match manner {
                0 => false,
                1 => true,
                2 => number < first,
                _ => random.below(3) == 0,
            };
            match &pending.change {
                Change::Write { offset, bytes } if whole => write(&mut content, *offset, bytes),
                Change::Write { offset, bytes } if manner == 3 || manner == 2 && number == first => {
                    for (offset, piece) in pieces(*offset, bytes, SECTOR) {
                        if random.coin() {
                            write(&mut content, offset, piece);
                        }
                    }
                }
                Change::SetSize(size) if whole => content.resize(*size as usize, 0),
                _ => {}
            }
        }
        content
    }
}

fn write(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// A write cut at multiples of `unit`.
fn pieces(offset: u64, bytes: &[u8], unit: u64) -> Vec<(u64, &[u8])> {
    let (mut at, mut rest, mut found) = (offset, bytes, Vec::new());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(((unit - at % unit) as usize).min(rest.len()));
        found.push((at, piece));
        (at, rest) = (at + piece.len() as u64, behind);
    }
    found
}
