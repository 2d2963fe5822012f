//! Faults on order, for tests: a crash at a named point, an error of one operation by kind and ordinal, a hook that waits,
//! a seeded bug, and the record of all operations ([`crate::trace`]). One plan for the whole process, which is why the
//! battery gives each run a process of its own.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt, io,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::Path,
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use super::{Op, trace::Recorder};

/// The names of all crash points, in the order of the flow.
pub const POINTS: &[&str] = &[
    "open.folder-made",
    "open.locked",
    "open.segments-read",
    "open.index-rebuilt",
    "open.tree-known",
    "open.tail-judged",
    "open.tail-cleared",
    "open.head-flushed",
    "open.keys-ready",
    "open.epoch-written",
    "open.epoch-flushed",
    "open.epoch-renamed",
    "open.fenced",
    "open.ready",
    "append.queued",
    "append.sealed",
    "append.absorbed",
    "append.signed",
    "append.begun",
    "append.written",
    "append.flushed",
    "append.tree-written",
    "append.head-moved",
    "append.answered",
    "keys.made",
    "keys.written",
    "keys.flushed",
    "roll.begun",
    "roll.created",
    "roll.header-written",
    "roll.header-flushed",
    "roll.renamed",
    "roll.name-flushed",
    "roll.switched",
    "roll.done",
    "spare.created",
    "spare.filled",
    "spare.flushed",
    "spare.offered",
    "index.tree-flushed",
    "index.created",
    "index.written",
    "index.flushed",
    "index.renamed",
    "index.thawed",
    "checkpoint.written",
    "checkpoint.renamed",
    "erase.dead",
    "erase.overwritten",
    "erase.flushed",
    "close.drained",
];

/// Those that only the turn of a key epoch passes; `hub/log/tests/epochs.rs` goes through them.
pub const EPOCH_POINTS: &[&str] = &["rewrap.made", "rewrap.written", "rewrap.flushed"];

/// Kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Opening or making a file.
    Open,
    /// Asking for a size.
    Size,
    /// Reading at an offset.
    Read,
    /// Writing at an offset.
    Write,
    /// Cutting or extending.
    SetSize,
    /// Flushing a file.
    Sync,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Making a folder.
    MakeDir,
    /// Listing a folder.
    List,
    /// Flushing a folder.
    SyncDir,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Open,
        Self::Size,
        Self::Read,
        Self::Write,
        Self::SetSize,
        Self::Sync,
        Self::Rename,
        Self::Remove,
        Self::MakeDir,
        Self::List,
        Self::SyncDir,
    ];
}

/// What an operation is told instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An input or output error.
    Io,
    /// No space left.
    Full,
    /// A write of the first half, then no space left; a read that ends too early.
    Short,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Io, Self::Full, Self::Short];

    fn error(self, kind: Kind) -> io::Error {
        match self {
            Self::Short if kind == Kind::Read => io::ErrorKind::UnexpectedEof.into(),
            Self::Io => io::Error::from_raw_os_error(5),
            Self::Full | Self::Short => io::Error::from_raw_os_error(28),
        }
    }
}

/// One operation that fails: the `ordinal`th of its kind, from 1 on, and with `lasting` all after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoFault {
    /// Which kind.
    pub kind: Kind,
    /// Which one.
    pub ordinal: u64,
    /// How.
    pub failure: Failure,
    /// Whether those behind it fail too.
    pub lasting: bool,
}

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal,)*) => {
        /// A bug that can be seeded with the feature `seeded-bugs`, to show that the battery catches it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Bug { $($(#[$doc])* $bug,)* }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];
        }

        impl fmt::Display for Bug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$bug => $name,)* })
            }
        }
    };
}

bugs! {
    /// Receipts leave before the flush that covers them.
    AcknowledgeBeforeFlush = "acknowledge-before-flush",
    /// A flush that fails counts as one that did not.
    IgnoreFlushError = "ignore-flush-error",
    /// Names of new segments are not flushed.
    SkipDirectorySync = "skip-directory-sync",
    /// At open, everything from the first broken frame on is cleared.
    TruncateOnChecksumError = "truncate-on-checksum-error",
    /// After open, the last position is given once more.
    ReusePosition = "reuse-position",
    /// A frame without its commit marker is taken as whole.
    AcceptUnmarkedFrame = "accept-unmarked-frame",
    /// A spare segment is made while another gets its name.
    SpareWhileRolling = "spare-while-rolling",
    /// Data keys are used before they are flushed.
    SkipKeyFlush = "skip-key-flush",
    /// What was found at open counts as acknowledged without a flush of ours.
    TrustUnflushedTail = "trust-unflushed-tail",
    /// A new segment gets its final name before its header.
    NameSegmentFirst = "name-segment-first",
    /// The tree file is never flushed.
    SkipTreeFlush = "skip-tree-flush",
    /// An erasure is acknowledged before its overwritten keys are flushed.
    SkipErasureFlush = "skip-erasure-flush",
    /// A start learns which keys are dead, and leaves them in the key file.
    LeaveDeadKeys = "leave-dead-keys",
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|bug| bug.to_string() == name);
        found.ok_or_else(|| format!("no bug is called `{name}`; there are {}", known()))
    }
}

type Hook = Arc<dyn Fn() + Send + Sync>;

struct State {
    crash: Option<(String, u64)>,
    io: Option<IoFault>,
    recorder: Option<Recorder>,
    hooks: Vec<(&'static str, Hook)>,
    points: HashMap<&'static str, u64>,
    operations: [u64; Kind::ALL.len()],
    handles: u64,
}

static ACTIVE: AtomicBool = AtomicBool::new(false);
static SEEDED: AtomicU8 = AtomicU8::new(u8::MAX);
static STATE: Mutex<Option<State>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What shall go wrong in this process.
#[derive(Default)]
pub struct Plan {
    /// Name of a crash point and how often it is passed before, from 1 on.
    pub crash: Option<(String, u64)>,
    /// An operation that fails.
    pub io: Option<IoFault>,
    /// Where all operations are recorded.
    pub recorder: Option<Recorder>,
    /// Run when a point is passed, without any lock of this module held.
    pub hooks: Vec<(&'static str, Hook)>,
}

/// Begins with a plan; counts of points and operations begin anew.
pub fn begin(plan: Plan) {
    let Plan { crash, io, recorder, hooks } = plan;
    let (points, operations, handles) = (HashMap::new(), [0; Kind::ALL.len()], 0);
    *lock() = Some(State { crash, io, recorder, hooks, points, operations, handles });
    ACTIVE.store(true, Ordering::SeqCst);
}

/// Ends the plan: nothing goes wrong any more.
pub fn end() {
    ACTIVE.store(false, Ordering::SeqCst);
    *lock() = None;
}

/// Seeds a bug, or none.
pub fn seed(bug: Option<Bug>) {
    SEEDED.store(bug.map_or(u8::MAX, |bug| bug as u8), Ordering::SeqCst);
}

#[cfg(feature = "seeded-bugs")]
pub(crate) fn is_seeded(bug: Bug) -> bool {
    SEEDED.load(Ordering::Relaxed) == bug as u8
}

/// Puts bytes into the record, in order with the operations.
pub fn note(bytes: &[u8]) {
    if let Some(state) = lock().as_mut() {
        state.record(11, &[], &[bytes]);
    }
}

pub(crate) fn point(name: &'static str) {
    debug_assert!(
        POINTS.contains(&name) || EPOCH_POINTS.contains(&name),
        "{name} is not in the list of crash points"
    );
    if !ACTIVE.load(Ordering::Relaxed) {
        return;
    }
    let hooks: Vec<Hook> = {
        let mut state = lock();
        let Some(state) = state.as_mut() else { return };
        state.record(10, &[], &[name.as_bytes()]);
        let passed = state.points.entry(name).or_default();
        *passed += 1;
        if state.crash.as_ref().is_some_and(|(point, nth)| point == name && nth == passed) {
            std::process::abort();
        }
        state.hooks.iter().filter(|(point, _)| *point == name).map(|(_, hook)| Arc::clone(hook)).collect()
    };
    hooks.iter().for_each(|hook| hook());
}

thread_local! {
    static OPENED: Cell<u64> = const { Cell::new(0) };
}

/// Number of the file that this thread is opening; [`run`] has set it.
pub(super) fn opened() -> u64 {
    OPENED.with(Cell::get)
}

impl State {
    fn record(&mut self, tag: u8, numbers: &[u64], rest: &[&[u8]]) {
        if let Some(recorder) = &mut self.recorder
            && recorder.record(tag, numbers, rest).is_err()
        {
            std::process::abort();
        }
    }

    /// The failure this operation is due, if any.
    fn due(&mut self, kind: Kind) -> Option<Failure> {
        let passed = &mut self.operations[kind as usize];
        *passed += 1;
        let fault = self.io.filter(|fault| fault.kind == kind)?;
        (*passed == fault.ordinal || fault.lasting && *passed > fault.ordinal).then_some(fault.failure)
    }

    fn record_mutation(&mut self, op: Op<'_>) {
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        match op {
            Op::Write(file, written, offset) => self.record(2, &[file.handle, offset], &[written]),
            Op::SetSize(file, size) => self.record(3, &[file.handle, size], &[]),
            Op::Rename(from, to) => {
                let (from, to) = (bytes(from), bytes(to));
                self.record(6, &[from.len() as u64], &[&from, &to]);
            }
            Op::Remove(path) => self.record(7, &[], &[&bytes(path)]),
            Op::MakeDir(path) => self.record(8, &[], &[&bytes(path)]),
            _ => {}
        }
    }
}

fn kind_of(op: Op<'_>) -> Kind {
    match op {
        Op::Open(..) => Kind::Open,
        Op::Size => Kind::Size,
        Op::Read => Kind::Read,
        Op::Write(..) => Kind::Write,
        Op::SetSize(..) => Kind::SetSize,
        Op::Sync(_) => Kind::Sync,
        Op::Rename(..) => Kind::Rename,
        Op::Remove(_) => Kind::Remove,
        Op::MakeDir(_) => Kind::MakeDir,
        Op::List => Kind::List,
        Op::SyncDir(_) => Kind::SyncDir,
    }
}

/// Runs an operation unless it is due to fail, and records it.
pub(super) fn run<T>(op: Op<'_>, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if !ACTIVE.load(Ordering::Relaxed) {
        return operation();
    }
    let mut guard = lock();
    let Some(state) = guard.as_mut() else {
        drop(guard);
        return operation();
    };
    let kind = kind_of(op);
    if let Some(failure) = state.due(kind) {
        match op {
            Op::Write(file, bytes, offset) if failure == Failure::Short => {
                let half = &bytes[..bytes.len() / 2];
                state.record_mutation(Op::Write(file, half, offset));
                file.file.write_all_at(half, offset)?;
            }
            Op::Sync(file) => state.record(5, &[file.handle], &[]),
            _ => {}
        }
        return Err(failure.error(kind));
    }
    let from = state.recorder.as_ref().map_or(0, Recorder::events);
    match op {
        // Flushes take long and run side by side with writes; only what was there when they began is covered.
        Op::Sync(_) | Op::SyncDir(_) => {
            drop(guard);
            let done = operation();
            let mut guard = lock();
            if let (Ok(_), Some(state)) = (&done, guard.as_mut()) {
                match op {
                    Op::Sync(file) => state.record(4, &[file.handle, from], &[]),
                    Op::SyncDir(path) => state.record(9, &[from], &[path.as_os_str().as_bytes()]),
                    _ => {}
                }
            }
            done
        }
        Op::Open(path, emptied) => {
            state.handles += 1;
            OPENED.with(|handle| handle.set(state.handles));
            let done = operation();
            if done.is_ok() {
                let handle = state.handles;
                state.record(1, &[handle, u64::from(emptied)], &[path.as_os_str().as_bytes()]);
            }
            done
        }
        _ => {
            state.record_mutation(op);
            operation()
        }
    }
}

/// Operations of each kind since [`begin`], in the order of [`Kind::ALL`].
pub fn operations() -> [u64; Kind::ALL.len()] {
    lock().as_ref().map_or([0; Kind::ALL.len()], |state| state.operations)
}
