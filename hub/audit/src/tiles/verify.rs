//! A stranger's check of a log that is served as tiles: `simpul audit verify --url`.
//!
//! ```text
//! checkpoint ── policy: log's signature, witnesses ── remembered checkpoint: only grown
//!     ▲ root
//! tile/7/… ◀─ … ◀─ tile/1/N ◀─ tile/0/N ◀─ leaf hashes ◀─ tile/entries/N ─▶ leaf: place in the log, sender's signature
//! ```
//!
//! Every tile is compared with what the entries give, so that the first byte that is not right is named with its file.
//! Memory is that of one batch of bundles.

mod levels;

use std::{fs, io, num::NonZero, path::PathBuf, sync::Arc, thread, time::Instant};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Serialize;
use simpul_signing::VerifyingKey;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    leaf_hash,
    policy::{Accepted, Policy},
    stored::Frontier,
    tile::{self, FULL_WIDTH, Tile, TileKind},
};
use simpul_types::{Digest, Leaf};

use crate::{
    trust::TrustedKeys,
    verify::{
        VerifyError,
        chain::{LeafChain, signed_by},
    },
};
use levels::Levels;

/// Bundles fetched together; with their tiles, twice as many files on the way at once.
const BATCH_BUNDLES: u64 = 16;

/// Where tiles come from.
pub trait TileFetch {
    /// The files of these names (`checkpoint`, `tile/0/000`, …), in the same order.
    fn fetch(&self, names: &[String]) -> Vec<Result<Bytes, FetchError>>;
}

/// Why a file was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// There is no such file.
    #[error("is missing")]
    Missing,
    /// Anything else; tried again later it may be there.
    #[error("cannot be fetched: {0}")]
    Failed(String),
}

/// Tiles in a folder, as `simpul audit tiles` writes them.
pub struct TileFolder(pub PathBuf);

impl TileFetch for TileFolder {
    fn fetch(&self, names: &[String]) -> Vec<Result<Bytes, FetchError>> {
        let read = |name: &String| match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FetchError::Missing),
            Err(error) => Err(FetchError::Failed(error.to_string())),
        };
        names.iter().map(read).collect()
    }
}

/// What the verifier trusts and remembers.
pub struct TilesOptions {
    /// Which logs, and which witnesses are enough.
    pub policy: Policy,
    /// Senders' keys.
    pub keys: TrustedKeys,
    /// The checkpoint that an earlier verification ended with.
    pub remembered: Option<String>,
}

/// The first thing that cannot be in an honest log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TilesViolation {
    /// File it stands in.
    pub file: String,
    /// Leaf, where one is known.
    pub leaf: Option<u64>,
    /// Position of the leaf's first event, where one is known.
    pub position: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What was checked, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TilesReport {
    /// Whether there is no violation.
    pub ok: bool,
    /// Origin of the log.
    pub origin: String,
    /// Leaves that the checkpoint speaks of.
    pub size: u64,
    /// Its root, hex.
    pub root: String,
    /// The signed checkpoint, for the next time.
    #[serde(skip)]
    pub note: String,
    /// Witnesses of the policy that cosigned it.
    pub witnesses: Vec<String>,
    /// Name of the policy's quorum.
    pub quorum: String,
    /// Leaves of the remembered checkpoint, whose tree the log continues.
    pub continues: Option<u64>,
    /// Leaves read.
    pub leaves: u64,
    /// Events that they speak of.
    pub events: u64,
    /// Statement signatures that were checked.
    pub signatures_checked: u64,
    /// Statement signatures whose key was not to be had.
    pub signatures_not_checked: u64,
    /// The first violation.
    pub violation: Option<TilesViolation>,
    /// What is odd or was not checked, and is no violation.
    pub notes: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// A file could not be fetched.
    #[error("{file} cannot be fetched: {what}")]
    Fetch {
        /// Which.
        file: String,
        /// What was said.
        what: String,
    },
    /// The remembered checkpoint is not one of this log.
    #[error("the remembered checkpoint does not hold under the key of `{0}`; is it of another log?")]
    Remembered(String),
    /// The trusted keys.
    #[error("the trusted keys")]
    Keys(#[source] VerifyError),
}

impl From<TilesViolation> for Stop {
    fn from(violation: TilesViolation) -> Self {
        Self::Violation(violation)
    }
}

/// Why a check ended early.
enum Stop {
    Violation(TilesViolation),
    Error(TilesError),
}

/// Verifies a log that is served as tiles. Blocking; `progress` is told leaves read and leaves in all.
///
/// # Errors
/// [`TilesError`] where something could not be had at all; what is wrong with what was had is in the report.
pub fn verify_tiles(
    from: &dyn TileFetch,
    options: &TilesOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<TilesReport, TilesError> {
    let started = Instant::now();
    let chain = LeafChain::new(options.keys.ring().map_err(TilesError::Keys)?);
    let mut report = TilesReport { quorum: options.policy.quorum().into(), ..Default::default() };
    let mut check = Check { from, chain, tree: Frontier::empty(), levels: Levels::default(), suspect: None };
    let outcome = check.run(options, &mut report, progress);
    report.violation = match outcome {
        Ok(()) => None,
        Err(Stop::Violation(violation)) => Some(violation),
        Err(Stop::Error(error)) => return Err(error),
    };
    report.ok = report.violation.is_none();
    report.leaves = check.tree.size();
    report.events = check.chain.events();
    report.signatures_checked = check.chain.keys_known;
    report.signatures_not_checked = check.chain.keys_unknown;
    if let (count, Some(first)) = check.chain.backward {
        report.notes.push(format!("the time goes backward {count} times, first at leaf {first}"));
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

struct Check<'a> {
    from: &'a dyn TileFetch,
    chain: LeafChain,
    tree: Frontier,
    levels: Levels,
    /// The first place where an entry and its tile disagree: the root tells at the end which of them is wrong.
    suspect: Option<Suspect>,
}

struct Suspect {
    bundle: Tile,
    leaf: u64,
}

/// A leaf whose sender's key is known.
struct Signed {
    bundle: Tile,
    index: u64,
    leaf: Leaf,
    key: Arc<VerifyingKey>,
}

impl Check<'_> {
    fn run(
        &mut self,
        options: &TilesOptions,
        report: &mut TilesReport,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Stop> {
        let accepted = self.checkpoint(&options.policy, report)?;
        let remembered = self.remembered(options, &accepted)?;
        self.vkey(&accepted, report)?;
        let newest = accepted.checkpoint;
        while self.tree.size() < newest.size {
            progress(self.tree.size(), newest.size);
            self.batch(&newest, remembered.as_ref())?;
        }
        progress(newest.size, newest.size);
        self.levels.finish(self.from, self.suspect.is_some())?;
        let right = self.tree.root() == newest.root;
        if let Some(Suspect { bundle, leaf }) = self.suspect.take() {
            let tile = Tile::new(TileKind::Hashes(0), bundle.index(), bundle.width()).unwrap_or(bundle);
            let (file, what) = if right {
                (
                    tile,
                    format!(
                        "has another hash of leaf {leaf} than {bundle} gives, and the checkpoint's root bears out the entries"
                    ),
                )
            } else {
                (
                    bundle,
                    format!(
                        "leaf {leaf} does not have the hash that stands in {tile}, and the entries do not give the checkpoint's root"
                    ),
                )
            };
            return Err(violation(file.to_string(), Some(leaf), None, what).into());
        }
        if !right {
            let (is, says) = (HEXLOWER.encode(&self.tree.root()), &report.root);
            let what = format!("the entries and every tile give root {is}, the checkpoint signs {says}");
            return Err(violation("checkpoint".into(), None, None, what).into());
        }
        report.continues = remembered.map(|remembered| remembered.size);
        Ok(())
    }

    fn checkpoint(&self, policy: &Policy, report: &mut TilesReport) -> Result<Accepted, Stop> {
        let name = "checkpoint".to_string();
        let note = one(self.from, &name)?;
        let refused = |what: String| violation(name.clone(), None, None, what);
        let note = String::from_utf8(note.into()).map_err(|_| refused("is not text".into()))?;
        let accepted = policy.judge(&note).map_err(|error| refused(chained(&error)))?;
        report.origin.clone_from(&accepted.checkpoint.origin);
        report.size = accepted.checkpoint.size;
        report.root = HEXLOWER.encode(&accepted.checkpoint.root);
        report.witnesses = accepted.cosigned.iter().map(ToString::to_string).collect();
        report.note = note;
        Ok(accepted)
    }

    fn remembered(&self, options: &TilesOptions, accepted: &Accepted) -> Result<Option<Checkpoint>, Stop> {
        let Some(note) = &options.remembered else { return Ok(None) };
        let newest = &accepted.checkpoint;
        let old = checkpoint::open(note, &accepted.log)
            .map_err(|_| Stop::Error(TilesError::Remembered(newest.origin.clone())))?;
        let refused = |what: String| Err(violation("checkpoint".into(), None, None, what).into());
        if old.size > newest.size {
            let (before, now) = (old.size, newest.size);
            return refused(format!("LOG-3: the log shrank from {before} to {now} leaves"));
        }
        if old.size == newest.size && old.root != newest.root {
            return refused(format!("LOG-3: the log shows two different trees of {} leaves", old.size));
        }
        Ok(Some(old))
    }

    /// The key that is served beside the tiles says nothing to a verifier, who has his own; another one there misleads
    /// others.
    fn vkey(&self, accepted: &Accepted, report: &mut TilesReport) -> Result<(), Stop> {
        match one(self.from, "vkey") {
            Ok(text) if text.trim_ascii() == accepted.log.to_string().as_bytes() => Ok(()),
            Ok(_) => {
                let what = format!("is not the key that signed the checkpoint, {}", accepted.log);
                Err(violation("vkey".into(), None, None, what).into())
            }
            Err(Stop::Violation(_)) => {
                report.notes.push("no vkey is served beside the tiles".into());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Some bundles with their tiles.
    fn batch(&mut self, newest: &Checkpoint, remembered: Option<&Checkpoint>) -> Result<(), Stop> {
        let full = u64::from(FULL_WIDTH);
        let first = self.tree.size() / full;
        let last = newest.size.div_ceil(full).min(first + BATCH_BUNDLES);
        let bundles = (first..last).filter_map(|number| Tile::of_entry(number * full, newest.size).ok());
        let bundles: Vec<_> = bundles.collect();
        let of_hashes = |bundle: &Tile| Tile::new(TileKind::Hashes(0), bundle.index(), bundle.width());
        let tiles = bundles.iter().filter_map(|bundle| of_hashes(bundle).ok());
        let wanted: Vec<_> = bundles.iter().copied().chain(tiles).collect();
        let mut files = some(self.from, &wanted)?;
        let hashes = files.split_off(bundles.len());
        let mut signed = Vec::new();
        for ((bundle, entries), hashes) in bundles.iter().zip(files).zip(hashes) {
            let leaf_hashes = self.bundle(*bundle, &entries, &hashes, remembered, &mut signed)?;
            self.levels.push(0, &leaf_hashes, self.from, self.suspect.is_some())?;
        }
        signatures(&signed)
    }

    /// One bundle of entries against its tile of hashes.
    fn bundle(
        &mut self,
        bundle: Tile,
        entries: &Bytes,
        hashes: &Bytes,
        remembered: Option<&Checkpoint>,
        signed: &mut Vec<Signed>,
    ) -> Result<Vec<Digest>, Stop> {
        let place = |what: String, leaf: u64| violation(bundle.to_string(), Some(leaf), None, what);
        let cut = |number: usize| place("is cut off in this entry".into(), bundle.first() + number as u64);
        let entries = tile::decode_entries(entries).map_err(cut)?;
        if entries.len() != usize::from(bundle.width()) {
            let what = format!("holds {} entries, not {}", entries.len(), bundle.width());
            return Err(place(what, bundle.first()).into());
        }
        let mut leaf_hashes = Vec::with_capacity(entries.len());
        for ((index, entry), hash) in (bundle.first()..).zip(&entries).zip(hashes.as_chunks::<32>().0) {
            let own = leaf_hash(entry);
            if own != *hash && self.suspect.is_none() {
                self.suspect = Some(Suspect { bundle, leaf: index });
            }
            leaf_hashes.push(own);
            self.tree.push(own, &mut Vec::new());
            if self.suspect.is_none() {
                self.continues(remembered)?;
                signed.extend(self.leaf(bundle, index, entry)?);
            }
        }
        Ok(leaf_hashes)
    }

    /// LOG-3, at the size that the remembered checkpoint speaks of.
    fn continues(&self, remembered: Option<&Checkpoint>) -> Result<(), Stop> {
        match remembered {
            Some(old) if old.size == self.tree.size() && old.root != self.tree.root() => {
                let what = format!(
                    "LOG-3: the log was rewritten: its first {} leaves do not give the remembered root {}",
                    old.size,
                    HEXLOWER.encode(&old.root)
                );
                Err(violation("checkpoint".into(), None, None, what).into())
            }
            _ => Ok(()),
        }
    }

    /// What a leaf says, in its place.
    fn leaf(&mut self, bundle: Tile, index: u64, entry: &Bytes) -> Result<Option<Signed>, Stop> {
        let place = |what: String, position| violation(bundle.to_string(), Some(index), position, what);
        let leaf =
            Leaf::decode(entry).map_err(|error| place(format!("the leaf does not decode: {error}"), None))?;
        let position = Some(leaf.first_position.get());
        let events = leaf.statement.event_count.into();
        self.chain.step(leaf.first_position, events).map_err(|what| place(what, position))?;
        let mut found = None;
        let key = self.chain.place(index, &leaf, &mut |what| found = found.take().or(Some(what)));
        match found {
            Some(what) => Err(place(what, position).into()),
            None => Ok(key.map(|key| Signed { bundle, index, leaf, key })),
        }
    }
}

/// Checks senders' signatures on all cores; the first wrong one in the order of the log.
fn signatures(signed: &[Signed]) -> Result<(), Stop> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let judge = |signed: &Signed| {
        let Signed { bundle, index, leaf, key } = signed;
        let position = Some(leaf.first_position.get());
        signed_by(leaf, key).map_err(|what| violation(bundle.to_string(), Some(*index), position, what))
    };
    let share = signed.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let threads: Vec<_> =
            signed.chunks(share).map(|share| scope.spawn(move || share.iter().try_for_each(judge))).collect();
        for thread in threads {
            match thread.join() {
                Ok(judged) => judged?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })
}

/// One file that has to be there.
fn one(from: &dyn TileFetch, name: &str) -> Result<Bytes, Stop> {
    let names = [name.to_string()];
    let fetched = from.fetch(&names).pop().unwrap_or(Err(FetchError::Missing));
    fetched.map_err(|error| stop(name.into(), error))
}

/// Tiles that have to be there, each of the right length where it holds hashes. A partial one that is gone is cut from the
/// full one, as the specification has it.
fn some(from: &dyn TileFetch, tiles: &[Tile]) -> Result<Vec<Bytes>, Stop> {
    let names: Vec<_> = tiles.iter().map(ToString::to_string).collect();
    let mut fetched = from.fetch(&names);
    fetched.resize(names.len(), Err(FetchError::Missing));
    tiles
        .iter()
        .zip(fetched)
        .map(|(tile, fetched)| {
            let bytes = match fetched {
                Err(FetchError::Missing) if !tile.is_full() => cut_from_full(from, tile),
                other => other,
            };
            let bytes = bytes.map_err(|error| stop(tile.to_string(), error))?;
            let expected = usize::from(tile.width()) * 32;
            if tile.kind() != TileKind::Entries && bytes.len() != expected {
                let what = format!("has {} bytes, not {expected}", bytes.len());
                return Err(violation(tile.to_string(), None, None, what).into());
            }
            Ok(bytes)
        })
        .collect()
}

fn cut_from_full(from: &dyn TileFetch, tile: &Tile) -> Result<Bytes, FetchError> {
    let full = Tile::new(tile.kind(), tile.index(), FULL_WIDTH).map_err(|_| FetchError::Missing)?;
    let bytes = from.fetch(&[full.to_string()]).pop().unwrap_or(Err(FetchError::Missing))?;
    let width = usize::from(tile.width());
    if tile.kind() != TileKind::Entries {
        return Ok(bytes.slice(..(width * 32).min(bytes.len())));
    }
    let entries = tile::decode_entries(&bytes).unwrap_or_default();
    let kept: usize = entries.iter().take(width).map(|entry| 2 + entry.len()).sum();
    Ok(bytes.slice(..kept))
}

fn stop(file: String, error: FetchError) -> Stop {
    match error {
        FetchError::Missing => {
            violation(file, None, None, "is missing, though the checkpoint speaks of it".into()).into()
        }
        FetchError::Failed(what) => Stop::Error(TilesError::Fetch { file, what }),
    }
}

fn violation(file: String, leaf: Option<u64>, position: Option<u64>, what: String) -> TilesViolation {
    TilesViolation { file, leaf, position, what }
}

/// An error with what is behind it.
fn chained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        text = format!("{text}: {behind}");
        source = behind.source();
    }
    text
}

impl std::fmt::Display for TilesViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(leaf) = self.leaf {
            write!(f, ", leaf {leaf}")?;
        }
        if let Some(position) = self.position {
            write!(f, ", position {position}")?;
        }
        write!(f, ": {}", self.what)
    }
}
